"""Does a remembered embedding tell the cue? A linear probe: `python benchmarks/recalculation/probe.py`.

The probe is logistic regression from the embedding that the memory stores at an episode's first view, in which the cue
is seen, to the cue. It is fitted on one half of the episodes and scored on the other; 0.5 is chance. By itself the
script probes untrained networks of several widths, which is how the default width was chosen: so narrow that random
features do not tell the cue of a crowded room. `run.py` probes each run before and after training.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
import tyro
from torch import Tensor

from reinstate.agents.chunk import Inputs
from reinstate.envs.engine.grid import BALL, GREEN, KEY
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import build_envs, untrained
from reinstate.experiment.options import RunOptions
from reinstate.memory.options import MemoryOptions

PLAIN = "Reinstate/GridTMazePassive-v0"


@dataclass(frozen=True)
class Probes:
    """Probe untrained networks."""

    widths: tuple[int, ...] = (8, 16, 32, 40)
    """Embedding widths; a slot of 256 bytes holds 43 at most."""
    seeds: int = 5
    """Networks of each width."""


def first_views(options: RunOptions, episodes: int) -> tuple[Tensor, Tensor]:
    """The first observations of fresh episodes [n, 7, 7, 3], and their cues [n]: 0 a green key, 1 a green ball.

    They are symbolic; `first_images` has the pixels of the same episodes.
    """
    envs = build_envs(options, episodes)
    observation = torch.tensor(envs.reset(seed=spawn_seeds(options.seed, episodes, "evaluation"))[0])
    envs.close()
    green = observation[..., 1] == GREEN
    key, ball = (((observation[..., 0] == kind) & green).flatten(1).any(1) for kind in (KEY, BALL))
    assert (key ^ ball).all(), "the cue is not in the first view"
    return observation, ball.long()


def first_images(options: RunOptions, episodes: int) -> Tensor:
    """The first observations [n, 56, 56, 3] of the episodes of `first_views`, as pixels."""
    envs = build_envs(options.with_env_kwargs(("observation=pixels",)), episodes)
    observation = torch.tensor(envs.reset(seed=spawn_seeds(options.seed, episodes, "evaluation"))[0])
    envs.close()
    return observation


def stored(agent: Any, observation: Tensor) -> Tensor:
    """What the memory holds [n, D] after the first step of an episode."""
    n = len(observation)
    everyone, zero = torch.arange(n), torch.zeros(n)
    first = Inputs(observation, torch.full((n,), -1), zero, torch.ones(n, dtype=torch.bool), zero.long(), zero)
    state = agent.act(first, agent.initial_state(n), everyone, None)[1]
    return state.memory.embedding[:, 0].clone()


def linear_probe(x: Tensor, label: Tensor) -> float:
    """Accuracy on the second half of logistic regression fitted on the first."""
    half = len(x) // 2
    x = (x - x[:half].mean(0)) / (x[:half].std(0) + 1e-6)
    weight = torch.zeros(x.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logit = x[:half] @ weight[1:] + weight[0]
        value = torch.nn.functional.binary_cross_entropy_with_logits(logit, label[:half].float())
        value = value + 1e-4 * weight[1:].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    guess = (x[half:] @ weight[1:] + weight[0]).detach() > 0
    return float((guess == label[half:].bool()).float().mean())


def probe(agent: Any, options: RunOptions, episodes: int = 8000) -> float:
    """Accuracy of the linear probe on `agent`'s stored embeddings."""
    observation, cue = first_views(options, episodes)
    return linear_probe(stored(agent, observation), cue)


def main(o: Probes) -> None:
    print("| task | width | " + " | ".join(f"seed {s + 1}" for s in range(o.seeds)) + " |")
    print("|---" * (2 + o.seeds) + "|")
    for task, env in (("crowded", RunOptions.env), ("plain", PLAIN)):
        for width in o.widths:
            memory = dataclasses.replace(MemoryOptions(), embedding_width=width)
            runs = [RunOptions(env=env, seed=s + 1, memory=memory) for s in range(o.seeds)]
            scores = [probe(untrained(r), r) for r in runs]
            print(f"| {task} | {width} | " + " | ".join(f"{s:.2f}" for s in scores) + " |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Probes))
