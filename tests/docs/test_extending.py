"""Every diff of docs/extending.md applies to the code as it is, touches the files it names, and its command runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()
SECTIONS = {
    re.sub(r"^an? ", "", title.lower()): (diff, command)
    for title, diff, command in re.findall(r"^## (.+?)$.*?^```diff\n(.*?)^```\n^```\n(.*?)\n^```$", PAGE, re.M | re.S)
}
FILES = {
    name: re.findall(r"`([a-z_/]+\.py)`", cells) for name, cells in re.findall(r"^\| ([a-z ]+) \| (.*?) \|", PAGE, re.M)
}
TINY = "--total-timesteps 512 --num-envs 8 --eval-episodes 2 --eval-every 0".split()


def patched(folder: Path, diff: str) -> None:
    """Copies the package, numba's cache with it, into `folder` as it is installed, and applies the diff."""
    for name in ("agents", "envs", "experiment", "memory", "reinstate"):
        shutil.copytree(ROOT / name, folder / name)
    done = subprocess.run(["git", "apply"], cwd=folder, input=diff, text=True)
    assert done.returncode == 0
    for name in ("agents", "envs", "experiment", "memory"):
        shutil.move(folder / name, folder / "reinstate" / name)


def test_every_kind_of_extension_is_shown():
    assert set(SECTIONS) == set(FILES) - {"extension"}


@pytest.mark.parametrize("name", SECTIONS)
def test_the_diff_touches_only_the_files_of_the_table(name):
    touched = re.findall(r"^\+\+\+ b/(.*)$", SECTIONS[name][0], re.M)
    new = re.findall(r"^--- /dev/null\n\+\+\+ b/(.*)$", SECTIONS[name][0], re.M)
    assert sorted(set(touched) - set(new)) == sorted(FILES[name])
    assert len(new) <= 1
    applies = subprocess.run(["git", "apply", "--check"], cwd=ROOT, input=SECTIONS[name][0], text=True)
    assert applies.returncode == 0


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "write rule" else pytest.mark.slow) for name in SECTIONS]
)
def test_the_command_runs_on_the_patched_code(name, tmp_path):
    diff, command = SECTIONS[name]
    patched(tmp_path, diff)
    words = [sys.executable, "-m", *shlex.split(command), *TINY, "--run-dir", "run"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where = subprocess.run(
        [sys.executable, "-c", "import reinstate; print(reinstate.__file__)"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(tmp_path))
