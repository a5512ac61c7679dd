"""numba's `njit`, whose compiled code is kept wherever something can be written, and compiled anew where it is damaged.

Compiled code is kept in `__pycache__` beside the source, else in the user's cache folder. Where neither can be written
(a container, a cluster), it goes to a private folder among the temporary files. numba unpickles what it finds there, so
a folder that others could have written to is not used.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core import caching
from numba.misc.appdirs import AppDirs

__all__ = ["njit"]

COMPILED = ("agents", "envs", "envs/engine", "memory")  # the folders that have compiled functions
MARK = b"crc32"  # before the checksum at the end of a file of compiled code; unpickling stops before it


def can_write(folder: Path) -> bool:
    """Whether files can be made in `folder`, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def places() -> list[Path]:
    """Where numba keeps the compiled code of this package, if it can."""
    home = Path(__file__).parent
    root = home if (home / "memory").is_dir() else home.parent  # installed, or a checkout
    return [root / folder / "__pycache__" for folder in COMPILED]


def private_folder() -> Path:
    """A folder among the temporary files that is this user's alone, the same one in the next run."""
    folder = Path(tempfile.gettempdir()) / f"reinstate-compiled-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        is_own = not hasattr(os, "getuid") or found.st_uid == os.getuid()
        if stat.S_ISDIR(found.st_mode) and is_own and found.st_mode & 0o077 == 0 and can_write(folder):
            return folder
    except OSError:
        pass
    new = tempfile.mkdtemp(prefix="reinstate-compiled-")
    atexit.register(shutil.rmtree, new, ignore_errors=True)
    return Path(new)


def choose_folder() -> None:
    """Sets numba's folder where its own choice would find none that can be written."""
    config: Any = numba.config
    if config.CACHE_DIR and can_write(Path(config.CACHE_DIR)):
        return
    of_user: str = AppDirs(appname="numba", appauthor=False).user_cache_dir  # type: ignore[no-untyped-call]
    if all(map(can_write, places())) or can_write(Path(of_user)):
        return
    folder = private_folder()
    config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"] = str(folder)  # of this process, and of those it starts
    warnings.warn(
        f"Compiled code is kept in {folder}, as neither the installation nor the user's cache folder can be written; "
        "NUMBA_CACHE_DIR sets another folder.",
        stacklevel=2,
    )


def tolerant(
    function: Callable[..., Any], failure: type[Exception], nothing: Callable[[], Any] = lambda: None
) -> Callable[..., Any]:
    """`function`, but where it fails it gives nothing: code is compiled anew where a file is damaged, and is not kept
    where the disk is full."""

    def or_nothing(*args: Any) -> Any:
        try:
            return function(*args)
        except failure:
            return nothing()

    return or_nothing


def dump(file: Any, content: Any) -> bytes:
    """Pickled content, with its checksum after it: damaged machine code would crash the process."""
    data: bytes = pickled(file, content)
    return data + MARK + zlib.crc32(data).to_bytes(4, "little")


def load_data(file: Any, name: str) -> Any:
    """The content of a file of compiled code; raises OSError where its checksum is wrong."""
    data = Path(file._data_path(name)).read_bytes()
    mark, checksum = data[-4 - len(MARK) : -4], data[-4:]
    if mark == MARK and zlib.crc32(data[: -4 - len(MARK)]).to_bytes(4, "little") != checksum:
        raise OSError(f"{name} is damaged")
    return unpickled(file, name)


choose_folder()
files: Any = caching.IndexDataCacheFile
cache: Any = caching.Cache
pickled, unpickled = files._dump, files._load_data
files._dump, files._load_data = dump, load_data
files._load_index = tolerant(files._load_index, Exception, dict)
cache._load_overload = tolerant(cache._load_overload, Exception)
cache._save_overload = tolerant(cache._save_overload, OSError)
