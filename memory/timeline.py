"""Which slots each step of a chunk could read.

The slots that a chunk's steps can read are rows of one table: rows 0 .. B * N - 1 are the slots as they stood before
the chunk, place by place; then comes a row for each write of the chunk, in the order of writing (by step, then by
environment). The timeline records which row every place of the store held at every step, after the step's write:
writing comes before reading in the same step, and a new episode empties all places.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EMPTY = -1


@dataclass
class Timeline:
    """What every place of the store held during one chunk of T steps."""

    rows: Tensor  # [T, B, N] int64: row of the table, EMPTY for nothing
    now: Tensor  # [B, N] int64: the same, at the step under way
    next_row: int  # the row that the next write takes

    @classmethod
    def begin(cls, occupied: Tensor, steps: int) -> Timeline:
        """At the start of a chunk, from the store's `written` [B, N]."""
        older = torch.arange(occupied.numel(), device=occupied.device).view_as(occupied)
        now = torch.where(occupied, older, EMPTY)
        return cls(torch.full((steps, *now.shape), EMPTY, device=now.device), now, now.numel())

    def record_reset(self, index: Tensor) -> None:
        """The episodes of environments `index` [n] begin: nothing older is visible from now on."""
        self.now[index] = EMPTY

    def record_write(self, index: Tensor, slot: Tensor) -> None:
        """Environments `index` [n], ascending, write the places `slot` [n]; what was there is gone."""
        rows = self.next_row + torch.arange(len(index), device=index.device)
        self.now[index, slot] = rows
        self.next_row += len(index)

    def end_step(self, t: int) -> None:
        """Step t of the chunk reads what is there now."""
        self.rows[t] = self.now
