"""Checkpoints: weights as safetensors, the rest JSON; published whole or not at all, never unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from reinstate.agents.interface import Stateful
from reinstate.experiment.errors import UserError
from reinstate.experiment.evaluation import Evaluation
from reinstate.experiment.options import RunOptions
from reinstate.experiment.plain_state import join, split
from reinstate.experiment.run_folder import versions, write_json, write_text

FORMAT = 6  # 6: any state of plain values; tensors by path
POINTERS = ("latest", "best")  # small files that name a checkpoint


def save(
    run: Path, state: dict[str, Any], options: RunOptions, step: int, evaluation: Mapping[str, Evaluation], best: bool
) -> Path:
    """Writes checkpoints/step_... and then points `latest` (and `best`) to it.

    Nothing is replaced before all is on disk: a failure leaves the earlier checkpoints and pointers as they were.

    Args:
        state: plain values, as `state_dict` gives them.
        evaluation: of these very parameters, by kind of policy; empty where there is none.
        best: the evaluation is the best of the run so far.
    """
    folder = run / "checkpoints"
    folder.mkdir(exist_ok=True)
    name = f"step_{step:09d}"
    staged = folder / f"{name}.partial"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    weights = staged / "weights.safetensors"
    tensors, rest = split(state)
    save_file(tensors, weights)
    sync(weights)
    manifest = {
        "format": FORMAT,
        "step": step,
        "state": rest,
        "evaluation": evaluation,
        "config": options.to_json(),
        "versions": versions(),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    write_json(staged / "manifest.json", manifest)
    sync(staged)
    publish(staged, folder / name)
    sync(folder)
    write_text(folder / "latest", name + "\n")
    if best:
        write_text(folder / "best", name + "\n")
    return folder / name


def is_saved(run: Path, step: int) -> bool:
    """Whether `latest` is the checkpoint of this step."""
    pointer = run / "checkpoints" / "latest"
    return pointer.is_file() and pointer.read_text().strip() == f"step_{step:09d}"


def publish(staged: Path, place: Path) -> None:
    """Renames `staged` to `place`. An older folder there is removed when the new one is in place, not before."""
    if not place.exists():
        os.replace(staged, place)
        return
    aside = place.with_name(place.name + ".old")  # a folder cannot be renamed onto one that is not empty
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(place, aside)
    try:
        os.replace(staged, place)
    except BaseException:
        os.replace(aside, place)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def sync(path: Path) -> None:
    """Waits until a file, or the list of a folder's entries, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(run: Path, parts: dict[str, Stateful], which: str = "latest") -> int:
    """Loads a checkpoint of `run` into `parts`; returns its step.

    Args:
        parts: by their names in the saved state.
        which: latest, best, or the name of a checkpoint folder.
    """
    folder = run / "checkpoints"
    pointer = folder / which
    name = pointer.read_text().strip() if which in POINTERS and pointer.is_file() else which
    weights, manifest = folder / name / "weights.safetensors", folder / name / "manifest.json"
    # A name of another form could lead out of the run's folder.
    if not (re.fullmatch(r"step_\d+", name) and weights.is_file() and manifest.is_file()):
        there = (
            ", ".join(sorted(p.name for p in folder.glob("step_*") if p.name.removeprefix("step_").isdigit())) or "none"
        )
        raise UserError(f"{run} has no checkpoint {which!r}; there is: {there}")
    try:
        facts = json.loads(manifest.read_text())
        if facts["format"] != FORMAT:
            raise UserError(f"{manifest} has format {facts['format']}; this version of reinstate reads {FORMAT}")
        if facts["sha256"] != hashlib.sha256(weights.read_bytes()).hexdigest():
            raise UserError(f"{weights} is damaged: its checksum is not the manifest's")
        state = join(load_file(weights), facts["state"])
        for part, stateful in parts.items():
            stateful.load_state_dict(state[part])
    except (KeyError, TypeError, AttributeError, RuntimeError, SafetensorError, ValueError) as error:
        raise UserError(f"{folder / name} cannot be read: {str(error).splitlines()[0]}") from error
    return int(facts["step"])
