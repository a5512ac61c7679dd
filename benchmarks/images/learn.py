"""Learning from pixels, and how true gradients and memories are meanwhile: `python benchmarks/images/learn.py`

Tasks in 56 x 56 pixels, 3 seeds each, until a greedy evaluation of 200 episodes succeeds 98 times of 100, or until the
budget is spent; the controls get the same budget. Default options; the crowded room has those of the main job.

The first table tells success of the last checkpoint on 1,000 fresh episodes. The runs "gradients compared" are those of
the defaults once more with `--check-cosine`: it keeps the observations beside the slots, for comparison only, changes
no parameter, and takes a third of the speed where every step is a decision. The second table tells of them, by steps of
training,

- cosine: of the gradient that recalculation brings to the embedding network, with the one that the true observations
  would bring (the mean since the column before);
- drift: the mean distance between the embedding that a slot holds and the one that its reinstatement has today (a
  normalised embedding's length is the root of its width);
- old cues: after training the policy is played, sampled, until 200 episodes have ended, in corridors twice as long; of
  the slots that are then still there, are older than the corridor that was learnt on is long and show a cue, the share
  from whose code it can be read off, and how many there were. The codec has rested meanwhile: age.py tells what it
  still reads of codes that are older than itself. Cells are told apart as in benchmarks/images/codec.py.

Resumable (benchmarks/runs.py). Rows in learn.jsonl.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import torch
import tyro
from codec import GREEN_THINGS, cue_cells

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "delay"))
sys.path.insert(0, str(Path(__file__).parents[1] / "recalculation"))
from ladder import WITHOUT, Rung
from ladder import runs as runs_of
from run import MEMORY_OPTIONS, OPTIONS
from runs import COST, Run, make_missing, markdown, metrics, read_rows, side_by_side, tracked, write_page

from reinstate.agents.rollout import collect, start_collecting
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import build_envs, generator
from reinstate.experiment.trained import load_agent
from reinstate.memory.episodes import EpisodeRing
from reinstate.memory.patches import distinct_rows

HERE = Path(__file__).parent
RESULTS = HERE / "learn.jsonl"
RUNGS = [
    Rung("GridTMazePassive", 1_000, "length", 10_000_000, controls=WITHOUT, kind="in pixels"),
    Rung("MiniGrid-MemoryS13", None, "", 10_000_000, controls=WITHOUT, kind="in pixels"),
    Rung(  # the main job's room and options
        "GridTMazeCrowdedPassive",
        100,
        "length",
        3_000_000,
        controls=WITHOUT,
        options=OPTIONS,
        memory_options=MEMORY_OPTIONS,
        kind="in pixels",
    ),
]
Task = Literal[*(rung.task for rung in RUNGS)]
COMPARED = "gradients compared"
COMPARED_SEEDS = {RUNGS[0].task: 3}  # others have 1
FIGURES = ("recalculation/cosine", "recalculation/drift")
EDGES = (0, 100_000, 300_000, 1_000_000, 3_000_000, sys.maxsize)  # of the columns, in steps
PLAYED, EPISODES = 128, 200  # environments, episodes


@dataclass(frozen=True)
class Learn:
    """Train on pixels, and watch the gradients."""

    jobs: int = 2
    """Runs made side by side, each on one core."""
    tasks: tuple[Task, ...] = tuple(rung.task for rung in RUNGS)
    """Which of them."""


def runs(rung: Rung) -> list[Run]:
    """The rung's runs, and the default's first seeds with their gradients compared."""
    made = list(runs_of(rung))
    watched = [r for r in made if r.variant == "default" and r.seed <= COMPARED_SEEDS.get(rung.task, 1)]
    return made + [dataclasses.replace(r, variant=COMPARED, flags=f"{r.flags} --check-cosine") for r in watched]


def look_at(folder: Path) -> dict[str, Any]:
    """What a finished run says of its gradients, and its old cues: {key: what}."""
    agent, options, _ = load_agent(folder)
    if not options.memory.check_cosine:
        return {}
    lines = metrics(folder)
    found: dict[str, Any] = {key: tracked(lines, key) for key in FIGURES}
    length = [int(pair.removeprefix("length=")) for pair in options.env_kwargs if pair.startswith("length=")]
    if length:
        longer = options.with_env_kwargs((f"length={2 * length[0]}",))
        found["old_cues"] = old_cues(agent, longer, length[0], EPISODES)
    return found


def old_cues(agent: Any, options: Any, older_than: int, episodes: int) -> tuple[float | None, int]:
    """Of slots older than `older_than` steps that show a cue, at the ends of so many sampled episodes: the share that
    is told from the code, and the number of slots. The agent must keep observations."""
    envs = build_envs(options, PLAYED)
    ring = EpisodeRing(episodes, agent.initial_state(1).memory)
    seeds = spawn_seeds(options.seed, PLAYED, "evaluation")
    c = start_collecting(envs, agent, seeds, generator(1), options.learning.hold_growth)
    while ring.size < episodes:
        collect(envs, agent, c, options.learning.chunk_steps, options.learning.chunk_decisions, ring)
    envs.close()
    memory = ring.memory
    old = memory.written & (ring.length[:, None] - memory.step > older_than)
    seen, code, version = memory.observation[old], memory.code[old], memory.version[old]
    if len(seen) == 0:
        return None, 0
    coder, cues = agent.codec.current, torch.from_numpy(GREEN_THINGS).flatten(1)
    kinds = distinct_rows(torch.cat([coder.net.grid.cut(seen), cues]))[0]
    truth = cue_cells(coder, seen, kinds, cues)
    shown = (truth >= 0).any(dim=1)
    told = (cue_cells(coder, agent.codec.decode(code, version), kinds, cues) == truth).all(dim=1)[shown]
    return (float(told.float().mean()) if len(told) else None), len(told)


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: success, a line for each task and variant; then a line for each run whose gradients were watched."""
    lines, watched_lines = [], []
    edges = list(zip(EDGES, EDGES[1:], strict=False))
    for task, variant in [(rung.task, variant) for rung in RUNGS for variant in ("default", COMPARED, *WITHOUT)]:
        found = [r for r in results if (r["task"], r["variant"]) == (task, variant)]
        found.sort(key=lambda r: r["seed"])
        if found:
            columns = [("greedy", ".3f"), ("sampled", ".3f"), *COST]
            lines.append([task, variant, *(side_by_side(found, key, form) for key, form in columns)])
        for r in (r for r in found if FIGURES[0] in r):
            means = [[v for step, v in r[key] if low < step <= high] for key in FIGURES for low, high in edges]
            share, count = r.get("old_cues", (None, 0))
            told = "" if share is None else f"{share:.4f} of {count}"
            watched_lines.append([task, str(r["seed"]), *(f"{mean(v):.3f}" if v else "" for v in means), told])
    columns = [*(f"to {edge / 1e6:g}e6" for edge in EDGES[1:-1]), "to the end"]
    heads = ["task", "seed", *(f"{key.split('/')[1]} {column}" for key in FIGURES for column in columns), "old cues"]
    success = markdown(["task", "variant", "greedy", "sampled", *(key for key, _ in COST)], lines)
    return f"{success}\n{markdown(heads, watched_lines)}"


def main(o: Learn) -> None:
    make_missing([run for rung in RUNGS if rung.task in o.tasks for run in runs(rung)], RESULTS, o.jobs, look_at)
    text = table(read_rows(RESULTS))
    write_page(HERE / "learn.md", "Learning from pixels", __doc__, text)
    print(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(tyro.cli(Learn))
