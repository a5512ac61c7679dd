"""What recalculation is worth: `python benchmarks/recalculation/run.py`.

Trains every way of recalculation, and the agent without memory, on the crowded and on the plain T-Maze, 3 seeds each
(smaller etas of `target` once, on the crowded one), in chunks of at most 32 steps, so that what teaches the embedding
network has to cross the memory. `direct` on the crowded one is the main job (`make train`), 5 seeds, each alone on the
machine. Runs stop when a greedy evaluation succeeds 98 times of 100, or at their budget; "direct, to the end" does not
stop, and checks its gradients against the oracle's.

Resumable (benchmarks/runs.py); then it writes the table, results.md. A row has the last checkpoint's greedy and sampled
success on 1,000 fresh episodes, the linear probe for the cue on stored embeddings before and after (probe.py), steps,
minutes, the success of the training episodes along the way, and the command.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from probe import probe
from runs import COST, Run, make_missing, markdown, metrics, read_rows, side_by_side, tracked

from reinstate.experiment.build import untrained
from reinstate.experiment.run_folder import read_options
from reinstate.experiment.trained import load_agent

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
SOLVED = 0.98

STOP = f"--stop-at-success {SOLVED}"
# Nothing has to be looked for here: no novelty bonus, no imitation, and an entropy that keeps both arms alive. The
# defaults, made for tasks in which the cue must be found, solve it too (docs/lab-notes.md, "Going to look").
OPTIONS = "--chunk-steps 32 --chunk-decisions 16 --ent-coef 0.1 --final-ent-coef 0.02"
MEMORY_OPTIONS = "--novelty-bonus 0 --imitation-coef 0 --episode-ring 512"  # only an agent with memory has them
TASKS = {
    "crowded": OPTIONS + "{memory} --total-timesteps {budget}",
    "plain": OPTIONS + "{memory} --total-timesteps {budget} --env Reinstate/GridTMazePassive-v0",
}
BUDGETS = {"crowded": 3_000_000, "plain": 2_000_000}
CONTROLS = ("truncated", "none", "no memory")
CONTROL_BUDGET = 4_000_000  # of the crowded task's controls: twice what the slowest solved run took
MAIN = ("crowded", "direct")  # the main job
SEEDS = {  # others have 3
    MAIN: 5,
    ("crowded", "target, eta 1000"): 1,
    ("crowded", "target, eta 100"): 1,
    ("plain", "direct, to the end"): 0,
    ("plain", "target, eta 1000"): 0,
    ("plain", "target, eta 100"): 0,
}
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
COLUMNS = [("greedy", ".3f"), ("sampled", ".3f"), ("probe_before", ".2f"), ("probe_after", ".2f"), *COST]


@dataclass(frozen=True)
class Grid:
    """The grid of runs."""

    jobs: int = 2
    """Runs made side by side, each on one core; the main job's are made alone, before the others."""
    tasks: tuple[Literal[*TASKS], ...] = tuple(TASKS)
    """Which tasks."""


def task_flags(task: str, variant: str) -> str:
    budget = CONTROL_BUDGET if task == "crowded" and variant in CONTROLS else BUDGETS[task]
    memory = "" if variant == "no memory" else f" {MEMORY_OPTIONS}"
    return TASKS[task].format(budget=budget, memory=memory)


def runs(task: str) -> Iterator[Run]:
    for variant, flags in VARIANTS.items():
        for seed in range(1, SEEDS.get((task, variant), 3) + 1):
            yield Run(task, variant, seed, f"{task_flags(task, variant)} {flags}")


def rows() -> list[dict[str, Any]]:
    return read_rows(RESULTS)


def look_at(folder: Path) -> dict[str, Any]:
    """What recalculation reported, and the accuracy of the linear probe for the cue on what the memory stored at first,
    and stores at the end."""
    lines, options = metrics(folder), read_options(folder)
    found: dict[str, Any] = {"probe_before": None, "probe_after": None}
    if options.agent == "memory":
        found["probe_before"] = probe(untrained(options), options)
        found["probe_after"] = probe(load_agent(folder)[0], options)
    return found | {"tracked": {tag: tracked(lines, tag) for tag in TRACKED}}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: one line for each task and variant, the seeds side by side."""
    lines = []
    for task in TASKS:
        for variant in VARIANTS:
            found = [r for r in results if (r["task"], r["variant"]) == (task, variant)]
            found.sort(key=lambda r: r["seed"])
            if found:
                lines.append([task, variant, *(side_by_side(found, key, form) for key, form in COLUMNS)])
    return markdown(["task", "variant", *(key.replace("_", " ") for key, _ in COLUMNS)], lines)


def main(grid: Grid) -> None:
    everything = [r for task in grid.tasks for r in runs(task)]
    make_missing([r for r in everything if (r.task, r.variant) == MAIN], RESULTS, 1, look_at)
    make_missing(everything, RESULTS, grid.jobs, look_at)
    (HERE / "results.md").write_text(table(rows()))
    print(table(rows()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(tyro.cli(Grid))
