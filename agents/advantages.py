"""Returns and advantages: pure functions of arrays with one entry for each decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from torch import Tensor

from reinstate.agents.chunk import Chunk
from reinstate.memory.episodes import Events


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

    R_i is what the decision earned until the next one and v'_i that one's value, V(final observation) where the
    episode was truncated (a cut is not an end).

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


@dataclass(frozen=True)
class GoingRate:
    """What a step brings on average, and how far ahead counts."""

    reward: float  # rho, of a step
    horizon: float  # H, in steps

    @property
    def for_ever(self) -> float:
        """rho H: what going on for ever at this rate is worth."""
        return self.reward * self.horizon


def discount(duration: Tensor, horizon: float) -> Tensor:
    """exp(-tau / H) [n]: what comes after a decision is discounted by time, however that is cut into decisions."""
    return (-duration / horizon).exp()


def discounted_steps(duration: Tensor, horizon: float) -> Tensor:
    """H (1 - exp(-tau / H)) [n]: tau steps with the later ones discounted; tau where it is small, at most H."""
    return -horizon * torch.expm1(-duration / horizon)


def relative_advantages(
    x: Chunk | Events, value: Tensor, next_value: Tensor, lam: Tensor, bonus: Tensor, going: GoingRate
) -> Tensor:
    """Advantages [n] of the decisions `x`, relative to the going rate.

    What a decision brought counts beyond what its tau steps bring at the going rate, both as paid evenly over them:
    (R / tau - rho) times the discounted steps, for a small tau R - rho tau. When within them the rewards came is not
    kept. As one sum at their start, a hundred apples between two slots would be worth a hundred where the horizon lets
    18 count; paid evenly, a reward at the end of a long gap counts for more than its discount.

    Values are then relative to rho H. So is an episode's end, after which nothing is paid: it is worth -rho H. With
    both, rho changes no advantage, nor which policy is best; what it buys is that values need not first fall (or rise)
    to rho H, and that what is the same everywhere cancels.

    Args:
        value, next_value: [n], relative to the going rate.
        lam: [n], see `gae`.
        bonus: [n], paid beside the rewards.
    """
    gamma = discount(x.duration, going.horizon)
    steps = discounted_steps(x.duration, going.horizon)
    earned = (x.reward / x.duration - going.reward) * steps + bonus
    after = torch.where(x.terminal, -going.for_ever, next_value)
    return torch.from_numpy(gae(*(p.numpy() for p in (earned, value, after, x.follow, gamma, lam))))
