"""When a step is written to memory: one pure function for each rule, each returns a mask [n]."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def novel(code_hash: Tensor, stored_hash: Tensor, written: Tensor) -> Tensor:
    """True where this code is not in the episode's memory yet.

    Args:
        code_hash: [n] int64, hashes of the current codes.
        stored_hash: [n, N] int64, hashes of the slots' codes.
        written: [n, N] bool.
    """
    return ~((stored_hash == code_hash[:, None]) & written).any(dim=1)


def always(code_hash: Tensor, stored_hash: Tensor, written: Tensor) -> Tensor:
    """True at every step."""
    return torch.ones_like(code_hash, dtype=torch.bool)


WRITE_RULES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"novel": novel, "always": always}
CHANGES_ONLY = ("novel",)  # rules that write nothing while the observation stays the same
