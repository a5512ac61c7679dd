"""Compiled code: it is kept where something can be written, and damaged files do no harm."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reinstate import compiled

ROOT = Path(__file__).parents[2]
USE = """
from reinstate.envs.engine import pcg64
import numpy as np
words = pcg64.generator_to_words(np.random.default_rng(0))
print(pcg64.next_uint64(words))
print(sum(pcg64.next_uint64.stats.cache_hits.values()))
"""


@pytest.fixture
def read_only(tmp_path: Path) -> dict[str, str]:
    """The variables of a process whose installation and home cannot be written to, not even by root: where a folder
    would be made there is a file."""
    package = tmp_path / "lib" / "reinstate"
    shutil.copytree(ROOT / "reinstate", package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("agents", "envs", "experiment", "memory"):
        shutil.copytree(ROOT / folder, package / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_text("")
    (tmp_path / "file").write_text("")
    (tmp_path / "tmp").mkdir()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA")}
    home = str(tmp_path / "file" / "home")
    return (
        variables
        | {"PYTHONPATH": str(tmp_path / "lib"), "HOME": home, "XDG_CACHE_HOME": home}
        | {"TMPDIR": str(tmp_path / "tmp")}
    )


def run(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", USE], env=variables, capture_output=True, text=True, cwd="/")


def test_a_read_only_installation_and_home(read_only: dict[str, str]) -> None:
    folder = Path(read_only["TMPDIR"]) / f"reinstate-compiled-{os.getuid()}"
    for hits in ("0", "1"):
        done = run(read_only)
        assert done.returncode == 0 and done.stdout.split()[1] == hits, done.stderr
        assert done.stderr.count("UserWarning: Compiled code is kept in " + str(folder)) == 1
    assert folder.stat().st_mode & 0o777 == 0o700
    given = run(read_only | {"NUMBA_CACHE_DIR": str(folder.parent / "mine")})
    assert given.returncode == 0 and given.stderr == "", "a folder that the user names is used"


@pytest.mark.parametrize("plant", ["open folder", "link", "file"])
def test_a_folder_that_others_could_have_written_to_is_not_used(read_only: dict[str, str], plant: str) -> None:
    folder = Path(read_only["TMPDIR"]) / f"reinstate-compiled-{os.getuid()}"
    if plant == "open folder":
        folder.mkdir()
        folder.chmod(0o777)
    elif plant == "link":
        other = folder.with_name("other")
        other.mkdir(mode=0o700)
        folder.symlink_to(other)
    else:
        folder.write_text("")
    done = run(read_only)
    assert done.returncode == 0, done.stderr
    (used,) = re.findall(r"is kept in (\S+),", done.stderr)
    assert used != str(folder) and used.startswith(str(folder.parent))
    left = [path.name for path in folder.parent.iterdir() if path.name not in (folder.name, "other")]
    assert not left, "the other folder is removed at the end"
    assert plant == "file" or not list(folder.iterdir())


SOURCE = """
from reinstate.compiled import njit

@njit(cache=True)
def twice(x):
    return 2 * x
"""


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("compiled_here", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.twice(4) == 8
    return module.twice


def damaged(data: bytes) -> dict[str, bytes]:
    middle = len(data) // 2
    return {
        "empty": b"",
        "cut": data[:middle],
        "cut at the end": data[:-1],
        "changed": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
        "other": b"not numba's",
    }


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_damaged_files_are_compiled_anew(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "compiled_here.py"
    path.write_text(SOURCE)
    load(path)
    assert load(path).stats.cache_hits, "it is found again"
    (file,) = (tmp_path / "__pycache__").glob(f"*.{kind}")
    whole = file.read_bytes()
    for how, data in damaged(whole).items():
        file.write_bytes(data)
        found = load(path)
        assert how == "cut at the end" or found.stats.cache_misses or kind == "nbi", how
        load(path)
        assert load(path).stats.cache_hits, f"{how}: it was written anew"


def test_code_that_cannot_be_kept_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled.files, "_open_for_write", full)
    path = tmp_path / "compiled_here.py"
    path.write_text(SOURCE)
    load(path)
    assert load(path).stats.cache_misses
