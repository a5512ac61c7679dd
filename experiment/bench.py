"""The command `reinstate bench`: the scripts of benchmarks/, by name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from reinstate.experiment.errors import UserError

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = {
    "memory": "books/learner_memory.py",
    "training": "train_speed.py",
    "environments": "env_speed.py",
    "codec": "images/codec.py",
}


@dataclass(frozen=True)
class BenchOptions:
    """Measure: run a script of benchmarks/ (from a checkout of the project)."""

    name: tyro.conf.Positional[Literal[*SCRIPTS]]
    """memory: what remembering costs the learner. training: steps a second, beside RecurrentPPO. environments: the same
    of environments alone. codec: what the image codec keeps."""


def bench(options: BenchOptions) -> int:
    """Runs the script; returns its exit code."""
    script = FOLDER / SCRIPTS[options.name]
    if not script.is_file():
        raise UserError(f"{script} is not there: benchmarks come with a checkout of the project, not with the package")
    return subprocess.run([sys.executable, str(script)], cwd=FOLDER.parent).returncode
