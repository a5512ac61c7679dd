"""The novelty bonus: paid for going to see what few of the last finished episodes have seen.

A fresh write is worth its surprise beyond the greatest one among the slots of its episode: an episode is paid for the
rarest thing that it saw, and nothing for collecting many.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reinstate.agents.chunk import Chunk
from reinstate.memory.episodes import Events, visible_then
from reinstate.memory.rarity import Rarity, beyond
from reinstate.memory.store import MemoryState
from reinstate.memory.timeline import EMPTY


def novelty(chunk: Chunk, rarity: Rarity) -> Tensor:
    """What the bonus is in proportion to, for the decisions [n] of a chunk."""
    worth = torch.zeros(len(chunk.novel))
    fresh = chunk.novel.nonzero()[:, 0]
    if len(fresh) == 0:
        return worth
    older = chunk.start.memory
    code = torch.cat([older.code_hash.flatten(), chunk.code[fresh]])
    version = torch.cat([older.version.flatten(), torch.full((len(fresh),), rarity.version)])
    table = rarity.surprise(code, version)
    rows = chunk.start.timeline.rows[fresh]  # [m, N]
    own = older.written.numel() + torch.arange(len(fresh))
    worth[fresh] = beyond(table[own], table[rows.clamp(min=0)], (rows != EMPTY) & (rows != own[:, None]))
    return worth


def novelty_of_events(events: Events, memory: MemoryState, rarity: Rarity) -> Tensor:
    """The same for the events [n] of episodes drawn from the ring."""
    slots = rarity.surprise(memory.code_hash, memory.version)[events.episode]
    own = torch.zeros_like(slots, dtype=torch.bool).scatter_(1, events.slot[:, None], True)
    return beyond(slots[own], slots, visible_then(memory, events) & ~own)
