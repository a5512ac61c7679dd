"""The command `reinstate bench`: the benchmarks of a checkout, by name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from reinstate.experiment.errors import UserError

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class BenchOptions:
    """Make what is missing of a benchmark, then its table and its figure."""

    name: tyro.conf.Positional[str | None] = None
    """The benchmark; without a name, all are listed."""
    only: str = ""
    """Only what has this text in its name, such as a task, a variant or a seed: "KeyToDoor 90, default"."""
    jobs: int = 2
    """Training runs made side by side, each on one core."""
    again: bool = False
    """Make also what has rows; the new rows replace them."""
    table: bool = False
    """Make nothing: only the table and the figure, from the rows that are there."""
    live: bool = False
    """Train the first of the runs in the foreground, in runs/, to look at; it leaves no row."""


def bench(words: list[str]) -> int:
    """Runs `python -m benchmarks` with these words in the checkout; returns its exit code."""
    if not (ROOT / "benchmarks" / "engine.py").is_file():
        raise UserError(f"{ROOT} has no benchmarks: they come with a checkout of the project, not with the package")
    code = subprocess.run([sys.executable, "-m", "benchmarks", *words], cwd=ROOT).returncode
    return 128 - code if code < 0 else code  # as shells count what a signal ended
