"""Which slots each step of a chunk could read.

A slot of the chunk's table is visible at step t of the chunk iff written <= t < evicted (writing comes before
reading in the same step). Rows 0..N-1 are the slots as they stood before the chunk; row N + t is the slot that
step t wrote, if it wrote one. A new episode evicts all that was there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = 2**30


def visible_at(written: Tensor, evicted: Tensor, t: Tensor) -> Tensor:
    """Mask [B, P, R] of the rows that are visible at steps `t` [B, P].

    Args:
        written, evicted: [B, R], in steps of the chunk; written is NEVER for a row that holds nothing.
    """
    return (written[:, None, :] <= t[..., None]) & (t[..., None] < evicted[:, None, :])


@dataclass
class Timeline:
    """The life of every slot during one chunk of T steps."""

    written: Tensor  # [B, N + T] int64: step of the chunk, -1 before it, NEVER for nothing
    evicted: Tensor  # [B, N + T] int64
    place: Tensor  # [B, N + T] int64: the place in the store that the row's slot took
    row_of_slot: Tensor  # [B, N] int64: the row that a store's slot holds now
    num_slots: int

    @classmethod
    def begin(cls, occupied: Tensor, steps: int) -> Timeline:
        """At the start of a chunk, from the store's `written` [B, N]."""
        B, N = occupied.shape
        written = torch.full((B, N + steps), NEVER, device=occupied.device)
        written[:, :N] = torch.where(occupied, -1, NEVER)
        rows = torch.arange(N, device=occupied.device).expand(B, N).clone()
        place = torch.zeros_like(written)
        place[:, :N] = rows
        return cls(written, torch.full_like(written, NEVER), place, rows, N)

    def visible(self, t: Tensor) -> Tensor:
        """Mask [B, P, N + T] of the rows that are visible at steps `t` [B, P] of the chunk."""
        return visible_at(self.written, self.evicted, t)

    def record_reset(self, t: int, index: Tensor) -> None:
        """The episodes of environments `index` [n] begin at step t: nothing older is visible from then on."""
        self.evicted[index] = self.evicted[index].clamp(max=t)

    def record_write(self, t: int, index: Tensor, slot: Tensor, was_written: Tensor) -> None:
        """Environments `index` [n] wrote `slot` [n] at step t; `was_written` [n] says that it held something."""
        old = self.row_of_slot[index, slot]
        self.evicted[index[was_written], old[was_written]] = t
        self.written[index, self.num_slots + t] = t
        self.evicted[index, self.num_slots + t] = NEVER
        self.place[index, self.num_slots + t] = slot
        self.row_of_slot[index, slot] = self.num_slots + t
