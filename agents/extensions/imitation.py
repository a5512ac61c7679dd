"""Self-imitation at remembered decisions (Oh et al. 2018, arXiv 1806.05635).

PPO learns little from an old decision. Where the present policy would hardly make it, the ratio is small, and with it
the gradient; where the policy makes it far more often, the ratio is clipped. So decisions after which more was paid
than the critic expects are also imitated, without a ratio: a rare success is not forgotten.
"""

from __future__ import annotations

from torch import Tensor

from reinstate.agents.extensions.episodic_replay import Advantages, EventTerm, Remembered


class Imitation(EventTerm):
    """An event term: -log pi in proportion to the gain."""

    def __init__(self, coef: float) -> None:
        self.coef = coef

    def loss(self, remembered: Remembered, advantages: Advantages, log: dict[str, float]) -> Tensor:
        gain = advantages.in_full / advantages.deviation
        return self.coef * imitation_loss(remembered.replay.log_prob, gain)


def imitation_loss(log_prob: Tensor, gain: Tensor) -> Tensor:
    """-log pi max(gain, 0) for each sample (Oh et al. 2018, eq. 2)."""
    return -log_prob * gain.clamp(min=0.0)
