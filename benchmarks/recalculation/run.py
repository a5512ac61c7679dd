"""What recalculation is worth: `python benchmarks/recalculation/run.py`.

Trains every way of recalculation, and the agent without memory, on the crowded and on the plain T-Maze, 3 seeds each,
and the main job (`make train`) on 5 seeds. Resumable: a run whose row stands in results.jsonl is not made again.
Then it writes the table, results.md. A row has the last checkpoint's greedy and sampled evaluation, the steps, the
minutes, the success of the training episodes along the way, and the command.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
SOLVED = 0.98

TASKS = {
    "crowded": "--eval-every 500000",
    "plain": "--env Reinstate/GridTMazePassive-v0 --eval-every 500000",
}
VARIANTS = {
    "direct": "",
    "refresh": "--recalculation refresh",
    "oracle": "--recalculation oracle",
    "target": "--recalculation target",
    "target, eta 100": "--recalculation target --target-step 100",
    "target, eta 10": "--recalculation target --target-step 10",
    "truncated": "--recalculation truncated",
    "none": "--recalculation none",
    "no memory": "--agent none",
}
TRACKED = ("recalculation/cosine", "recalculation/drift", "recalculation/gradient", "train/grad_norm_embedding")


@dataclass(frozen=True)
class Grid:
    """The grid of runs."""

    jobs: int = 2
    """Runs made side by side, each on one core; the main job is always alone."""
    tasks: tuple[str, ...] = ("main job", *TASKS)
    """Which parts to make."""


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
    if task == "main job":
        for seed in range(1, 6):
            yield Run(task, "direct", seed, f"--stop-at-success {SOLVED}")
    else:
        for variant, flags in VARIANTS.items():
            for seed in range(1, 4):
                yield Run(task, variant, seed, f"{TASKS[task]} {flags}".strip())


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def make(run: Run) -> None:
    """Trains in a folder of its own and adds the row."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "run"
        words = [sys.executable, *shlex.split(run.command)[1:], "--run-dir", str(target)]
        subprocess.run(words, cwd=HERE.parents[1], check=True, stdout=subprocess.DEVNULL)
        row = read(run, target)
    with RESULTS.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(
        f"{run.task}, {run.variant}, seed {run.seed}: greedy {row['greedy']:.3f}, {row['minutes']:.1f} min", flush=True
    )


def read(run: Run, folder: Path) -> dict[str, Any]:
    """The row of a finished run."""
    final = json.loads((folder / "eval" / "final.json").read_text())
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    evaluations = [(m["step"], m["eval/success_rate"]) for m in lines if "eval/success_rate" in m]
    solved = [step for step, rate in evaluations if rate >= SOLVED]
    return {
        "task": run.task,
        "variant": run.variant,
        "seed": run.seed,
        "greedy": final["greedy"]["success_rate"],
        "greedy_by_cue": final["greedy"]["success_by_cue"],
        "sampled": final["sampled"]["success_rate"],
        "steps": final["step"],
        "episodes": sum(1 for _ in (folder / "monitor.csv").open()) - 1,  # the header
        "minutes": round(final["step"] / lines[-1]["time/fps"] / 60, 2),
        "solved_at": solved[0] if solved else None,
        "evaluations": evaluations,
        "curve": [(m["step"], m["rollout/success_rate"]) for m in lines if "rollout/success_rate" in m],
        "command": run.command,
    }


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: one line for each task and variant, the seeds side by side."""
    text = ["| task | variant | greedy | sampled | solved at (steps) | steps | episodes | minutes |", "|---" * 8 + "|"]
    for task in ("main job", *TASKS):
        for variant in VARIANTS:
            found = sorted(
                (r for r in results if (r["task"], r["variant"]) == (task, variant)), key=lambda r: r["seed"]
            )
            if found:
                cells = [
                    [f"{r['greedy']:.3f}" for r in found],
                    [f"{r['sampled']:.3f}" for r in found],
                    [f"{r['solved_at'] / 1e6:.2f}e6" if r["solved_at"] else "-" for r in found],
                    [f"{r['steps'] / 1e6:.2f}e6" for r in found],
                    [f"{r['episodes']:,}" for r in found],
                    [f"{r['minutes']:.1f}" for r in found],
                ]
                text.append(f"| {task} | {variant} | " + " | ".join(" ".join(c) for c in cells) + " |")
    return "\n".join(text) + "\n"


def main(grid: Grid) -> None:
    made = {(r["task"], r["variant"], r["seed"]) for r in rows()}
    for task in grid.tasks:
        missing = [r for r in runs(task) if (r.task, r.variant, r.seed) not in made]
        with ThreadPoolExecutor(1 if task == "main job" else grid.jobs) as pool:
            list(pool.map(make, missing))
    (HERE / "results.md").write_text(table(rows()))
    print(table(rows()))


if __name__ == "__main__":
    main(tyro.cli(Grid))
