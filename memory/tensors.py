"""Bundles of tensors, and rows of tensors: hashed, grouped where they are equal, taken.

Letters: n rows, U unique ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from reinstate.compiled import njit

_MIX = np.int64(0x9E3779B97F4A7C15 - 2**64)  # 2^64 / golden ratio, as in splitmix64


class TensorStruct:
    """Base of dataclasses whose fields are tensors with the same leading axis, or such dataclasses, or None.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Point(TensorStruct):
    ...     x: Tensor  # [n]
    ...     y: Tensor  # [n]
    >>> points = Point(torch.arange(3), torch.zeros(3))
    >>> points.take(torch.tensor([2, 0])).x
    tensor([2, 0])
    >>> Point.cat([points, points]).y.shape
    torch.Size([6])
    """

    def map(self, f: Callable[[Tensor], Tensor]) -> Self:
        """The same bundle with `f` applied to every tensor."""

        def apply(value: Any) -> Any:
            if value is None:
                return None
            return value.map(f) if isinstance(value, TensorStruct) else f(value)

        return type(self)(**{name: apply(value) for name, value in self._items()})

    def take(self, index: Tensor) -> Self:
        """The rows `index`, numbers [m] or a mask [n], as a copy."""
        return self.map(lambda t: take(t, index))

    def clone(self) -> Self:
        """A copy that shares no storage."""
        return self.map(torch.clone)

    def to(self, device: torch.device | str) -> Self:
        """The bundle on `device`."""
        return self.map(lambda t: t.to(device))

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, one after the other."""
        joined: dict[str, Any] = {}
        for name, first in parts[0]._items():
            values = [getattr(part, name) for part in parts]
            if first is None:
                joined[name] = None
            elif isinstance(first, TensorStruct):
                joined[name] = type(first).cat(values)
            else:
                joined[name] = torch.cat(values)
        return cls(**joined)

    def state_dict(self) -> dict[str, Any]:
        """Field names and tensors; fields that are None are left out."""
        return {
            name: value.state_dict() if isinstance(value, TensorStruct) else value
            for name, value in self._items()
            if value is not None
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        for name, value in self._items():
            if isinstance(value, TensorStruct):
                value.load_state_dict(state[name])
            else:
                setattr(self, name, state[name].clone() if name in state else None)

    def _items(self) -> list[tuple[str, Any]]:
        return [(f.name, getattr(self, f.name)) for f in fields(self)]  # type: ignore[arg-type]


def take(rows: Tensor, which: Tensor) -> Tensor:
    """rows[which] for numbers [m] or a mask [n]: ten times as fast as `rows[which]` on rows of bytes."""
    return rows.index_select(0, which.nonzero()[:, 0] if which.dtype == torch.bool else which)


def unique_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The unique rows [U, ...] among `rows` [n, ...], and which of them each row is [n]."""
    return unique_by(rows, hash_rows(rows))


def unique_by(rows: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """One of `rows` [n, ...] for each unique key [U, ...], and the number of each row's key [n]; keys [n] int64."""
    unique, inverse = torch.unique(keys, return_inverse=True)
    index = torch.arange(len(keys), device=keys.device)
    representative = torch.empty_like(unique).scatter_(0, inverse, index)  # any row of that key will do
    return take(rows, representative), inverse


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
