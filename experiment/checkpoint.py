"""Checkpoints: weights as safetensors, the rest JSON; published whole or not at all, never unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from reinstate.experiment.errors import UserError
from reinstate.experiment.options import RunOptions
from reinstate.experiment.run_folder import versions, write_json, write_text

FORMAT = 5  # 5: the codec of vectors begins as a thermometer, and has other parameters
POINTERS = ("latest", "best")  # small files that name a checkpoint


def tensors_of(agent: Any) -> dict[str, Tensor]:
    """Everything that acting needs: the parameters, and the codec as it writes."""
    parts = {"agent": agent}
    if hasattr(agent, "codec"):
        parts |= {"autoencoder": agent.codec.autoencoder, "coder": agent.codec.current}
    return {
        f"{name}.{key}": t.contiguous().clone() for name, part in parts.items() for key, t in part.state_dict().items()
    }


def shapes(agent: Any) -> dict[str, tuple[int, ...]]:
    """What a checkpoint must hold to be this agent's."""
    return {name: tuple(t.shape) for name, t in tensors_of(agent).items()}


def save(run: Path, agent: Any, options: RunOptions, step: int, evaluation: dict[str, Any], best: bool) -> Path:
    """Writes checkpoints/step_... and then points `latest` (and `best`) to it.

    Nothing is replaced before all is on disk: a failure leaves the earlier checkpoints and pointers as they were.
    """
    folder = run / "checkpoints"
    folder.mkdir(exist_ok=True)
    name = f"step_{step:09d}"
    staged = folder / f"{name}.partial"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    weights = staged / "weights.safetensors"
    save_file(tensors_of(agent), weights)
    sync(weights)
    manifest = {
        "format": FORMAT,
        "step": step,
        "codec_version": agent.codec.version if hasattr(agent, "codec") else None,
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
    """Renames `staged` to `place`; what stood there goes only once its successor is in place."""
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


def load(run: Path, agent: Any, which: str = "latest") -> int:
    """Loads a checkpoint of `run` into `agent`, built from the run's options; returns its step.

    Args:
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
        tensors = load_file(weights)
        parts = {"agent": agent}
        if hasattr(agent, "codec"):
            parts["autoencoder"] = agent.codec.autoencoder
            agent.codec.version = facts["codec_version"]
            agent.codec.coders = {agent.codec.version: agent.codec.autoencoder.freeze()}
            parts["coder"] = agent.codec.current
        for name, part in parts.items():
            prefix = name + "."
            part.load_state_dict({k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)})
    except (KeyError, TypeError, RuntimeError, SafetensorError, ValueError) as error:
        raise UserError(f"{folder / name} cannot be read: {str(error).splitlines()[0]}") from error
    return int(facts["step"])
