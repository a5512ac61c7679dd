"""Episodic replay: learning again from the slots of finished episodes, from slot to slot.

A late reward reaches the remembered decision in one sum, however many steps lie between (`memory/episodes.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from reinstate.agents.heads import scale_of
from reinstate.agents.interface import LossTerm, RewardBonus, Stateful, Update
from reinstate.agents.losses import SCALE_COEF, clipped_policy_loss, entropy, explained_variance, scale_loss, value_loss
from reinstate.agents.memory_agent import EpisodeReplay, MemoryAgent, MemoryAgentState
from reinstate.agents.returns import relative_advantages
from reinstate.memory.episodes import EpisodeBuffer, Episodes
from reinstate.memory.slots import bytes_per_slot
from reinstate.memory.tensors import TensorStruct


class Draws(Protocol):
    """Which finished episodes are drawn."""

    def begin_update(self, buffer: EpisodeBuffer, version: int) -> None:
        """Called once before the epochs of an update; `version` is the codec's."""

    def shares(self) -> Tensor:
        """Weights [size] of the episodes in the buffer, which are drawn in proportion to them."""


@dataclass(frozen=True)
class Remembered:
    """The remembered decisions that an epoch learns from."""

    episodes: Episodes  # [M]
    replay: EpisodeReplay  # [n]
    value_std: Tensor  # scalar, the unit of the critic


class EventBonus(RewardBonus, Protocol):
    """A bonus that remembered decisions are paid, too."""

    def of_events(self, remembered: Remembered, update: Update) -> Tensor:
        """The bonus [n] of each remembered decision."""


@dataclass(frozen=True)
class Advantages:
    """How much better than expected the remembered decisions were."""

    by_trace: Tensor  # [n] with traces that stop where the policy has changed
    in_full: Tensor  # [n] to the end of the episode, whichever policy decided
    deviation: Tensor  # scalar, of `by_trace`


class EventTerm(Stateful, Protocol):
    """A loss at each remembered decision, added to those of PPO."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """Its own, trained with the agent's."""
        return []

    def loss(self, remembered: Remembered, advantages: Advantages, log: dict[str, float]) -> Tensor:
        """The loss [n]; figures go into `log`."""


class EpisodicReplay(LossTerm):
    """The losses of a rollout at the remembered decisions of finished episodes.

    Older policies made these decisions. Advantages go back from one to the one before by lambda min(1, pi / mu) (the
    traces of Espeholt et al. 2018, V-trace, arXiv 1802.01561), and the policy's ratio is clipped as in a rollout. The
    critic's target is not weighted by the event's own ratio; in V-trace it is.
    """

    def __init__(
        self,
        agent: MemoryAgent,
        capacity: int,
        batch: int,
        draws: Draws,
        bonuses: Sequence[EventBonus],
        terms: Sequence[EventTerm],
    ) -> None:
        """`capacity`: episodes kept. `batch`: episodes drawn in each epoch."""
        memory = agent.initial_state(1).memory
        if not agent.recalculation.keeps_observations:
            memory.observation = None
        self.agent, self.batch, self.draws = agent, batch, draws
        self.bonuses, self.terms = list(bonuses), list(terms)
        self.buffer = EpisodeBuffer(capacity, memory)

    def parameters(self) -> Iterable[nn.Parameter]:
        return [p for term in self.terms for p in term.parameters()]

    def begin_update(self, update: Update) -> None:
        if self.buffer.size > 0:
            self.draws.begin_update(self.buffer, self.agent.codec.version)

    def loss(self, update: Update, log: dict[str, float]) -> Tensor | None:
        if self.buffer.size == 0:
            return None
        episodes = self.buffer.sample(self.batch, update.generator, self.draws.shares())
        r = self.agent.replay_episodes(episodes)
        if len(r.value) == 0:
            return None
        remembered, o = Remembered(episodes, r, self.agent.heads.value_std), update.options
        value, ratio = r.value.detach(), (r.log_prob.detach() - r.old_log_prob).exp()
        next_value, trace = value_after(value, r.events.follow), trace_after(ratio, r.events.follow)
        bonus = torch.zeros_like(value)
        for paid in self.bonuses:
            bonus = bonus + paid.of_events(remembered, update)

        def advantage(lam: Tensor) -> Tensor:
            return relative_advantages(r.events, value, next_value, lam, bonus, update.average)

        by_trace, in_full = advantage(o.gae_lambda * trace), advantage(torch.ones_like(value))
        target = value + advantage(o.critic_lambda * trace)
        deviation = by_trace.square().mean().sqrt() + 1e-8
        advantages = Advantages(by_trace, in_full, deviation)
        log |= {
            "credit/events": float(len(value)),
            "credit/ratio": float(ratio.mean()),
            "credit/explained_variance": explained_variance(value, target),
            "credit/paid": float(bonus.abs().mean()),
        }
        loss = clipped_policy_loss(r.log_prob, r.old_log_prob, by_trace / deviation, o.clip_coef)
        loss = loss + o.vf_coef * (value_loss(r.value, target) / remembered.value_std.square())
        loss = loss + SCALE_COEF * scale_loss(r.log_scale, by_trace)
        for term in self.terms:
            loss = loss + term.loss(remembered, advantages, log)
        temperature = update.ent_coef * scale_of(r.log_scale.detach()) / deviation
        return (loss - temperature * entropy(r.logits)).mean()

    def episodes_ended(
        self, state: TensorStruct, index: Tensor, total: Tensor, length: Tensor, terminated: Tensor
    ) -> None:
        assert isinstance(state, MemoryAgentState)
        self.buffer.add(state.memory.take(index), total, length, terminated)

    def describe(self) -> str:
        size = bytes_per_slot(self.buffer.episodes.memory) * self.agent.options.slots * self.buffer.capacity
        return f"the slots of the last {self.buffer.capacity:,} finished episodes take up to {size / 1e6:.1f} MB"

    def state_dict(self) -> dict[str, Any]:
        return {"buffer": self.buffer.state_dict(), "terms": [term.state_dict() for term in self.terms]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.buffer.load_state_dict(state["buffer"])
        for term, values in zip(self.terms, state["terms"], strict=True):
            term.load_state_dict(values)


def value_after(value: Tensor, follow: Tensor) -> Tensor:
    """The value [n] of the event that follows. The last event of a truncated episode has its own value here: nothing is
    known of what followed but the time."""
    return torch.where(follow >= 0, value[follow.clamp(min=0)], value)


def trace_after(ratio: Tensor, follow: Tensor) -> Tensor:
    """min(1, pi / mu) [n] of the event that follows, 0 after an episode's last."""
    return torch.where(follow >= 0, ratio[follow.clamp(min=0)].clamp(max=1.0), 0.0)
