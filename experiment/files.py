"""Files that are whole or not there, and reading that says what is wrong with which file."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from reinstate.experiment.errors import UserError


def write(path: Path, data: bytes) -> None:
    """Writes a new file, and waits until it is on disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: beside its place, then renamed. Nothing is left of a failure."""
    staged = path.with_name(f".{path.name}.staged")
    try:
        write(staged, data)
        rename(staged, path)
    except BaseException:
        with suppress(OSError, ValueError):  # such as a name that cannot be
            staged.unlink(missing_ok=True)
        raise
    sync(path.parent)


def rename(source: Path, target: Path) -> None:
    """Renames a file or folder, in one step."""
    os.replace(source, target)


def sync(path: Path) -> None:
    """Waits until a file, or the list of a folder's entries, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_json(value: Any) -> bytes:
    """A value as the text of a JSON file."""
    return (json.dumps(value, indent=2) + "\n").encode()


def read(path: Path) -> bytes:
    """The content of a file; raises UserError, which names it, where that is not possible."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is not a file")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_text(path: Path) -> str:
    """The text of a file; raises UserError as `read` does."""
    return text_of(read(path), path)


def text_of(data: bytes, path: Path) -> str:
    """The text that was read from `path`."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: it is not text") from error


def json_of(data: bytes, path: Path) -> Any:
    """The JSON value that was read from `path`."""
    try:
        return json.loads(text_of(data, path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: it is not JSON ({error})") from error
