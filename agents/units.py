"""The unit of rewards: the largest one seen. All that is learnt is in this unit, so their size does not matter."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from reinstate.agents.rollout import Rollout

GROWTH = 100.0  # of the unit, at most, in one update: one absurd reward does not hide all others for good


class RewardUnit(nn.Module):
    """The largest size of a step's reward so far. It changes only in `grow`, as an update begins."""

    size: Tensor  # scalar; 0 until a reward other than 0 was seen

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("size", torch.zeros(()))

    @property
    def known(self) -> Tensor:
        """The unit; 1 until one is known."""
        return torch.where(self.size > 0, self.size, 1.0)

    def forward(self, reward: Tensor) -> Tensor:
        """Rewards of single steps, in units."""
        return (reward / self.known).clamp(-1.0, 1.0)

    def sums(self, reward: Tensor, duration: Tensor) -> Tensor:
        """Sums of rewards [n] over `duration` [n] steps, in units. A step counts for one unit at most."""
        return torch.clamp(reward / self.known, -duration, duration)

    def factor(self, unit: Tensor) -> Tensor:
        """What turns numbers in `unit` [...] into numbers in the present one; 1 where it was not known."""
        return torch.where(unit > 0, unit / self.known, 1.0)

    @torch.no_grad()
    def grow(self, largest: float) -> float:
        """Takes in the largest size of a rollout's rewards; returns the factor for numbers in the old unit."""
        before = self.size.clone()
        most = GROWTH * before if before > 0 else torch.inf
        self.size.copy_(before.maximum(torch.tensor(largest).clamp(max=most)))
        return float(self.factor(before))


def in_units(rollout: Rollout, unit: RewardUnit, factor: float) -> Rollout:
    """The rollout with rewards, values and advantage scales in units; `factor` is what `unit.grow` returned for it."""
    d, x = rollout.decision, rollout.outcome
    change = unit.factor(d.unit)  # decisions that the last rollout left open may have an older unit
    decision = replace(d, value=d.value * change, scale=d.scale * change, unit=unit.known.expand_as(d.unit))
    outcome = replace(x, reward=unit.sums(x.reward, x.duration), next_value=x.next_value * factor)
    return replace(rollout, decision=decision, outcome=outcome)
