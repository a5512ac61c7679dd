"""Evaluation: every environment plays a number of episodes fixed ahead, so that short ones are not favoured."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from reinstate.agents.chunk import EpisodeEnd
from reinstate.agents.rollout import collect, start_collecting
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import build_envs, generator
from reinstate.experiment.options import RunOptions

MOST_ENVS = 200


def quotas(episodes: int, num_envs: int) -> np.ndarray:
    """Episodes that each environment plays: as even as can be.

    >>> quotas(7, 3).tolist()
    [3, 2, 2]
    """
    return np.array([episodes // num_envs + (i < episodes % num_envs) for i in range(num_envs)])


def evaluate(agent: Any, options: RunOptions, episodes: int, seed: int, greedy: bool) -> dict[str, Any]:
    """Plays `episodes` episodes on seeds that training never sees.

    Returns:
        episodes, mean_reward, mean_ep_length, success_rate (None where the environment does not tell), success_by_cue.
    """
    envs = build_envs(options, min(episodes, MOST_ENVS))
    try:
        ends = play(envs, agent, quotas(episodes, envs.num_envs), seed, greedy, options.learning.hold_growth)
    finally:
        envs.close()
    return summary(ends)


def summary(ends: list[EpisodeEnd]) -> dict[str, Any]:
    """Means over episodes; success over those that tell it."""
    told = [e for e in ends if e.success is not None]
    cues = sorted({e.cue for e in told if e.cue is not None})
    return {
        "episodes": len(ends),
        "mean_reward": float(np.mean([e.ret for e in ends])),
        "mean_ep_length": float(np.mean([e.length for e in ends])),
        "success_rate": float(np.mean([e.success for e in told])) if told else None,
        "success_by_cue": {str(c): float(np.mean([e.success for e in told if e.cue == c])) for c in cues},
    }


def play(envs: Any, agent: Any, quota: np.ndarray, seed: int, greedy: bool, hold_growth: float) -> list[EpisodeEnd]:
    """The first `quota[i]` episodes of environment i, for every i."""
    sampling = None if greedy else generator(seed)
    seeds = spawn_seeds(seed, envs.num_envs, "evaluation")
    collector = start_collecting(envs, agent, seeds, sampling, hold_growth)
    left, ends = quota.copy(), []
    with torch.no_grad():
        while (left > 0).any():
            for end in collect(envs, agent, collector, 32, 32).episodes:
                if left[end.env] > 0:
                    left[end.env] -= 1
                    ends.append(end)
    return ends


def passes(result: dict[str, Any], threshold: float) -> bool:
    """True where the success rate reaches `threshold`, over all episodes and for every cue."""
    rates = [result["success_rate"], *result["success_by_cue"].values()]
    return all(rate is not None and rate >= threshold for rate in rates)
