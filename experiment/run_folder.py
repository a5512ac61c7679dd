"""The folder of a run: its name, its files, and how they are written, whole or not at all."""

from __future__ import annotations

import datetime
import fcntl
import functools
import itertools
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reinstate.experiment import files
from reinstate.experiment.constants import constants
from reinstate.experiment.errors import UserError
from reinstate.experiment.options import RunOptions

PACKAGES = ("reinstate", "torch", "numpy", "numba", "gymnasium", "minigrid", "tensorboard", "safetensors")
FIRST_FILES = ("versions.json", "constants.json", "command.txt")  # in the order of writing; then config.json


def default_run_dir(options: RunOptions) -> Path:
    """runs/<env>__<name>__s<seed>__<UTC>, and _2, _3, ... after it for those that begin in the same second."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = Path("runs") / f"{options.env.replace('/', '-')}__{options.name}__s{options.seed}__{now}"
    others = (folder.with_name(f"{folder.name}_{n}") for n in itertools.count(2))
    return next(path for path in itertools.chain([folder], others) if not path.exists())


def is_run(path: Path) -> bool:
    """Whether a run has begun in this folder: config.json is written last."""
    return os.path.isfile(path / "config.json")  # False, too, for a name that cannot be


def check_new(path: Path) -> None:
    """Raises UserError where a run folder would overwrite something. Of a run that was killed before it began,
    something may be left."""
    try:
        taken = os.path.isfile(path) or (os.path.isdir(path) and any(not is_ours(n) for n in os.listdir(path)))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): choose another --run-dir") from error
    if taken:
        raise UserError(f"{path} exists and is not empty: choose another --run-dir, or remove it first")


def is_ours(name: str) -> bool:
    """Whether this file of a folder without config.json was written by a run that was killed before it began."""
    return name in FIRST_FILES or name in [f".{first}.staged" for first in (*FIRST_FILES, "config.json")]


def create(path: Path, options: RunOptions, command: list[str]) -> None:
    """Makes the folder with versions.json, constants.json, command.txt and, last, config.json."""
    try:
        check_new(path)
        path.mkdir(parents=True, exist_ok=True)
        files.replace(path / "versions.json", files.as_json(dict(versions())))
        files.replace(path / "constants.json", files.as_json(constants()))
        files.replace(path / "command.txt", f"{shlex.join(command)}\n".encode())
        write_options(path, options)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"the run folder {path} cannot be made ({reason}): choose another --run-dir") from error


def write_options(path: Path, options: RunOptions) -> None:
    """Writes config.json."""
    files.replace(path / "config.json", files.as_json(options.to_json()))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """No other process trains in this folder meanwhile; raises UserError where one does."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"another process trains in {path}: wait until it ends, or stop it") from error
        yield
    finally:
        os.close(descriptor)


def read_options(path: Path) -> RunOptions:
    """The options of the run in folder `path`; raises UserError, which names the file, where they are not right."""
    config = path / "config.json"
    if not os.path.lexists(config):
        raise UserError(f"{path} is no run folder: it has no config.json{_did_you_mean(path)}")
    values = files.json_of(files.read(config), config)
    try:
        return RunOptions.from_json(values)
    except UserError as error:
        raise UserError(f"{config}: {error}") from error


def _did_you_mean(path: Path) -> str:
    import difflib

    siblings = [p.parent.name for p in path.parent.glob("*/config.json")] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1, cutoff=0.4)
    return f"; did you mean {path.parent / near[0]}?" if near else ""


@functools.cache  # they do not change while a process runs
def versions() -> Mapping[str, str]:
    """Python, the machine, and the packages that results depend on."""
    found = {"python": sys.version.split()[0], "machine": platform.machine(), "system": platform.system()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
