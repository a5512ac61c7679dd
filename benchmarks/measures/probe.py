"""Does a remembered embedding tell the cue? A linear probe of untrained networks.

The probe is logistic regression from the embedding that the memory stores at an episode's first view, in which the cue
is seen, to the cue. It is fitted on one half of the episodes and scored on the other; 0.5 is chance. The table has
untrained networks of several widths, which is how the default width was chosen: so narrow that random features do not
tell the cue of a crowded room. The suite `recalculation` probes each run before and after training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.rows import Row, seed_columns
from reinstate.agents.interface import Agent
from reinstate.agents.memory_agent import MemoryAgent
from reinstate.agents.rollout import Inputs
from reinstate.envs.engine.grid import BALL, GREEN, KEY
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import build_envs, untrained
from reinstate.experiment.options import RunOptions
from reinstate.memory.options import MemoryOptions

ENVS = {"crowded": RunOptions.env, "plain": "Reinstate/GridTMazePassive-v0"}
WIDTHS = (8, 16, 32, 40)  # of embeddings; a slot of 256 bytes holds 43 at most
SEEDS = 5
EPISODES = 8000


def cells(known: list[Row]) -> Iterable[Row]:
    return [{"task": task, "width": width} for task in ENVS for width in WIDTHS]


def rows(cell: Row) -> Iterator[Row]:
    for seed in range(1, SEEDS + 1):
        memory = dataclasses.replace(MemoryOptions(), embedding_width=cell["width"])
        options = RunOptions(env=ENVS[cell["task"]], seed=seed, memory=memory)
        yield cell | {"seed": seed, "accuracy": probe(untrained(options), options)}


def table(rows: list[Row]) -> str:
    return seed_columns(rows, ["task", "width"], "accuracy", ".2f")


def first_views(options: RunOptions, episodes: int) -> tuple[Tensor, Tensor]:
    """The first observations of fresh episodes [n, 7, 7, 3], and their cues [n]: 0 a green key, 1 a green ball."""
    observation = first_observations(options, episodes)
    green = observation[..., 1] == GREEN
    key, ball = (((observation[..., 0] == kind) & green).flatten(1).any(1) for kind in (KEY, BALL))
    assert (key ^ ball).all(), "the cue is not in the first view"
    return observation, ball.long()


def first_images(options: RunOptions, episodes: int) -> Tensor:
    """The first observations [n, 56, 56, 3] of the episodes of `first_views`, as pixels."""
    return first_observations(options.with_env_kwargs(("observation=pixels",)), episodes)


def first_observations(options: RunOptions, episodes: int) -> Tensor:
    envs: Any = build_envs(options, episodes)
    observation = torch.tensor(envs.reset(seed=spawn_seeds(options.seed, episodes, "evaluation"))[0])
    envs.close()
    return observation


def stored(agent: Agent[Any], observation: Tensor) -> Tensor:
    """The embeddings that the memory holds [n, D] after the first step of an episode."""
    n = len(observation)
    everyone, zero = torch.arange(n), torch.zeros(n)
    first = Inputs(observation, torch.full((n,), -1), zero, torch.ones(n, dtype=torch.bool), zero.long(), zero)
    assert isinstance(agent, MemoryAgent)
    state = agent.act(first, agent.initial_state(n), everyone, None)[1]
    return state.memory.embedding[:, 0].clone()


def linear_probe(x: Tensor, label: Tensor) -> float:
    """Accuracy on the second half of logistic regression fitted on the first; x [n, D], label [n]."""
    half = len(x) // 2
    x = (x - x[:half].mean(0)) / (x[:half].std(0) + 1e-6)
    weight = torch.zeros(x.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logit = x[:half] @ weight[1:] + weight[0]
        value = F.binary_cross_entropy_with_logits(logit, label[:half].float()) + 1e-4 * weight[1:].square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    guess = (x[half:] @ weight[1:] + weight[0]).detach() > 0
    return float((guess == label[half:].bool()).float().mean())


def probe(agent: Agent[Any], options: RunOptions) -> float:
    """Accuracy of the linear probe on `agent`'s stored embeddings."""
    observation, cue = first_views(options, EPISODES)
    return linear_probe(stored(agent, observation), cue)
