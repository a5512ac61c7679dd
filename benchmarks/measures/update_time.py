"""Does an update cost the agent more where episodes are longer? `python benchmarks/books/update_time.py`, three
quarters of an hour. Rows of the observations that it is told are made anew; others stay.

An agent learns to walk a T-Maze of 100 cells, once for each kind of observation. Then it is updated in mazes of other
lengths, all that an update does, but by a learning rate of 0, so that every length is walked by the same policy: what
an update takes there is the median of all that come after the first episodes have ended and have decisions to learn
from (where all actions are held there is none). The memory is the most that the process held beyond what it held before
it was told the length; the ring of finished episodes is part of it, and fills with their number. One core.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from learner_memory import peak, reset_peak
from runs import markdown, read_rows, write_rows

from reinstate.agents.learner import build_learner, update, update_codec
from reinstate.agents.rollout import collect, start_collecting
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import build_envs, generator, streams
from reinstate.experiment.trained import load_agent

HERE = Path(__file__).parent
RESULTS = HERE / "update_time.jsonl"
ENV = "Reinstate/GridTMazePassive-v0"


@dataclass(frozen=True)
class Sizes:
    """Time of an update against the length of an episode."""

    lengths: tuple[int, ...] = (100, 1_000, 10_000, 100_000)
    """Cells of the corridor."""
    observations: tuple[Literal["symbolic", "pixels"], ...] = ("symbolic", "pixels")
    """Kinds of observation."""
    updates: int = 100
    """Updates that are timed."""
    timesteps: int = 3_000_000
    """Steps of training at length 100."""
    cell: str | None = None
    """One length, as JSON; for the script's own use."""


def learn_to_walk(observation: str, timesteps: int, folder: Path) -> None:
    """Trains at length 100 in `folder`."""
    flags = f"--env {ENV} --env-kwargs length=100 observation={observation} --total-timesteps {timesteps}"
    flags += f" --stop-at-success 0.98 --eval-every 0 --run-dir {folder}"
    subprocess.run([sys.executable, "train.py", *flags.split()], check=True, cwd=HERE.parents[1])


def go_on(folder: Path, length: int, updates: int) -> dict[str, Any]:
    """Updates, by nothing, the policy in `folder` at this length: seconds of an update, bytes beyond the start."""
    agent, options, _ = load_agent(folder, env_kwargs=(f"length={length}",))
    gc.collect()
    before = reset_peak()
    o = dataclasses.replace(options.learning, learning_rate=0.0, final_learning_rate=0.0)
    envs = build_envs(options, options.num_envs)
    learner = build_learner(agent, o, generator(streams(options.seed)["learning"]))
    actions = generator(streams(options.seed)["actions"])
    c = start_collecting(envs, agent, spawn_seeds(1, options.num_envs, "training"), actions, o.hold_growth)
    seconds: list[float] = []
    decisions: list[float] = []
    while len(seconds) < updates:
        chunk = collect(envs, agent, c, o.chunk_steps, o.chunk_decisions, learner.ring)
        start = time.perf_counter()
        figures = update(agent, chunk, learner, o, 0.9)
        if figures and learner.ring is not None and learner.ring.size >= options.num_envs:
            seconds.append(time.perf_counter() - start)
            decisions.append(float(chunk.complete.sum()))
        update_codec(agent, chunk, learner.generator)
    envs.close()
    assert learner.ring is not None
    return {
        "seconds": median(seconds),
        "decisions": median(decisions),
        "bytes": peak() - before,
        "episodes_kept": learner.ring.size,
        "mean_length": learner.length.mean,
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = []
    for observation in dict.fromkeys(r["observation"] for r in rows):
        found = [r for r in rows if r["observation"] == observation]
        for r in found:
            counts = [f"{r[key]:,.0f}" for key in ("length", "mean_length", "decisions", "episodes_kept")]
            cells = [f"{r['seconds']:.3f}", f"{r['seconds'] / found[0]['seconds']:.2f}", f"{r['bytes'] / 1e6:.0f}"]
            lines.append([observation, *counts, *cells])
    heads = ["observation", "corridor", "steps of an episode", "decisions learnt from", "episodes kept"]
    return markdown([*heads, "s an update", "ratio to the first", "MB"], lines)


def main(o: Sizes) -> None:
    if o.cell is not None:
        torch.set_num_threads(1)
        cell = json.loads(o.cell)
        print(json.dumps(cell | go_on(Path(cell["folder"]), cell["length"], o.updates)))
        return
    for observation in o.observations:
        rows = [r for r in read_rows(RESULTS) if r["observation"] != observation]
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "run"
            learn_to_walk(observation, o.timesteps, folder)
            for length in o.lengths:
                cell = json.dumps({"observation": observation, "length": length, "folder": str(folder)})
                command = [sys.executable, __file__, "--cell", cell, "--updates", str(o.updates)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                del found["folder"]
                rows.append(found)
                print(found, flush=True)
        write_rows(RESULTS, rows)  # the earlier ones stand until all lengths are measured
    (HERE / "update_time.md").write_text(table(read_rows(RESULTS)))
    print(table(read_rows(RESULTS)))


if __name__ == "__main__":
    main(tyro.cli(Sizes))
