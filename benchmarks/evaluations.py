"""More figures of a finished training run, for the suites that name them, and their tables."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from benchmarks.measures.codec import GREEN_THINGS, cue_cells
from benchmarks.measures.probe import probe as probe_accuracy
from benchmarks.rows import Row, markdown
from benchmarks.suite import Run
from benchmarks.training_runs import Evaluation, metrics, tracked
from reinstate.agents.memory_agent import MemoryAgent, MemoryAgentState
from reinstate.agents.rollout import EpisodeEnd
from reinstate.experiment.build import build_envs, untrained
from reinstate.experiment.evaluation import evaluate, play, quotas, start_evaluating
from reinstate.experiment.options import RunOptions
from reinstate.experiment.trained import load_agent
from reinstate.memory.codec.patches import PatchGrid
from reinstate.memory.slots import MemoryState
from reinstate.memory.tensors import unique_rows

ZERO_SHOT_SEEDS, ZERO_SHOT_SEED = 3, 2**31 + 1
PROBE_TAGS = ("recalculation/cosine", "recalculation/drift", "recalculation/gradient", "train/grad_norm_embedding")
GRADIENT_TAGS = ("recalculation/cosine", "recalculation/drift")
EDGES = (0, 100_000, 300_000, 1_000_000, 3_000_000, sys.maxsize)  # of the columns, in steps
PLAYED_ENVS, PLAYED_EPISODES = 128, 200


def zero_shot(folder: Path, run: Run) -> Row:
    """Success of the default's first seeds on other lengths, untrained: {length: {episodes, greedy, by_cue}}."""
    if "zero_shot" not in run.fields or run.variant != "default" or run.seed > ZERO_SHOT_SEEDS:
        return {}
    agent, options, _ = load_agent(folder)
    wanted, found = run.fields["zero_shot"], {}
    for length in wanted["lengths"]:
        longer = options.with_env_kwargs((f"{wanted['keyword']}={length}",))
        result = evaluate(agent, longer, wanted["episodes"], ZERO_SHOT_SEED, greedy=True)
        success = {"greedy": result["success_rate"], "by_cue": result["success_by_cue"]}
        found[str(length)] = {"episodes": wanted["episodes"], **success}
    return {"zero_shot": found}


def zero_shot_table(rows: list[Row], runs: list[Run]) -> str:
    """A line for each length that a run was played on."""
    lines = []
    for run in runs:
        for row in (row for row in rows if run.key.items() <= row.items()):
            for length, z in row.get("zero_shot", {}).items():
                cues = " ".join(f"{rate:.2f}" for rate in z["by_cue"].values())
                figures = [f"{int(length):,}", str(z["episodes"]), f"{z['greedy']:.3f}", cues]
                lines.append([run.task, str(run.seed), *figures])
    heads = ["trained on", "seed", "length", "episodes", "success", "for each cue"]
    return f"Played without further training, greedy:\n\n{markdown(heads, lines)}" if lines else ""


def first_episodes(folder: Path, run: Run) -> Row:
    """The share of the first training episodes that succeeded, of as many as the suite's `episodes` says."""
    count = run.fields["episodes"]
    with (folder / "monitor.csv").open() as file:
        success = [row["success"] for row in csv.DictReader(file)][:count]
    assert len(success) == count, f"{len(success)} episodes have ended, and {count} count"
    return {"right": success.count("True") / count}


def probe(folder: Path, run: Run) -> Row:
    """Accuracy of the linear probe for the cue on what the memory stored at first, and stores at the end; and what
    recalculation reported."""
    agent, options, _ = load_agent(folder)
    agents = {"probe_before": untrained(options), "probe_after": agent}
    remembers = options.agent == "memory"
    found: Row = {key: probe_accuracy(a, options) if remembers else None for key, a in agents.items()}
    lines = metrics(folder)
    return found | {"tracked": {tag: tracked(lines, tag) for tag in PROBE_TAGS}}


def gradients(folder: Path, run: Run) -> Row:
    """Of runs that compare gradients: cosine and drift along the way, and whether codes of old cues can be read."""
    agent, options, _ = load_agent(folder)
    if not options.memory.check_cosine:
        return {}
    lines = metrics(folder)
    found: Row = {tag: tracked(lines, tag) for tag in GRADIENT_TAGS}
    if "length" in run.fields and isinstance(agent, MemoryAgent):
        length = run.fields["length"]
        found["old_cues"] = old_cues(agent, options.with_env_kwargs((f"length={2 * length}",)), length, PLAYED_EPISODES)
    return found


def old_cues(agent: MemoryAgent, options: RunOptions, older_than: int, episodes: int) -> tuple[float | None, int]:
    """Of slots that are older than `older_than` steps at the end of a sampled episode, and show a cue: the share whose
    cue can be read from the code, and the number of slots."""
    envs = build_envs(options, PLAYED_ENVS)
    collector = start_evaluating(envs, agent, options, options.seed, greedy=False)
    collector.agent_state = agent.initial_state(PLAYED_ENVS, keep_observations=True)
    memories: list[MemoryState] = []
    age: list[Tensor] = []

    def keep(end: EpisodeEnd, state: MemoryAgentState, terminated: bool) -> None:
        memories.append(state.memory.take(torch.tensor([end.env])))
        age.append(end.length - memories[-1].step)

    play(envs, agent, collector, quotas(episodes, PLAYED_ENVS), keep)
    envs.close()
    memory = MemoryState.cat(memories)
    assert memory.observation is not None
    old = memory.written & (torch.cat(age) > older_than)
    seen, code, version = memory.observation[old], memory.code[old], memory.version[old]
    if len(seen) == 0:
        return None, 0
    grid, cues = PatchGrid.of(tuple(seen.shape[1:])), torch.from_numpy(GREEN_THINGS).flatten(1)
    kinds = unique_rows(torch.cat([grid.cut(seen), cues]))[0]
    truth = cue_cells(grid, seen, kinds, cues)
    shown = (truth >= 0).any(dim=1)
    right = (cue_cells(grid, agent.codec.decode(code, version), kinds, cues) == truth).all(dim=1)[shown]
    return (float(right.float().mean()) if len(right) else None), len(right)


def gradients_table(rows: list[Row], runs: list[Run]) -> str:
    """A line for each run that compared gradients; the means between the edges of the columns."""
    lines, edges = [], list(zip(EDGES, EDGES[1:], strict=False))
    for run in runs:
        for row in (row for row in rows if run.key.items() <= row.items() and GRADIENT_TAGS[0] in row):
            parts = [[v for step, v in row[tag] if low < step <= high] for tag in GRADIENT_TAGS for low, high in edges]
            share, count = row.get("old_cues", (None, 0))
            cues = "" if share is None else f"{share:.4f} of {count}"
            lines.append([run.task, str(run.seed), *(f"{mean(part):.3f}" if part else "" for part in parts), cues])
    columns = [*(f"to {edge / 1e6:g}e6" for edge in EDGES[1:-1]), "to the end"]
    heads = [f"{tag.split('/')[1]} {column}" for tag in GRADIENT_TAGS for column in columns]
    return markdown(["task", "seed", *heads, "old cues"], lines) if lines else ""


EVALUATIONS: dict[str, Evaluation] = {
    "zero_shot": zero_shot,
    "first_episodes": first_episodes,
    "probe": probe,
    "gradients": gradients,
}
TABLES: dict[str, Callable[[list[Row], list[Run]], str]] = {
    "zero_shot": zero_shot_table,
    "gradients": gradients_table,
}
