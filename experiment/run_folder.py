"""The folder of a run: its name, its files, and how they are written, whole or not at all."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reinstate.experiment.constants import constants
from reinstate.experiment.errors import UserError
from reinstate.experiment.options import RunOptions

PACKAGES = ("reinstate", "torch", "numpy", "numba", "gymnasium", "minigrid", "tensorboard", "safetensors")


def default_run_dir(options: RunOptions) -> Path:
    """runs/<env>__<name>__s<seed>__<UTC>, and _2, _3, ... after it for those that begin in the same second."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = Path("runs") / f"{options.env.replace('/', '-')}__{options.name}__s{options.seed}__{now}"
    others = (folder.with_name(f"{folder.name}_{n}") for n in itertools.count(2))
    return next(path for path in itertools.chain([folder], others) if not path.exists())


def check_new(path: Path) -> None:
    """Raises UserError where a run folder would overwrite something."""
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise UserError(f"{path} exists and is not empty: choose another --run-dir, or remove it first")


def create(path: Path, options: RunOptions, command: list[str]) -> None:
    """Makes the folder with config.json, command.txt, versions.json and constants.json."""
    check_new(path)
    try:
        path.mkdir(parents=True, exist_ok=path.is_dir())  # fails where another run made it in between
    except OSError as error:
        raise UserError(f"the run folder {path} cannot be made ({error.strerror}): choose another --run-dir") from error
    write_json(path / "config.json", options.to_json())
    write_text(path / "command.txt", shlex.join(command) + "\n")
    write_json(path / "versions.json", versions())
    write_json(path / "constants.json", constants())


def read_options(path: Path) -> RunOptions:
    """The options of the run in folder `path`."""
    config = path / "config.json"
    if not config.is_file():
        raise UserError(f"{path} is no run folder: it has no config.json{_did_you_mean(path)}")
    try:
        return RunOptions.from_json(json.loads(config.read_text()))
    except UserError as error:
        raise UserError(f"{config}: {error}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{config} cannot be read ({error})") from error


def _did_you_mean(path: Path) -> str:
    import difflib

    siblings = [p.parent.name for p in path.parent.glob("*/config.json")] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1, cutoff=0.4)
    return f"; did you mean {path.parent / near[0]}?" if near else ""


def versions() -> dict[str, str]:
    """Python, the machine, and the packages that results depend on."""
    found = {"python": sys.version.split()[0], "machine": platform.machine(), "system": platform.system()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Whole or not at all: staged beside its place, synced, then renamed."""
    staged = path.with_name(path.name + ".partial")
    with staged.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
