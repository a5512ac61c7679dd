"""The novelty bonus: paid for going to see what few of the last finished episodes have seen.

A fresh write is worth its surprise beyond the greatest one among the slots of its episode: an episode is paid for the
rarest thing that it saw, and nothing for collecting many.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agents.chunk import Chunk
from memory.episodes import EpisodeRing, Events, beyond, surprise, visible_then
from memory.store import MemoryState
from memory.timeline import EMPTY


def novelty(chunk: Chunk, agent: Any, ring: EpisodeRing | None) -> Tensor:
    """What the bonus is in proportion to, for the decisions [n] of a chunk; 0 without a ring."""
    worth = torch.zeros(len(chunk.novel))
    fresh = chunk.novel.nonzero()[:, 0]
    if ring is None or ring.size == 0 or len(fresh) == 0:
        return worth
    older = chunk.start.memory
    code = torch.cat([older.code_hash.flatten(), chunk.code[fresh]])
    version = torch.cat([older.version.flatten(), torch.full((len(fresh),), agent.codec.version)])
    table = surprise(code, version, agent.codec.version, ring)
    rows = chunk.start.timeline.rows[fresh]  # [m, N]
    own = older.written.numel() + torch.arange(len(fresh))
    worth[fresh] = beyond(table[own], table[rows.clamp(min=0)], (rows != EMPTY) & (rows != own[:, None]))
    return worth


def novelty_of_events(events: Events, memory: MemoryState, agent: Any, ring: EpisodeRing) -> Tensor:
    """The same for the events [n] of episodes drawn from the ring."""
    slots = surprise(memory.code_hash, memory.version, agent.codec.version, ring)[events.episode]
    own = torch.zeros_like(slots, dtype=torch.bool).scatter_(1, events.slot[:, None], True)
    return beyond(slots[own], slots, visible_then(memory, events) & ~own)
