"""A bounded ring of distinct frames, and the hash that tells frames and codes apart.

The ring is what the codec trains on: sampled uniformly, a frame seen once weighs as much as one seen a million
times, so that rare cues decode. It is the only place where a frame outlives a chunk; recalculation never reads it.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import Tensor

_MIX = np.int64(0x9E3779B97F4A7C15 - 2**64)  # 2^64 / golden ratio, as in splitmix64


def hash_rows(rows: Tensor) -> Tensor:
    """64-bit hashes [n] of rows [n, ...] of any dtype, by their bytes: equal rows, equal hashes."""
    raw = rows.flatten(1).contiguous().view(torch.uint8)
    if raw.shape[1] % 8 > 0:
        raw = torch.nn.functional.pad(raw, (0, -raw.shape[1] % 8))
    return torch.from_numpy(_hash_words(raw.view(torch.int64).numpy()))


@njit(cache=True)
def _hash_words(words: np.ndarray) -> np.ndarray:
    """Hashes [n] of words [n, W]; all sums and products wrap modulo 2^64."""
    hashes = np.zeros(words.shape[0], np.int64)
    for row in range(words.shape[0]):
        for w in range(words.shape[1]):
            key = (np.int64(w + 1) * _MIX) | np.int64(1)
            mixed = (words[row, w] ^ key) * _MIX
            mixed = (mixed ^ (mixed >> np.int64(29))) * key
            hashes[row] += mixed ^ (mixed >> np.int64(32))
    return hashes


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
