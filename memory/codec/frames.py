"""A bounded buffer of distinct frames: what the codec trains on.

Sampled uniformly, a frame seen once weighs as much as one seen a million times, so that rare cues decode. It is the
only place where a frame outlives a rollout; recalculation never reads it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from reinstate.memory.tensors import hash_rows


class FrameBuffer:
    """At most `capacity` distinct frames; the oldest is overwritten first."""

    def __init__(self, capacity: int, example: Tensor) -> None:
        self.frames = torch.zeros(capacity, *example.shape, dtype=example.dtype, device=example.device)
        self.hashes = torch.zeros(capacity, dtype=torch.int64, device=example.device)
        self.size = 0
        self.next = 0

    def add(self, frames: Tensor) -> int:
        """Adds those of `frames` [n, ...] that are not in the buffer yet; returns how many."""
        capacity = len(self.frames)
        hashes = hash_rows(frames)
        unique, inverse = torch.unique(hashes, return_inverse=True)
        order = torch.arange(len(hashes), device=hashes.device).flip(0)
        first = torch.empty_like(unique).scatter_(0, inverse.flip(0), order)  # last write wins: the first row
        first = first[~torch.isin(unique, self.hashes[: self.size])].sort().values[:capacity]
        place = (self.next + torch.arange(len(first), device=first.device)) % capacity
        self.frames.index_copy_(0, place, frames.index_select(0, first))
        self.hashes[place] = hashes[first]
        self.next = int((self.next + len(first)) % capacity)
        self.size = min(self.size + len(first), capacity)
        return len(first)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` frames drawn uniformly, with replacement."""
        index = torch.randint(self.size, (count,), generator=generator)
        return self.frames.index_select(0, index.to(self.frames.device))

    def state_dict(self) -> dict[str, Any]:
        """Plain values; only the part of the buffer that is filled."""
        filled = slice(0, self.size)
        return {"frames": self.frames[filled].clone(), "hashes": self.hashes[filled].clone(), "next": self.next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        self.size, self.next = len(state["hashes"]), state["next"]
        self.frames[: self.size], self.hashes[: self.size] = state["frames"], state["hashes"]
