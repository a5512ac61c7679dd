"""Synthetic returns (`--credit synthetic`): a slot is paid, when it is written, for the rewards that it explains later.

Letters: M episodes, N slots, n events, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reinstate.agents.extensions.episodic_replay import Advantages, EventBonus, EventTerm, Remembered
from reinstate.agents.interface import Update
from reinstate.agents.losses import explained_variance
from reinstate.agents.memory_agent import MemoryAgent
from reinstate.memory.codec.autoencoders import last_linear, orthogonal
from reinstate.memory.episodes import Events, older_slots
from reinstate.memory.recalculation import embed_unique
from reinstate.memory.tensors import take

HIDDEN = 64
SPREAD = 0.01  # of the squared returns: one slot should explain a reward, not all slots a little


class SyntheticReturns(nn.Module):
    """State-associative learning (Raposo et al. 2021, arXiv 2102.12425, eq. 2): a reward is explained by a gate on what
    is seen now times the sum of what each remembered slot contributes, plus a baseline of what is seen now.

    What a slot contributes is its synthetic return: it is paid at the moment when the slot is written, whenever the
    reward comes. "Seen now" is the embedding of the event's own slot, and its reward is what came before the next
    write, whether or not that slot was evicted: sums of rewards over longer intervals would drown what belongs to it.
    """

    def __init__(self, embedding_width: int) -> None:
        super().__init__()
        self.contribution, self.gate, self.baseline = (
            nn.Sequential(nn.Linear(embedding_width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)) for _ in range(3)
        )
        orthogonal(self)
        for net in (self.contribution, self.baseline):
            nn.init.zeros_(last_linear(net).weight)  # nothing is paid before something is known

    def returns(self, embedding: Tensor) -> Tensor:
        """Synthetic returns [...] of slots with these embeddings [..., D]."""
        returns: Tensor = self.contribution(embedding)
        return returns.squeeze(-1)

    def forward(self, embedding: Tensor, before: Tensor, events: Events) -> Tensor:
        """What each event [n] is expected to earn before the next write.

        Args:
            embedding: [M, N, D], of all slots.
            before: [n, N] bool: the slots that are older than each event's own.
        """
        remembered = (self.returns(embedding)[events.episode] * before).sum(dim=1)
        now = embedding[events.episode, events.slot]
        expected: Tensor = torch.sigmoid(self.gate(now).squeeze(-1)) * remembered + self.baseline(now).squeeze(-1)
        return expected


def explanation_loss(expected: Tensor, earned: Tensor, returns: Tensor) -> Tensor:
    """huber(expected - earned) + SPREAD returns^2 for each event [n], all in the critic's units.

    Huber's loss (e^2 / 2 up to 1, then |e| - 1 / 2) keeps a door that pays as much as many apples from dominating the
    gradient. Its price: a large reward that nothing seen predicts is expected to be less than its mean. Without the
    second term, a small gate and large returns of all slots explain as much as an open gate and one return, and what
    every slot is paid grows without end (docs/log).
    """
    return F.huber_loss(expected, earned, reduction="none") + SPREAD * returns.square()


class SyntheticCredit(EventTerm, EventBonus):
    """Synthetic returns as an event term, which learns them, and as a bonus, which pays them."""

    def __init__(self, agent: MemoryAgent, net: SyntheticReturns) -> None:
        self.agent, self.net = agent, net

    def parameters(self) -> Iterable[nn.Parameter]:
        return self.net.parameters()

    def loss(self, remembered: Remembered, advantages: Advantages, log: dict[str, float]) -> Tensor:
        r, memory, at = remembered.replay, remembered.episodes.memory, self._at(remembered)
        earned = memory.earned[at] / self.agent.encode_state.unit.known / remembered.value_std
        expected = self.net(r.slots, older_slots(memory, r.events), r.events)
        log["credit/reward_explained"] = explained_variance(expected.detach(), earned)
        return explanation_loss(expected, earned, self.net.returns(r.slots)[at])

    def of_events(self, remembered: Remembered, update: Update) -> Tensor:
        with torch.no_grad():
            returns = self.net.returns(remembered.replay.slots)[self._at(remembered)]
        return remembered.value_std * returns

    def of_rollout(self, update: Update) -> Tensor:
        wrote = update.rollout.decision.wrote
        bonus = torch.zeros_like(update.rollout.decision.value)
        with torch.no_grad():
            written = embed_unique(self.agent.embed, take(update.rollout.inputs.observation, wrote))
            bonus[wrote] = self.agent.heads.value_std * self.net.returns(written)
        return bonus

    def state_dict(self) -> dict[str, Any]:
        return self.net.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state)

    @staticmethod
    def _at(remembered: Remembered) -> tuple[Tensor, Tensor]:
        events = remembered.replay.events
        return events.episode, events.slot
