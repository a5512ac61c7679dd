"""Ablations: which mechanisms of learning are needed.

Each arm is the code with one mechanism taken out: the average reward (rho is 0); PopArt (the critic's output is not
rescaled); the running moments (the critic's units are those of the last rollout alone); the weight of decisions that
wrote (`even weights`); the sampling of decisions in an epoch (`all decisions`). A run stops when a greedy evaluation
succeeds 98 times of 100, at its budget, or after its task's limit in minutes (`time`). Greedy and sampled: success of
the last checkpoint on 1,000 fresh episodes, seed by seed. The committed rows were made at commit 584842d by an earlier
form of this script, with the same patches on the names of then, on 16 cores of a server, 16 runs side by side. On other
processors steps and minutes differ.

What was decided: PopArt and the running moments stay, as without them Key-to-Door or the long T-Maze fails. The average
reward stays: without it one of eight seeds of the long T-Maze is lost, and the active T-Maze and Key-to-Door take
longer; the difference is small, and taking it out would be a change of all other rows. Even weights lose a seed of the
active T-Maze within its limit and take longer in the crowded one, so the weight stays, as a constant. Learning from all
decisions costs time and gains nothing, so sampling stays, as a constant.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.rows import Row, in_a_process, markdown, side_by_side
from benchmarks.training_runs import EPISODES, FRESH_SEED, metrics, tracked
from reinstate.agents import ppo
from reinstate.agents.heads import ActorCriticHeads
from reinstate.agents.statistics import RewardRate, RunningMoments
from reinstate.experiment.cli import main as reinstate
from reinstate.experiment.evaluation import evaluate
from reinstate.experiment.trained import load_agent

SEEDS = 3
NO_SEARCH = "--novelty-bonus 0 --imitation-coef 0"
TASKS = {  # flags, limit in minutes
    "Key-to-Door 10": (
        "--env Reinstate/KeyToDoor-v0 --env-kwargs delay=10 --horizon 0.45 --stagger-steps 40 --slots 40 "
        "--eviction similar --replay-batch 16 --credit synthetic --ent-coef 0.1 --rollout-decisions 16 "
        f"--total-timesteps 2000000 {NO_SEARCH}",
        4,
    ),
    "crowded T-Maze 100": (
        "--rollout-steps 32 --rollout-decisions 16 --ent-coef 0.1 --final-ent-coef 0.02 --replay-size 512 "
        f"--total-timesteps 3000000 {NO_SEARCH}",
        4,
    ),
    "vector T-Maze 1,500": (
        "--env Reinstate/TMazePassive-v0 --env-kwargs length=1500 --total-timesteps 60000000",
        4,
    ),
    "active T-Maze 100": (
        "--env Reinstate/GridTMazeActive-v0 --env-kwargs length=100 --total-timesteps 5000000",
        3.75,
    ),
}


def no_average_reward() -> None:
    RewardRate.rate = property(lambda self: 0.0)  # type: ignore[assignment]


def no_popart() -> None:
    ActorCriticHeads.rescale = lambda self, mean, std: None  # type: ignore[method-assign]


def last_moments() -> None:
    def add(self: RunningMoments, x: Tensor) -> None:
        self.total, self.squares, self.weight = float(x.mean()), float(x.square().mean()), 1.0

    RunningMoments.add = add  # type: ignore[method-assign]


def even_weights() -> None:
    ppo.share_between = lambda wrote, share: torch.full((len(wrote),), 1 / len(wrote))


def all_decisions() -> None:
    ppo.DECISIONS = 1_000_000


ARMS: dict[str, list[Callable[[], None]]] = {  # patches
    "base": [],
    "no average reward": [no_average_reward],
    "no PopArt": [no_popart],
    "no average reward, no PopArt": [no_average_reward, no_popart],
    "no running moments": [last_moments],
    "even weights": [even_weights],
    "all decisions": [all_decisions],
}


def cells(known: list[Row]) -> Iterable[Row]:
    """Three seeds of each task and arm, and what else has rows."""
    wanted = [{"task": t, "arm": a, "seed": s} for t in TASKS for a in ARMS for s in range(1, SEEDS + 1)]
    more = [{key: row[key] for key in ("task", "arm", "seed")} for row in known if row["seed"] > SEEDS]
    return [*wanted, *more]


def rows(cell: Row) -> Iterator[Row]:
    yield cell | in_a_process(__name__, cell)


def table(rows: list[Row]) -> str:
    """A line for each task and arm, the seeds side by side."""
    lines = []
    for task in TASKS:
        for arm in ARMS:
            found = sorted((r for r in rows if (r["task"], r["arm"]) == (task, arm)), key=lambda r: r["seed"])
            if found:
                figures = [
                    side_by_side(found, key, form)
                    for key, form in (("greedy", ".3f"), ("sampled", ".3f"), ("steps", ",.0f"), ("minutes", ".1f"))
                ]
                lines.append([task, arm, *figures, " ".join(r["ended"] for r in found)])
    return markdown(["task", "arm", "greedy", "sampled", "steps", "minutes", "ended"], lines)


def train(cell: dict[str, Any]) -> Row:
    """Trains with the arm's patches; the last checkpoint on fresh episodes."""
    for patch in ARMS[cell["arm"]]:
        patch()
    flags, minutes = TASKS[cell["task"]]
    command = f"train {flags} --stop-at-success 0.98 --eval-every 0 --seed {cell['seed']}"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        signal.signal(signal.SIGALRM, signal.default_int_handler)  # training stops as after Ctrl-C, and is saved
        signal.alarm(int(60 * minutes))
        began = time.perf_counter()
        code = reinstate([*shlex.split(command), "--run-dir", str(folder)])
        taken = (time.perf_counter() - began) / 60
        signal.alarm(0)
        agent, options, steps = load_agent(folder)
        found = {
            kind: evaluate(agent, options, EPISODES, FRESH_SEED, kind == "greedy") for kind in ("greedy", "sampled")
        }
        curve = tracked(metrics(folder), "rollout/success_rate")
    return {
        "command": f"python train.py {command.removeprefix('train ')}",
        "steps": steps,
        "minutes": round(taken, 2),
        "ended": {0: "solved" if steps < options.total_timesteps else "budget", 130: "time"}.get(code, "error"),
        "greedy": found["greedy"]["success_rate"],
        "greedy_return": found["greedy"]["mean_reward"],
        "sampled": found["sampled"]["success_rate"],
        "sampled_return": found["sampled"]["mean_reward"],
        "curve": curve,
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(train(json.loads(sys.argv[1]))))
