"""Returns and advantages: pure functions of arrays with one entry for each decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reinstate.agents.rollout import Outcome
from reinstate.compiled import njit
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

    R_i is the reward from the decision to the next one, and v'_i the value there: V(final observation) where the
    episode was truncated, for a truncation is not an end.

    Args:
        reward, value, next_value: [n] float.
        follow: [n] int64, larger than the index itself; -1 ends the sum.
        gamma: [n] the discount from each decision to the next.
        lam: [n] the share of the next decision's advantage that is added.

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
class AverageReward:
    """The average reward of a step, and the horizon."""

    rate: float  # rho, reward of a step
    horizon: float  # H, in steps

    @property
    def worth(self) -> float:
        """rho H: the discounted sum of rho over all time."""
        return self.rate * self.horizon


def discount(duration: Tensor, horizon: float) -> Tensor:
    """exp(-tau / H) [n]: what comes after a decision is discounted by time, whatever the number of decisions."""
    return (-duration / horizon).exp()


def discounted_steps(duration: Tensor, horizon: float) -> Tensor:
    """H (1 - exp(-tau / H)) [n]: tau steps with the later ones discounted; tau where it is small, at most H."""
    return -horizon * torch.expm1(-duration / horizon)


def relative_advantages(
    x: Outcome | Events, value: Tensor, next_value: Tensor, lam: Tensor, bonus: Tensor, average: AverageReward
) -> Tensor:
    """Advantages [n] of decisions with the outcomes `x`, relative to the average reward.

    The reward R of tau steps counts as paid evenly over them, minus the average reward: (R / tau - rho) times the
    discounted steps. For a small tau that is R - rho tau. The moment of a reward within the tau steps is not kept. Paid
    at once, a hundred apples between two slots would count as a hundred, though the horizon lets 18 count. Paid evenly,
    a reward at the end of a long interval is discounted too little.

    Values are relative to rho H. So is the end of an episode, after which nothing is paid: its value is -rho H. With
    both, rho changes no advantage, nor which policy is best. It saves the values from having to grow to rho H first.

    Args:
        value, next_value: [n], relative to the average reward.
        lam: [n], see `gae`.
        bonus: [n], paid beside the rewards.
    """
    gamma = discount(x.duration, average.horizon)
    steps = discounted_steps(x.duration, average.horizon)
    earned = (x.reward / x.duration - average.rate) * steps + bonus
    after = torch.where(x.terminal, -average.worth, next_value)
    return torch.from_numpy(gae(*(p.numpy() for p in (earned, value, after, x.follow, gamma, lam))))
