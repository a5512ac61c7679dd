"""A bounded ring of distinct frames, and the hash that tells frames and codes apart.

The ring is what the codec trains on: sampled uniformly, a frame seen once weighs as much as one seen a million
times, so that rare cues decode. It is the only place where a frame outlives a chunk; recalculation never reads it.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MIX = torch.tensor(0x9E3779B97F4A7C15 - 2**64, dtype=torch.int64)  # 2^64 / golden ratio, as in splitmix64
HASHED_AT_ONCE = 65536  # words: 4,096 images of 56x56x3 take 40 ms so, and 300 ms where temporaries leave the cache


def hash_rows(rows: Tensor) -> Tensor:
    """64-bit hashes [n] of rows [n, ...] of any dtype, by their bytes: equal rows, equal hashes."""
    raw = rows.flatten(1).contiguous().view(torch.uint8)
    if raw.shape[1] % 8 > 0:
        raw = torch.nn.functional.pad(raw, (0, -raw.shape[1] % 8))
    words = raw.view(torch.int64)  # [n, W]
    keys = (torch.arange(1, words.shape[1] + 1, device=rows.device) * _MIX) | 1  # wraps modulo 2^64
    return torch.cat([_mix(part, keys) for part in words.split(max(1, HASHED_AT_ONCE // max(1, words.shape[1])))])


def _mix(words: Tensor, keys: Tensor) -> Tensor:
    mixed = words ^ keys
    mixed *= _MIX
    mixed ^= mixed >> 29
    mixed *= keys
    mixed ^= mixed >> 32
    return mixed.sum(dim=1)


class FrameRing:
    """At most `capacity` distinct frames; the oldest is overwritten first."""

    def __init__(self, capacity: int, example: Tensor) -> None:
        self.frames = torch.zeros(capacity, *example.shape, dtype=example.dtype, device=example.device)
        self.hashes = torch.zeros(capacity, dtype=torch.int64, device=example.device)
        self.size = 0
        self.next = 0

    def add(self, frames: Tensor) -> int:
        """Adds those of `frames` [n, ...] that are not in the ring yet; returns how many."""
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
