"""Figures about a memory, for the log."""

from __future__ import annotations

import torch
from torch import Tensor

from reinstate.memory.slots import MemoryState, bytes_per_slot


def describe(memory: MemoryState, attention: Tensor, time: Tensor) -> dict[str, float]:
    """Slots used, entropy of the reads in nats, mean age of what was read in steps, bytes.

    Args:
        attention: [B, N] weights of the last reads, mean over heads; the null slot has the rest.
        time: [B] steps of the episodes so far.
    """
    weights = torch.where(memory.written, attention, 0.0)
    total = weights.sum(dim=1)
    age = (time[:, None] - memory.step).clamp(min=0).float()  # a memory is cleared at the first decision after a reset
    return {
        "memory/slots_used": float(memory.written.sum(dim=1).float().mean()),
        "memory/read_entropy": float(-(weights * (weights + 1e-12).log()).sum(dim=1).mean()),
        "memory/read_age": float(((weights * age).sum(dim=1) / total.clamp(min=1e-12)).mean()),
        "memory/null_weight": float((1 - total).mean()),
        "memory/bytes_per_slot": float(bytes_per_slot(memory)),
    }
