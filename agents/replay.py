"""Running a chunk's decisions again under today's parameters: what an agent gives the losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reinstate.agents.chunk import Chunk


@dataclass
class Replay:
    """Policy and critic at n decisions of a chunk, on the graph."""

    picked: Tensor  # [n] int64: which decisions
    logits: Tensor  # [n, A]
    value: Tensor  # [n]
    log_scale: Tensor  # [n]
    remembered: Tensor | None = None  # [B, N, D] leaves: older slots, whose .grad recalculation takes up


@dataclass
class EventReplay:
    """Policy and critic at n remembered decisions of M episodes, on the graph; `old_log_prob` is of the policy that
    acted."""

    log_prob: Tensor  # [n]
    old_log_prob: Tensor  # [n]
    logits: Tensor  # [n, A]
    value: Tensor  # [n]
    log_scale: Tensor  # [n]
    slots: Tensor  # [M, N, D] embeddings that were read
    visible: Tensor  # [n, N] bool: those that each decision could read
    weight: Tensor  # [n, N] of its read, mean over heads


def pick(chunk: Chunk, most: int, generator: torch.Generator) -> Tensor:
    """The complete decisions [n] of a chunk, ascending: all, or `most` of them at random."""
    complete = chunk.complete.nonzero()[:, 0]
    if len(complete) <= most:
        return complete
    chosen = torch.randperm(len(complete), generator=generator)[:most]
    return complete[chosen.sort().values]
