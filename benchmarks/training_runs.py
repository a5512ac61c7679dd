"""Grids of training runs whose results are kept line by line, so that a grid can be taken up again.

A run is made by its command line, in a folder of its own that is thrown away; what stays is a row in a JSONL file, with
the last checkpoint's success on fresh episodes. A run whose command stands in the file is not made again: delete its
line where the code has changed.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reinstate.experiment.evaluation import evaluate
from reinstate.experiment.run_folder import write_text
from reinstate.experiment.trained import load_agent

ROOT = Path(__file__).parents[1]
EPISODES, FRESH_SEED = 1000, 2**31  # of the evaluation after a run
ONE_AT_A_TIME = threading.Lock()  # building a network draws from torch's only global generator

BEFORE = "runs/before"  # the folder of the run that another one starts from, in a row's command

Look = Callable[[Path], dict[str, Any]]  # what else is to be known of a finished run's folder


@dataclass(frozen=True)
class Run:
    """One run of a grid."""

    task: str
    variant: str
    seed: int
    flags: str
    first: str = ""  # the flags of another run, which is made before and whose agent this one starts from

    @property
    def commands(self) -> list[str]:
        """What is run, one after the other; each gets --run-dir besides, the first one BEFORE."""
        own = f"--start-from {BEFORE} {self.flags}" if self.first else self.flags
        parts = [part for part in (self.first, own) if part]
        return [" ".join(f"python train.py {part} --seed {self.seed}".split()) for part in parts]

    @property
    def command(self) -> str:
        if not self.first:
            return self.commands[0]
        before, own = self.commands
        return f"{before} --run-dir {BEFORE} && {own}"


def read_rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def write_rows(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Whole or not at all."""
    write_text(file, "".join(json.dumps(r) + "\n" for r in rows))


def make_missing(runs: Iterable[Run], file: Path, jobs: int, look: Look) -> None:
    """Makes the runs whose command has no row in `file` yet, `jobs` side by side."""
    made = {(r["task"], r["variant"], r["command"]) for r in read_rows(file)}
    missing = [run for run in runs if (run.task, run.variant, run.command) not in made]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda run: make(run, file, look), missing))


def make(run: Run, file: Path, look: Look) -> None:
    """Trains in a folder of its own and adds the row."""
    with tempfile.TemporaryDirectory() as folder:
        targets = [Path(folder) / f"run_{i}" for i in range(len(run.commands))]
        for command, target in zip(run.commands, targets, strict=True):
            own = command.replace(BEFORE, str(targets[0]))
            words = [sys.executable, *shlex.split(own)[1:], "--run-dir", str(target)]
            subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        with ONE_AT_A_TIME:
            row = summary(run, targets) | look(targets[-1])
            replace(file, row)
    print(f"{run.task}, {run.variant}, seed {run.seed}: greedy {row['greedy']}, {row['minutes']:.1f} min", flush=True)


def replace(file: Path, row: dict[str, Any]) -> None:
    """Adds a row; one of the same task, variant and seed, made by another command, goes."""
    key = ("task", "variant", "seed")
    others = [r for r in read_rows(file) if any(r[k] != row[k] for k in key)]
    write_rows(file, [*others, row])


def summary(run: Run, folders: list[Path]) -> dict[str, Any]:
    """The row of a finished run, `folders` those of its commands: what it cost, all of them together, and its last
    checkpoint on fresh episodes (the run's own last evaluation is the one that stopped it)."""
    folder = folders[-1]
    agent, options, _ = load_agent(folder)
    found = {kind: evaluate(agent, options, EPISODES, FRESH_SEED, kind == "greedy") for kind in ("greedy", "sampled")}
    return {
        "task": run.task,
        "variant": run.variant,
        "seed": run.seed,
        "steps": sum(metrics(f)[-1]["step"] for f in folders),
        "episodes": sum(sum(1 for _ in (f / "monitor.csv").open()) - 1 for f in folders),  # less the header
        "minutes": round(sum(m["step"] / m["time/fps"] / 60 for m in (metrics(f)[-1] for f in folders)), 2),
        "command": run.command,
        "greedy": found["greedy"]["success_rate"],
        "greedy_by_cue": found["greedy"]["success_by_cue"],
        "greedy_return": found["greedy"]["mean_reward"],
        "sampled": found["sampled"]["success_rate"],
        "sampled_return": found["sampled"]["mean_reward"],
        "curve": tracked(metrics(folder), "rollout/success_rate"),
    }


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def tracked(lines: list[dict[str, Any]], tag: str) -> list[tuple[int, float]]:
    return [(m["step"], round(m[tag], 6)) for m in lines if tag in m]


def markdown(heads: list[str], rows: Iterable[list[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def write_page(file: Path, title: str, doc: str | None, table: str) -> None:
    """A script's table as a page beside it: the title, the command, what its docstring says after the first line."""
    command = f"`python {file.relative_to(ROOT).with_suffix('.py')}`"
    text = (doc or "").strip().split("\n\n", 1)[1]
    file.write_text(f"# {title}\n{command}\n\n{text}\n\n{table.strip()}\n")


def side_by_side(rows: list[dict[str, Any]], key: str, form: str) -> str:
    """The seeds' figures in one cell."""
    return " ".join("-" if r[key] is None else format(r[key], form) for r in rows)


COST = [("steps", ",.0f"), ("episodes", ",.0f"), ("minutes", ".1f")]
