"""The time of an update, as episodes grow.

An agent learns to walk a T-Maze of 100 cells, once for each kind of observation. Then it is updated in mazes of other
lengths, all that an update does, but with a learning rate of 0, so that the same policy walks every length. The time of
an update is the median over all that come after the first episodes have ended and have decisions to learn from (where
all actions are repeated there are none). The memory is the most that the process held beyond what it held before it was
told the length; the buffer of finished episodes is part of it, and fills with their number. One core, three quarters of
an hour.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import torch

from benchmarks.measures.memory_cost import peak, reset_peak
from benchmarks.rows import Row, in_a_process, markdown
from benchmarks.training_runs import train
from reinstate.agents.collector import collect
from reinstate.agents.extensions.episodic_replay import EpisodicReplay
from reinstate.agents.ppo import update
from reinstate.experiment.build import untrained
from reinstate.experiment.trained import load_agent
from reinstate.experiment.trainer import Trainer

ENV = "Reinstate/GridTMazePassive-v0"
LENGTHS = (100, 1_000, 10_000, 100_000)  # cells of the corridor
UPDATES = 100  # that are timed
TIMESTEPS = 3_000_000  # of training at length 100
PROGRESS = 0.9  # of the schedules


def cells(known: list[Row]) -> Iterable[Row]:
    return [{"observation": observation} for observation in ("pixels", "symbolic")]


def rows(cell: Row) -> Iterator[Row]:
    """One for each length."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = str(Path(temporary) / "run")
        flags = f"--env {ENV} --env-kwargs length=100 observation={cell['observation']} --total-timesteps {TIMESTEPS}"
        train(["train.py", *flags.split(), "--stop-at-success", "0.98", "--eval-every", "0", "--run-dir", folder])
        for length in LENGTHS:
            argument = {"folder": folder, "length": length, "updates": UPDATES}
            yield cell | {"length": length} | in_a_process("benchmarks.measures.update_time", argument)


def table(rows: list[Row]) -> str:
    lines = []
    for observation in dict.fromkeys(r["observation"] for r in rows):
        found = [r for r in rows if r["observation"] == observation]
        for r in found:
            counts = [f"{r[key]:,.0f}" for key in ("length", "mean_length", "decisions", "episodes_kept")]
            cells = [f"{r['seconds']:.3f}", f"{r['seconds'] / found[0]['seconds']:.2f}", f"{r['bytes'] / 1e6:.0f}"]
            lines.append([observation, *counts, *cells])
    heads = ["observation", "corridor", "steps of an episode", "decisions learnt from", "episodes kept"]
    return markdown([*heads, "s an update", "ratio to the first", "MB"], lines)


def go_on(folder: str, length: int, updates: int) -> Row:
    """Updates the policy in `folder` with a learning rate of 0 at this length: seconds of an update, bytes beyond the
    start."""
    agent, options, _ = load_agent(folder, env_kwargs=(f"length={length}",))
    small = dataclasses.replace(options.with_env_kwargs(("length=4",)), num_envs=2)
    Trainer(small, untrained(small)).step()  # what the first update alone imports and allocates
    gc.collect()
    before = reset_peak()
    o = dataclasses.replace(options.learning, learning_rate=0.0, final_learning_rate=0.0)
    trainer = Trainer(dataclasses.replace(options, learning=o), agent)
    learner, (replay,) = trainer.learner, trainer.learner.extras.terms
    assert isinstance(replay, EpisodicReplay)
    seconds: list[float] = []
    decisions: list[float] = []
    while len(seconds) < updates:
        c = trainer.collector
        rollout = collect(trainer.envs, agent, c, o.rollout_steps, o.rollout_decisions, learner.extras.terms)
        start = time.perf_counter()
        figures = update(agent, rollout, learner, PROGRESS)
        if figures and replay.buffer.size >= options.num_envs:
            seconds.append(time.perf_counter() - start)
            decisions.append(float(rollout.outcome.closed.sum()))
        for side in learner.extras.side_learners:
            side.learn(rollout, learner.generator)
    trainer.envs.close()
    return {
        "seconds": median(seconds),
        "decisions": median(decisions),
        "bytes": peak() - before,
        "episodes_kept": replay.buffer.size,
        "mean_length": learner.length.mean,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(go_on(**json.loads(sys.argv[1]))))
