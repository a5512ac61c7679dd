"""Evaluation: each environment plays a fixed number of episodes, so that short episodes do not count more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from gymnasium.vector import VectorEnv

from reinstate.agents.collector import Collector, ends_of, start_collecting
from reinstate.agents.interface import Agent, State
from reinstate.agents.rollout import EpisodeEnd
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import build_envs, generator
from reinstate.experiment.options import RunOptions

MOST_ENVS = 200


class Evaluation(TypedDict):
    """Means over the episodes of one evaluation."""

    episodes: int
    mean_reward: float  # return of an episode
    mean_ep_length: float  # steps
    success_rate: float | None  # None where the environment does not report success
    success_by_cue: dict[str, float]  # for each value of info["cue"], where that exists


def quotas(episodes: int, num_envs: int) -> np.ndarray:
    """Episodes that each environment plays, as even as possible.

    >>> quotas(7, 3).tolist()
    [3, 2, 2]
    """
    return np.array([episodes // num_envs + (i < episodes % num_envs) for i in range(num_envs)])


def evaluate(
    agent: Agent[State], options: RunOptions, episodes: int = 200, seed: int = 0, greedy: bool = True
) -> Evaluation:
    """Plays `episodes` episodes on seeds that training never sees; `greedy` takes the most probable actions."""
    envs = build_envs(options, min(episodes, MOST_ENVS))
    try:
        collector = start_evaluating(envs, agent, options, seed, greedy)
        return summary(play(envs, agent, collector, quotas(episodes, envs.num_envs)))
    finally:
        envs.close()


def start_evaluating(
    envs: VectorEnv, agent: Agent[State], options: RunOptions, seed: int, greedy: bool
) -> Collector[State]:
    """Resets the environments on evaluation's own seeds."""
    sampling = None if greedy else generator(seed)
    seeds = spawn_seeds(seed, envs.num_envs, "evaluation")
    return start_collecting(envs, agent, seeds, sampling, options.learning.action_repeat)


def play(
    envs: VectorEnv,
    agent: Agent[State],
    c: Collector[State],
    quota: np.ndarray,
    at_end: Callable[[EpisodeEnd, State, bool], None] | None = None,
) -> list[EpisodeEnd]:
    """The first `quota[i]` episodes of environment i, for every i.

    Args:
        at_end: called with each of them, the agent's state before the reset, and whether it terminated.
    """
    left, ends = quota.copy(), []
    while (left > 0).any():
        c.decide(agent)
        observation, reward, terminated, truncated, info = c.step(envs)
        done = terminated | truncated
        for end in ends_of(c, done, info):
            if left[end.env] > 0:
                left[end.env] -= 1
                ends.append(end)
                if at_end is not None:
                    at_end(end, c.agent_state, bool(terminated[end.env]))
        c.see(observation, reward, done)
    return ends


def summary(ends: list[EpisodeEnd]) -> Evaluation:
    """Means over episodes; success over those that report it."""
    reported = [e for e in ends if e.success is not None]
    cues = sorted({e.cue for e in reported if e.cue is not None})
    return {
        "episodes": len(ends),
        "mean_reward": float(np.mean([e.ret for e in ends])),
        "mean_ep_length": float(np.mean([e.length for e in ends])),
        "success_rate": float(np.mean([e.success for e in reported])) if reported else None,
        "success_by_cue": {str(c): float(np.mean([e.success for e in reported if e.cue == c])) for c in cues},
    }


def passes(result: Evaluation, threshold: float) -> bool:
    """True where the success rate reaches `threshold`, over all episodes and for every cue."""
    rates = [result["success_rate"], *result["success_by_cue"].values()]
    return all(rate is not None and rate >= threshold for rate in rates)
