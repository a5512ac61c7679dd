"""The commands of docs/long-runs.md: briefly in the fast suite, as they stand there in the slow one."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "long-runs.md").read_text()
COMMANDS = re.findall(r"^python (-m tests\.faults\..*)$", PAGE, re.MULTILINE)
SHORT = {"kill_loop --times 200": "--kinds memory --times 3", "updates": "--share 0.0005", "episode": "--share 0.0005"}


def run(words):
    return subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_page_names_them():
    assert len(COMMANDS) == 3 and all(any(c.endswith(end) for end in SHORT) for c in COMMANDS)


@pytest.mark.parametrize("end", SHORT)
def test_briefly(end):
    """Too short for the memory to be judged: that they run."""
    (command,) = (c for c in COMMANDS if c.endswith(end))
    words = [*shlex.split(command), *SHORT[end].split()]
    if end.startswith("kill_loop"):
        assert "3 of 3 killed sessions went on" in run(words)
    else:
        subprocess.run([sys.executable, *words, "--allowed", "2"], cwd=ROOT, check=True)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("command", COMMANDS)
def test_in_full(command):
    run(shlex.split(command))
