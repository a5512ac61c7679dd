"""Returns and advantages: pure functions of arrays with one entry for each decision."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def gae(
    reward: np.ndarray, value: np.ndarray, next_value: np.ndarray, follow: np.ndarray, gamma: float, lam: float
) -> np.ndarray:
    """Generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438, eq. 16) from decision to decision.

        delta_i = R_i + gamma v'_i - v_i        A_i = delta_i + gamma lambda A_follow(i)

    R_i is the sum of the rewards until the next decision and v'_i that decision's value: 0 where the episode
    terminated, V(final observation) where it was truncated (a cut is not an end). An action that is held counts as
    one step of gamma and lambda, however long it lasts.

    Args:
        reward, value, next_value: [n] float.
        follow: [n] int64, larger than the index itself; -1 ends the sum.

    Returns:
        Advantages [n]; add `value` for the critic's targets.
    """
    advantage = np.zeros_like(value)
    for i in range(len(value) - 1, -1, -1):
        advantage[i] = reward[i] + gamma * next_value[i] - value[i]
        if follow[i] >= 0:
            advantage[i] += gamma * lam * advantage[follow[i]]
    return advantage


def net_reward(reward: np.ndarray, duration: np.ndarray, rate: float) -> np.ndarray:
    """R - rho tau [n]: what a decision brought beyond what its tau steps bring at the going rate rho, the reward of a
    step on average (Das et al. 1999, semi-Markov average reward).

    Discounts count decisions, so without it an agent that loses a little at every step would rather decide often than
    hold on to anything, walking included.
    """
    return reward - rate * duration
