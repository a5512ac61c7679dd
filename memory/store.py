"""The slots of B environments as plain tensors.

Letters: B environments, N slots, D embedding width, C bytes of a code.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numba import njit
from torch import Tensor


@dataclass
class MemoryState:
    """Everything the memory keeps between steps. A value: passed in and out, cloned when a copy is needed."""

    embedding: Tensor  # [B, N, D] float32
    code: Tensor  # [B, N, C] uint8: the packed bits that reinstate the observation
    code_hash: Tensor  # [B, N] int64
    version: Tensor  # [B, N] int32: the codec version that wrote the code
    fidelity: Tensor  # [B, N] float32: share of the observation that decoded correctly when it was written
    step: Tensor  # [B, N] int32: the episode's step at which it was written
    read_weight: Tensor  # [B, N] float32: attention received so far, summed over reads
    written: Tensor  # [B, N] bool: is there anything in this slot?
    # What was decided there, and before it: enough to learn from the decision again once the episode is over.
    action: Tensor  # [B, N] int16
    log_prob: Tensor  # [B, N] float32
    prev_action: Tensor  # [B, N] int16, -1 on a first step
    prev_reward: Tensor  # [B, N] float32
    paid: Tensor  # [B, N] float32: the episode's rewards before it
    earned: Tensor  # [B, N] float32: the rewards from there to the next write, NaN while that is to come
    observation: Tensor | None = None  # [B, N, ...]: true observations, for the oracle and for looking at them

    def clone(self) -> MemoryState:
        """A copy that shares no storage."""
        return MemoryState(**{f.name: _clone(getattr(self, f.name)) for f in fields(self)})

    def rows(self, index: Tensor) -> MemoryState:
        """A copy of the environments `index` [n]."""
        picked = {f.name: getattr(self, f.name) for f in fields(self)}
        return MemoryState(**{k: None if v is None else v[index] for k, v in picked.items()})


def _clone(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.clone()


def empty(
    num_envs: int,
    num_slots: int,
    width: int,
    code_bytes: int,
    observation: Tensor | None = None,
    fill: float = 0.0,
) -> MemoryState:
    """An empty memory.

    Args:
        observation: one observation whose shape and dtype the oracle's copies take; None keeps none.
        fill: what unwritten embeddings hold; tests pass NaN, so that reading one is loud.
    """
    shape = (num_envs, num_slots)

    def zeros(*tail: int, dtype: torch.dtype) -> Tensor:
        return torch.zeros(*shape, *tail, dtype=dtype)

    kept = None if observation is None else zeros(*observation.shape, dtype=observation.dtype)
    return MemoryState(
        embedding=torch.full((*shape, width), fill),
        code=zeros(code_bytes, dtype=torch.uint8),
        code_hash=zeros(dtype=torch.int64),
        version=zeros(dtype=torch.int32),
        fidelity=zeros(dtype=torch.float32),
        step=zeros(dtype=torch.int32),
        read_weight=zeros(dtype=torch.float32),
        written=zeros(dtype=torch.bool),
        action=zeros(dtype=torch.int16),
        log_prob=zeros(dtype=torch.float32),
        prev_action=zeros(dtype=torch.int16),
        prev_reward=zeros(dtype=torch.float32),
        paid=zeros(dtype=torch.float32),
        earned=zeros(dtype=torch.float32),
        observation=kept,
    )


def clear(state: MemoryState, index: Tensor) -> None:
    """Empties the memory of environments `index` [n]: their episode begins."""
    state.written[index] = False
    state.read_weight[index] = 0.0


def slot_to_write(state: MemoryState, index: Tensor, time: Tensor, eviction: str) -> Tensor:
    """The slot that the next write takes in each environment of `index` [n]: a free one, else the evicted one.

    `fifo` evicts the oldest slot, `least_read` the one that received the least attention (counted at
    decisions) per step of its life, `similar` the one whose embedding lies nearest to that of an older one; `time` [n]
    is the episode's step.
    """
    written = state.written[index]  # [n, N]
    step = state.step[index]
    if eviction == "fifo":
        rank = step.float()
    elif eviction == "least_read":
        age = (time[:, None] - step).clamp(min=1)
        rank = state.read_weight[index] / age
    elif eviction == "similar":
        rank, full = torch.zeros(step.shape), written.all(dim=1)
        rank[full] = distance_to_older(state.embedding[index[full]], step[full])
    else:
        raise ValueError(f"eviction is 'fifo', 'least_read' or 'similar', not {eviction!r}")
    return torch.where(written, rank, -1.0).argmin(dim=1)  # free slots rank before every written one


def distance_to_older(embedding: Tensor, step: Tensor) -> Tensor:
    """Squared distance [n, N] of each embedding [n, N, D] to the nearest one that was written before it, at steps
    [n, N]; infinite for the oldest."""
    return torch.from_numpy(_distance_to_older(embedding.numpy(), step.numpy()))


@njit(cache=True, fastmath={"contract", "reassoc"})  # sums in any order; infinity stays infinity
def _distance_to_older(embedding: np.ndarray, step: np.ndarray) -> np.ndarray:
    episodes, slots, width = embedding.shape
    nearest = np.full((episodes, slots), np.inf, np.float32)
    for b in range(episodes):
        for i in range(slots):
            for j in range(slots):
                if step[b, j] < step[b, i]:
                    square = np.float32(0.0)
                    for d in range(width):
                        difference = embedding[b, i, d] - embedding[b, j, d]
                        square += difference * difference
                    nearest[b, i] = min(nearest[b, i], square)
    return nearest


def write(state: MemoryState, index: Tensor, slot: Tensor, **values: Tensor | int) -> None:
    """Writes one slot in each environment of `index` [n], in place. `values` are fields of the state, [n, ...] each."""
    fill(state, index, slot, read_weight=0, written=True, earned=torch.nan, **values)


def settle(state: MemoryState, index: Tensor, paid: Tensor) -> None:
    """Fills in what the last slot of environments `index` [n] has earned: their episodes have paid `paid` [n] by now,
    and either write again or are over."""
    earned = state.earned[index]
    state.earned[index] = torch.where(earned.isnan(), paid[:, None] - state.paid[index], earned)


def fill(state: MemoryState, index: Tensor, slot: Tensor, **values: Tensor | float) -> None:
    """Sets fields, [n, ...] each, of the places `slot` [n] in environments `index` [n]."""
    for name, value in values.items():
        kept = getattr(state, name)
        kept[index, slot] = value.to(kept.dtype) if isinstance(value, Tensor) else value


def bytes_per_slot(state: MemoryState) -> int:
    """Bytes that one slot takes, all its fields counted."""
    tensors = (getattr(state, f.name) for f in fields(state))
    return sum(t[0, 0].numel() * t.element_size() for t in tensors if t is not None)
