"""Self-imitation at remembered decisions (Oh et al. 2018, arXiv 1806.05635).

PPO's ratio, and with it the gradient, is small where today's policy would hardly make a decision any more, and clipped
where it makes it far more often: either way little is learnt from it again. Decisions after which more was paid than
the critic expects are imitated besides, without any ratio: what went well once, and is rare, is not forgotten.
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
