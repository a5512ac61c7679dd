"""Checkpoints: everything that a run must remember, published whole or not at all, and never unpickled.

A checkpoint is a folder. Each part of the state has two files: its tensors (safetensors) and the rest (JSON).
manifest.json names the step, the options, the versions of libraries and the checksum of every file, its own included.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from reinstate.agents.interface import Stateful
from reinstate.experiment import files
from reinstate.experiment.errors import UserError
from reinstate.experiment.plain_state import join, split
from reinstate.experiment.run_folder import versions

FORMAT = 7  # 7: two files for each part of the state
POINTERS = ("latest", "best")  # small files that name a checkpoint
NAME = re.compile(r"step_\d+")
UNFINISHED = "."  # names of folders that are being written or removed begin with it
MANIFEST = "manifest.json"


def name_of(step: int) -> str:
    """The name of the checkpoint of a step.

    >>> name_of(128)
    'step_000000128'
    """
    return f"step_{step:09d}"


def save(run: Path, state: Mapping[str, Any], options: Mapping[str, Any], step: int, keep: int) -> None:
    """Writes checkpoints/step_... and then points `latest` to it. Nothing is done where `latest` is of this step.

    All is written to a hidden folder, which one rename publishes: a failure leaves the earlier checkpoints as they
    were.

    Args:
        state: the values of each part, as `state_dict` gives them.
        options: of the run, as plain values.
        keep: the last so many checkpoints stay, and the best; older ones are removed.
    """
    folder, name = run / "checkpoints", name_of(step)
    folder.mkdir(exist_ok=True)
    if pointed(run, "latest") == name:
        return
    sweep(folder)
    staged = folder / f"{UNFINISHED}{name}"
    staged.mkdir()
    checksums = {}
    for part, values in state.items():
        tensors, rest = split(values)
        for file, data in ((f"{part}.safetensors", save_tensors(tensors)), (f"{part}.json", files.as_json(rest))):
            files.write(staged / file, data)
            checksums[file] = digest(data)
    manifest = {"format": FORMAT, "step": step, "options": options, "versions": dict(versions()), "files": checksums}
    files.write(staged / MANIFEST, files.as_json({**manifest, "sha256": digest_of_json(manifest)}))
    files.sync(staged)
    remove(folder / name)  # of a run that went on from an earlier checkpoint; `latest` is another one
    files.rename(staged, folder / name)
    files.sync(folder)
    point(run, "latest", name)
    for old in obsolete(folder, keep, pointed(run, "best")):
        remove(folder / old)


def point(run: Path, pointer: str, name: str) -> None:
    """Lets `latest` or `best` name another checkpoint."""
    files.replace(run / "checkpoints" / pointer, f"{name}\n".encode())


def pointed(run: Path, pointer: str) -> str | None:
    """The checkpoint that `latest` or `best` names; None where there is none."""
    path = run / "checkpoints" / pointer
    return files.read_text(path).strip() if os.path.lexists(path) else None


def exists(run: Path) -> bool:
    """Whether a checkpoint was ever published."""
    folder = run / "checkpoints"
    return os.path.lexists(folder / "latest") or len(names(folder)) > 0


def names(folder: Path) -> list[str]:
    """The checkpoints in a folder, in order of their steps."""
    found = [p.name for p in folder.iterdir() if NAME.fullmatch(p.name)] if folder.is_dir() else []
    return sorted(found, key=lambda name: int(name.removeprefix("step_")))


def obsolete(folder: Path, keep: int, best: str | None) -> list[str]:
    """All but the last `keep` checkpoints and the best."""
    return [name for name in names(folder)[:-keep] if name != best]


def remove(path: Path) -> None:
    """Removes a checkpoint, if it is there: at no moment a part of it is left under its name."""
    if not path.exists():
        return
    hidden = path.with_name(UNFINISHED + path.name + ".old")
    shutil.rmtree(hidden, ignore_errors=True)
    files.rename(path, hidden)
    shutil.rmtree(hidden)


def sweep(folder: Path) -> None:
    """Removes what a writer that was killed has left."""
    for path in folder.iterdir():
        if path.name.startswith(UNFINISHED):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def load(run: Path, parts: Mapping[str, Stateful], which: str = "latest") -> int:
    """Loads parts of a checkpoint of `run`; returns its step.

    Args:
        parts: by their names in the saved state.
        which: latest, best, or the name of a checkpoint folder.

    Raises:
        UserError: there is none, it is damaged, or it does not fit. Parts may have been changed before that is found.
    """
    folder = find(run, which)
    manifest = read_manifest(folder)
    for name, state in read_parts(folder, manifest, parts).items():
        load_part(folder, parts[name], name, state)
    return int(manifest["step"])


def load_part(folder: Path, part: Stateful, name: str, state: Any) -> None:
    """Loads what was read from the checkpoint in `folder`; raises UserError where it is not of this part."""
    try:
        part.load_state_dict(state)
    except Exception as error:  # whatever a state of another version, or of a forger, leads to
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{folder} does not fit: its part {name!r} cannot be loaded ({reason})") from error


def read(run: Path, parts: Iterable[str], which: str = "latest") -> dict[str, Any]:
    """The saved values of some parts of a checkpoint; raises UserError as `load` does."""
    folder = find(run, which)
    return read_parts(folder, read_manifest(folder), parts)


def shapes(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shapes of an agent's parameters: agents of equal shapes can load each other's states."""
    return {name: tuple(value.shape) for name, value in state.items() if isinstance(value, Tensor)}


