"""The novelty bonus: a reward for seeing what few of the last finished episodes have seen.

A new write is paid the amount by which its surprise exceeds the greatest surprise among the episode's slots. So an
episode is paid for the rarest thing that it saw, and collecting many things earns nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reinstate.agents.extensions.episodic_replay import EventBonus, Remembered
from reinstate.agents.extensions.rarity import Rarity, RarityDraws, beyond
from reinstate.agents.interface import Update
from reinstate.agents.memory_agent import MemoryRecord
from reinstate.agents.rollout import Rollout
from reinstate.memory.episodes import Events, visible_then
from reinstate.memory.slots import MemoryState
from reinstate.memory.visibility import EMPTY


class NoveltyBonus(EventBonus):
    """Reward for surprise; the coefficient falls to 0 over the run."""

    def __init__(self, coef: float, draws: RarityDraws) -> None:
        """`coef`: reward units for a nat of surprise. `draws` has counted the codes."""
        self.coef, self.draws = coef, draws

    def of_rollout(self, update: Update) -> Tensor:
        rarity, coef = self.draws.rarity, self.coef * (1 - update.progress)
        if rarity is None or coef <= 0:
            return torch.zeros_like(update.rollout.decision.value)
        return coef * surprise_in_rollout(update.rollout, rarity)

    def of_events(self, remembered: Remembered, update: Update) -> Tensor:
        rarity, coef = self.draws.rarity, self.coef * (1 - update.progress)
        if rarity is None or coef <= 0:
            return torch.zeros_like(remembered.replay.value)
        return coef * surprise_of_events(remembered.replay.events, remembered.episodes.memory, rarity)


def surprise_in_rollout(rollout: Rollout, rarity: Rarity) -> Tensor:
    """Surprise beyond that of the episode so far, in nats, of the decisions [n] of a rollout; 0 without a write."""
    record, decision = rollout.record, rollout.decision
    assert isinstance(record, MemoryRecord)
    surprise = torch.zeros(len(decision.wrote))
    fresh = decision.wrote.nonzero()[:, 0]
    if len(fresh) == 0:
        return surprise
    older = record.memory
    code = torch.cat([older.code_hash.flatten(), decision.code[fresh]])
    version = torch.cat([older.version.flatten(), torch.full((len(fresh),), rarity.version)])
    table = rarity.surprise(code, version)
    rows = record.visibility.rows[fresh]  # [m, N]
    own = older.written.numel() + torch.arange(len(fresh))
    surprise[fresh] = beyond(table[own], table[rows.clamp(min=0)], (rows != EMPTY) & (rows != own[:, None]))
    return surprise


def surprise_of_events(events: Events, memory: MemoryState, rarity: Rarity) -> Tensor:
    """The same for the events [n] of finished episodes."""
    slots = rarity.surprise(memory.code_hash, memory.version)[events.episode]
    own = torch.zeros_like(slots, dtype=torch.bool).scatter_(1, events.slot[:, None], True)
    return beyond(slots[own], slots, visible_then(memory, events) & ~own)
