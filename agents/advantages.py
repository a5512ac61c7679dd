"""Returns and advantages: pure functions of arrays with one entry for each decision."""

from __future__ import annotations

import numpy as np
from numba import njit
from torch import Tensor


@njit(cache=True)
def gae(
    reward: np.ndarray,
    value: np.ndarray,
    next_value: np.ndarray,
    follow: np.ndarray,
    gamma: np.ndarray,
    lam: np.ndarray,
) -> np.ndarray:
    """Generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438, eq. 16) from decision to decision.

        delta_i = R_i + gamma_i v'_i - v_i        A_i = delta_i + gamma_i lambda_i A_follow(i)

    R_i is the sum of the rewards until the next decision and v'_i that decision's value, V(final observation) where
    the episode was truncated (a cut is not an end).

    Args:
        reward, value, next_value: [n] float.
        follow: [n] int64, larger than the index itself; -1 ends the sum.
        gamma: [n] the discount from each decision to the next.
        lam: [n] the share of the next one's advantage that is taken over.

    Returns:
        Advantages [n]; add `value` for the critic's targets.
    """
    advantage = np.zeros_like(value)
    for i in range(len(value) - 1, -1, -1):
        advantage[i] = reward[i] + gamma[i] * next_value[i] - value[i]
        if follow[i] >= 0:
            advantage[i] += gamma[i] * lam[i] * advantage[follow[i]]
    return advantage


def discount(duration: Tensor, horizon: float) -> Tensor:
    """exp(-tau / H) [n]: time is discounted, however it is cut into decisions."""
    return (-duration / horizon).exp()


def net_reward(reward: Tensor, gamma: Tensor, rate: float, horizon: float) -> Tensor:
    """R - rho H (1 - gamma) [n]: what a decision brought beyond what its tau steps bring at the going rate rho, the
    reward of a step on average (over tau << H steps, rho tau).

    Values are then relative to rho H, what going on for ever at this rate is worth. So is the end of an episode, after
    which nothing is paid: it is worth `end_value`. With both, optimal policies are those of the rewards themselves;
    what it buys is that values need not first fall (or rise) to rho H, and that what is the same everywhere cancels.
    """
    return reward - rate * horizon * (1 - gamma)


def end_value(rate: float, horizon: float) -> float:
    """-rho H: what the end of an episode is worth beyond going on at the going rate rho."""
    return -rate * horizon
