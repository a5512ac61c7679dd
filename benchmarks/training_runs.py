"""Makes the training runs of a suite.

A run is made by its command, in a folder that is thrown away; what stays is a row with the last checkpoint's success on
fresh episodes. A run whose command has a row is not made again.
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
from pathlib import Path

from benchmarks.rows import ROOT, Row, read_rows, replace_rows
from benchmarks.suite import BEFORE, Run
from reinstate.experiment.evaluation import evaluate
from reinstate.experiment.trained import load_agent

EPISODES, FRESH_SEED = 1000, 2**31  # of the evaluation after a run
ONE_AT_A_TIME = threading.Lock()  # building a network draws from torch's only global generator

Evaluation = Callable[[Path, Run], Row]  # more figures of the finished run in a folder


def missing(runs: Iterable[Run], file: Path) -> list[Run]:
    """The runs whose command has no row in `file` yet."""
    made = {(row["task"], row["variant"], row["command"]) for row in read_rows(file)}
    return [run for run in runs if (run.task, run.variant, run.command) not in made]


def make_all(runs: Iterable[Run], file: Path, jobs: int, evaluations: list[Evaluation]) -> None:
    """Makes the runs, `jobs` side by side; those that must be alone come first, one by one."""
    wanted = list(runs)
    for alone, workers in ((True, 1), (False, jobs)):
        chosen = [run for run in wanted if run.fields.get("alone", False) == alone]
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda run: make(run, file, evaluations), chosen))


def make(run: Run, file: Path, evaluations: list[Evaluation]) -> None:
    """Trains in a folder of its own; the row takes the place of the one that another command made."""
    with tempfile.TemporaryDirectory() as folder:
        targets = [Path(folder) / f"run_{i}" for i in range(len(run.commands))]
        for command, target in zip(run.commands, targets, strict=True):
            own = command.replace(BEFORE, str(targets[0]))
            train([*shlex.split(own)[1:], "--run-dir", str(target)])
        with ONE_AT_A_TIME:
            row = summary(run, targets)
            for evaluation in evaluations:
                row |= evaluation(targets[-1], run)
            replace_rows(file, run.key, [row])
    print(f"{run.label}: greedy {row['greedy']}, {row['minutes']:.1f} min", flush=True)


def train(words: list[str]) -> None:
    """Runs train.py in a process of its own."""
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def summary(run: Run, folders: list[Path]) -> Row:
    """The row of a finished run: the cost of all its commands, one folder for each, and the success of its last
    checkpoint on fresh episodes (its own last evaluation is the one that stopped it)."""
    agent, options, _ = load_agent(folders[-1])
    found = {kind: evaluate(agent, options, EPISODES, FRESH_SEED, kind == "greedy") for kind in ("greedy", "sampled")}
    last = [metrics(folder)[-1] for folder in folders]
    return run.key | {
        "steps": sum(m["step"] for m in last),
        "episodes": sum(sum(1 for _ in (f / "monitor.csv").open()) - 1 for f in folders),  # less the header
        "minutes": round(sum(m["step"] / m["time/fps"] / 60 for m in last), 2),
        "command": run.command,
        "greedy": found["greedy"]["success_rate"],
        "greedy_by_cue": found["greedy"]["success_by_cue"],
        "greedy_return": found["greedy"]["mean_reward"],
        "sampled": found["sampled"]["success_rate"],
        "sampled_return": found["sampled"]["mean_reward"],
        "curve": tracked(metrics(folders[-1]), "rollout/success_rate"),
    }


def metrics(folder: Path) -> list[Row]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def tracked(lines: list[Row], tag: str) -> list[tuple[int, float]]:
    """(step, value) of one tag."""
    return [(m["step"], round(m[tag], 6)) for m in lines if tag in m]
