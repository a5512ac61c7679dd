"""Which slots each decision of a rollout could read.

The slots that a rollout's decisions can read are rows of one table: rows 0 .. B * N - 1 are the slots as they stood
before the rollout, place by place; then comes a row for each write of the rollout, in the order of writing (by step,
then by environment). `Visibility` records which row every place of the store held at every decision, after its step's
write: writing comes before reading in the same step, and a new episode empties all places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

EMPTY = -1


@dataclass
class Visibility:
    """What every place of the store held during one rollout."""

    now: Tensor  # [B, N] int64: row of the table, EMPTY for nothing, at the current step
    next_row: int  # the row that the next write takes
    reads: list[Tensor]  # [n, N] each: the same, for the decisions so far

    @classmethod
    def begin(cls, occupied: Tensor) -> Visibility:
        """At the start of a rollout, from the store's `written` [B, N]."""
        older = torch.arange(occupied.numel(), device=occupied.device).view_as(occupied)
        now = torch.where(occupied, older, EMPTY)
        return cls(now, now.numel(), [])

    def record_reset(self, index: Tensor) -> None:
        """Environments `index` [n] begin an episode: nothing older is visible from now on."""
        self.now[index] = EMPTY

    def record_write(self, index: Tensor, slot: Tensor) -> None:
        """Environments `index` [n], ascending, write the places `slot` [n]; what was there is gone."""
        rows = self.next_row + torch.arange(len(index), device=index.device)
        self.now[index, slot] = rows
        self.next_row += len(index)

    def record_read(self, index: Tensor) -> None:
        """Environments `index` [n] read what is there now, and decide."""
        self.reads.append(self.now[index])

    @property
    def rows(self) -> Tensor:
        """[n, N] of all decisions so far."""
        return torch.cat(self.reads)

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"now": self.now, "next_row": self.next_row, "reads": list(self.reads)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        self.now, self.next_row, self.reads = state["now"].clone(), state["next_row"], list(state["reads"])