def find(run: Path, which: str = "latest") -> Path:
    """The folder of a checkpoint; raises UserError, which lists those that there are."""
    folder = run / "checkpoints"
    name = (pointed(run, which) or which) if which in POINTERS else which
    # A name of another form could lead out of the run's folder.
    if not NAME.fullmatch(name) or not (folder / name).is_dir():
        points = f" ({folder / which} names {name[:40]!r})" if name != which else ""
        raise UserError(f"{run} has no checkpoint {which!r}{points}; there is: {', '.join(names(folder)) or 'none'}")
    return folder / name


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint; raises UserError where it is damaged or of another version."""
    path = folder / MANIFEST
    manifest = files.json_of(files.read(path), path)
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise UserError(f"{path} is not a manifest of a checkpoint")
    if manifest["format"] != FORMAT:
        raise UserError(
            f"{path} has format {manifest['format']}, and this version of reinstate reads {FORMAT}: use the version "
            f"that wrote it"
        )
    if manifest.pop("sha256", None) != digest_of_json(manifest):
        raise UserError(f"{path} is damaged: its checksum is not the one that it names")
    if not isinstance(manifest.get("step"), int) or not isinstance(manifest.get("files"), dict):
        raise UserError(f"{path} is not a manifest of a checkpoint")
    return manifest


def read_parts(folder: Path, manifest: Mapping[str, Any], parts: Iterable[str]) -> dict[str, Any]:
    """The saved values of some parts; raises UserError where a file is missing or damaged."""
    found = {}
    for part in parts:
        data = {}
        for kind in ("json", "safetensors"):
            path = folder / f"{part}.{kind}"
            if path.name not in manifest["files"]:
                raise UserError(f"{folder} has no part {part!r}")
            data[kind] = files.read(path)
            if digest(data[kind]) != manifest["files"][path.name]:
                raise UserError(f"{path} is damaged: its checksum is not the one in {MANIFEST}")
        try:
            tensors = load_tensors(data["safetensors"])
        except SafetensorError as error:
            raise UserError(f"{folder / part}.safetensors cannot be read: {error}") from error
        found[part] = join(tensors, files.json_of(data["json"], folder / f"{part}.json"))
    return found


def digest(data: bytes) -> str:
    """SHA-256, as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of_json(value: Any) -> str:
    """The digest of a JSON value, whatever the order of its keys."""
    return digest(json.dumps(value, sort_keys=True).encode())
