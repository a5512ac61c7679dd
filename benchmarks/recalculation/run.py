"""What recalculation is worth: `python benchmarks/recalculation/run.py`.

Trains every way of recalculation, and the agent without memory, on the crowded and on the plain T-Maze, 3 seeds each
(smaller etas of `target` once, on the crowded one). `direct` on the crowded one is the main job (`make train`), 5
seeds, each alone on the machine. Runs stop when a greedy evaluation succeeds 98 times of 100, or at their budget;
"direct, to the end" does not stop, and checks its gradients against the oracle's.

Resumable: a run whose command stands in results.jsonl is not made again (delete the file where defaults have changed).
Then it writes the table, results.md. A row has the last checkpoint's greedy and sampled success on 1,000 fresh
episodes, the linear probe for the cue on stored embeddings before and after (probe.py), steps, minutes, the success of
the training episodes along the way, and the command.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from probe import probe, untrained

from experiment import checkpoint
from experiment.evaluation import evaluate
from experiment.run_folder import read_options

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results.jsonl"
SOLVED = 0.98

STOP = f"--stop-at-success {SOLVED}"
TASKS = {"crowded": "", "plain": "--env Reinstate/GridTMazePassive-v0 --total-timesteps 3000000"}
MAIN = ("crowded", "direct")  # the main job
SEEDS = {  # others have 3
    MAIN: 5,
    ("crowded", "target, eta 1000"): 1,
    ("crowded", "target, eta 100"): 1,
    ("plain", "direct, to the end"): 0,
    ("plain", "target, eta 1000"): 0,
    ("plain", "target, eta 100"): 0,
}
EPISODES, FRESH_SEED = 1000, 2**31  # of the evaluation after a run
ONE_AT_A_TIME = threading.Lock()  # building a network draws from torch's only global generator
VARIANTS = {
    "direct": STOP,
    "direct, to the end": "--check-cosine",
    "refresh": f"{STOP} --recalculation refresh",
    "oracle": f"{STOP} --recalculation oracle",
    "target": f"{STOP} --recalculation target",
    "target, eta 1000": f"{STOP} --recalculation target --target-step 1000",
    "target, eta 100": f"{STOP} --recalculation target --target-step 100",
    "truncated": f"{STOP} --recalculation truncated",
    "none": f"{STOP} --recalculation none",
    "no memory": f"{STOP} --agent none",
}
TRACKED = ("recalculation/cosine", "recalculation/drift", "recalculation/gradient", "train/grad_norm_embedding")


@dataclass(frozen=True)
class Grid:
    """The grid of runs."""

    jobs: int = 2
    """Runs made side by side, each on one core; the main job's are made alone, before the others."""
    tasks: tuple[str, ...] = tuple(TASKS)
    """Which tasks."""


@dataclass(frozen=True)
class Run:
    task: str
    variant: str
    seed: int
    flags: str

    @property
    def command(self) -> str:
        return f"python train.py {self.flags} --seed {self.seed}"


def runs(task: str) -> Iterator[Run]:
    for variant, flags in VARIANTS.items():
        for seed in range(1, SEEDS.get((task, variant), 3) + 1):
            yield Run(task, variant, seed, f"{TASKS[task]} {flags}".strip())


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def make(run: Run) -> None:
    """Trains in a folder of its own and adds the row."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "run"
        words = [sys.executable, *shlex.split(run.command)[1:], "--run-dir", str(target)]
        subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        with ONE_AT_A_TIME:
            row = read(run, target) | look_at(target)
    with RESULTS.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(
        f"{run.task}, {run.variant}, seed {run.seed}: greedy {row['greedy']:.3f}, {row['minutes']:.1f} min", flush=True
    )


def read(run: Run, folder: Path) -> dict[str, Any]:
    """The row of a finished run."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    evaluations = [(m["step"], m["eval/success_rate"]) for m in lines if "eval/success_rate" in m]
    return {
        "task": run.task,
        "variant": run.variant,
        "seed": run.seed,
        "steps": evaluations[-1][0],
        "episodes": sum(1 for _ in (folder / "monitor.csv").open()) - 1,  # the header
        "minutes": round(lines[-1]["step"] / lines[-1]["time/fps"] / 60, 2),
        "command": run.command,
        "evaluations": evaluations,
        "curve": tracked(lines, "rollout/success_rate"),
        "tracked": {tag: tracked(lines, tag) for tag in TRACKED},
    }


def tracked(lines: list[dict[str, Any]], tag: str) -> list[tuple[int, float]]:
    return [(m["step"], round(m[tag], 6)) for m in lines if tag in m]


def look_at(folder: Path) -> dict[str, Any]:
    """The last checkpoint on fresh episodes (the run's own last evaluation is the one that stopped it), and the
    accuracy of the linear probe for the cue on what the memory stored at first, and stores at the end."""
    options = read_options(folder)
    agent = untrained(options)
    before = probe(agent, options) if options.agent == "memory" else None
    checkpoint.load(folder, agent)
    after = probe(agent, options) if options.agent == "memory" else None
    found = {kind: evaluate(agent, options, EPISODES, FRESH_SEED, kind == "greedy") for kind in ("greedy", "sampled")}
    return {
        "greedy": found["greedy"]["success_rate"],
        "greedy_by_cue": found["greedy"]["success_by_cue"],
        "sampled": found["sampled"]["success_rate"],
        "probe_before": before,
        "probe_after": after,
    }


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: one line for each task and variant, the seeds side by side."""
    heads = ["task", "variant", "greedy", "sampled", "probe before", "probe after", "steps", "episodes", "minutes"]
    text = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for task in TASKS:
        for variant in VARIANTS:
            found = sorted(
                (r for r in results if (r["task"], r["variant"]) == (task, variant)), key=lambda r: r["seed"]
            )
            if found:
                columns = [
                    [f"{r['greedy']:.3f}" for r in found],
                    [f"{r['sampled']:.3f}" for r in found],
                    ["-" if r["probe_before"] is None else f"{r['probe_before']:.2f}" for r in found],
                    ["-" if r["probe_after"] is None else f"{r['probe_after']:.2f}" for r in found],
                    [f"{r['steps'] / 1e6:.2f}e6" for r in found],
                    [f"{r['episodes']:,}" for r in found],
                    [f"{r['minutes']:.1f}" for r in found],
                ]
                text.append("| " + " | ".join([task, variant, *(" ".join(c) for c in columns)]) + " |")
    return "\n".join(text) + "\n"


def main(grid: Grid) -> None:
    made = {(r["task"], r["variant"], r["command"]) for r in rows()}
    missing = [r for task in grid.tasks for r in runs(task) if (r.task, r.variant, r.command) not in made]
    for run in missing:
        if (run.task, run.variant) == MAIN:
            make(run)
    with ThreadPoolExecutor(grid.jobs) as pool:
        list(pool.map(make, [r for r in missing if (r.task, r.variant) != MAIN]))
    (HERE / "results.md").write_text(table(rows()))
    print(table(rows()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(tyro.cli(Grid))
