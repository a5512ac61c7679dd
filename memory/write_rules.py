"""When a step is written to memory: one pure function for each rule, each returns a mask [n]."""

import torch
from torch import Tensor


def is_novel(code_hash: Tensor, stored_hash: Tensor, written: Tensor) -> Tensor:
    """True where this code is not in the episode's memory yet.

    Args:
        code_hash: [n] int64, hashes of the current codes.
        stored_hash: [n, N] int64, hashes of the slots' codes.
        written: [n, N] bool.
    """
    return ~((stored_hash == code_hash[:, None]) & written).any(dim=1)


def is_due(time: Tensor, every: int) -> Tensor:
    """True on steps 0, every, 2*every, ... of the episode [n]."""
    return time % every == 0


def should_write(
    rule: str, code_hash: Tensor, stored_hash: Tensor, written: Tensor, time: Tensor, every: int
) -> Tensor:
    """The mask [n] of the rule named `rule`: novel, always or every_k."""
    if rule == "novel":
        return is_novel(code_hash, stored_hash, written)
    if rule == "always":
        return torch.ones_like(code_hash, dtype=torch.bool)
    if rule == "every_k":
        return is_due(time, every)
    raise ValueError(f"the write rule is 'novel', 'always' or 'every_k', not {rule!r}")
