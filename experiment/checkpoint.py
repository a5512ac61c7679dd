"""Checkpoints: weights as safetensors, the rest JSON; published whole or not at all, never unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from experiment.errors import UserError
from experiment.run_folder import versions, write_json, write_text

FORMAT = 1


def tensors_of(agent: Any) -> dict[str, Tensor]:
    """Everything that acting needs: the parameters, and the codec as it writes."""
    parts = {"agent": agent}
    if hasattr(agent, "codec"):
        parts |= {"autoencoder": agent.codec.autoencoder, "coder": agent.codec.current}
    return {
        f"{name}.{key}": t.contiguous().clone() for name, part in parts.items() for key, t in part.state_dict().items()
    }


def save(run: Path, agent: Any, step: int, evaluation: dict[str, Any], best: bool) -> Path:
    """Writes checkpoints/step_... and points `latest` (and `best`) to it."""
    folder = run / "checkpoints"
    folder.mkdir(exist_ok=True)
    name = f"step_{step:012d}"
    staged = folder / f"{name}.partial"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    weights = staged / "weights.safetensors"
    save_file(tensors_of(agent), weights)
    with weights.open("rb") as file:
        os.fsync(file.fileno())
    manifest = {
        "format": FORMAT,
        "step": step,
        "codec_version": agent.codec.version if hasattr(agent, "codec") else None,
        "evaluation": evaluation,
        "versions": versions(),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    write_json(staged / "manifest.json", manifest)
    shutil.rmtree(folder / name, ignore_errors=True)
    os.replace(staged, folder / name)
    write_text(folder / "latest", name + "\n")
    if best:
        write_text(folder / "best", name + "\n")
    return folder / name


def load(run: Path, agent: Any, which: str = "latest") -> int:
    """Loads a checkpoint of `run` into `agent`, built from the run's options; returns its step.

    Args:
        which: latest, best, or the name of a checkpoint folder.
    """
    folder = run / "checkpoints"
    pointer = folder / which
    name = pointer.read_text().strip() if pointer.is_file() else which
    weights, manifest = folder / name / "weights.safetensors", folder / name / "manifest.json"
    if not (weights.is_file() and manifest.is_file()):
        there = ", ".join(sorted(p.name for p in folder.glob("step_*") if p.is_dir())) or "none"
        raise UserError(f"{run} has no checkpoint {which!r}; there is: {there}")
    try:
        facts = json.loads(manifest.read_text())
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
    except (KeyError, RuntimeError, SafetensorError, json.JSONDecodeError) as error:
        raise UserError(f"{folder / name} cannot be read: {str(error).splitlines()[0]}") from error
    return int(facts["step"])
