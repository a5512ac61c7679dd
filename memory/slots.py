"""The slots of B environments as plain tensors: write, evict, count bytes.

Letters: B environments, N slots, D embedding width, C bytes of a code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from reinstate.compiled import njit
from reinstate.memory.tensors import TensorStruct


@dataclass
class MemoryState(TensorStruct):
    """Everything the memory keeps between steps. A value: passed in and out, cloned when a copy is needed."""

    embedding: Tensor  # [B, N, D] float32
    code: Tensor  # [B, N, C] uint8: the packed bits that reinstate the observation
    code_hash: Tensor  # [B, N] int64
    version: Tensor  # [B, N] int32: the codec version that wrote the code
    fidelity: Tensor  # [B, N] float32: share of the observation that decoded correctly when it was written
    step: Tensor  # [B, N] int32: the episode's step at which it was written
    written: Tensor  # [B, N] bool: the slot holds something
    # The decision made there, and what came before it: enough to learn from it again when the episode has ended.
    action: Tensor  # [B, N] int16
    log_prob: Tensor  # [B, N] float32
    prev_action: Tensor  # [B, N] int16, -1 on a first step
    prev_reward: Tensor  # [B, N] float32
    paid: Tensor  # [B, N] float32: the episode's rewards before the slot was written
    earned: Tensor  # [B, N] float32: the rewards from there to the next write; NaN while the slot is open
    observation: Tensor | None = None  # [B, N, ...]: true observations, kept for the oracle and for inspection only


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
        observation: one observation whose shape and dtype the true observations have; None keeps none.
        fill: what unwritten embeddings hold; tests pass NaN, which shows when one is read.
    """
    shape = (num_envs, num_slots)

    def zeros(*tail: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(*shape, *tail, dtype=dtype)

    return MemoryState(
        embedding=torch.full((*shape, width), fill),
        code=zeros(code_bytes, dtype=torch.uint8),
        code_hash=zeros(dtype=torch.int64),
        version=zeros(dtype=torch.int32),
        fidelity=zeros(),
        step=zeros(dtype=torch.int32),
        written=zeros(dtype=torch.bool),
        action=zeros(dtype=torch.int16),
        log_prob=zeros(),
        prev_action=zeros(dtype=torch.int16),
        prev_reward=zeros(),
        paid=zeros(),
        earned=zeros(),
        observation=None if observation is None else zeros(*observation.shape, dtype=observation.dtype),
    )


def clear(state: MemoryState, index: Tensor) -> None:
    """Empties the memory of environments `index` [n]: a new episode begins there."""
    state.written[index] = False


def write(state: MemoryState, index: Tensor, slot: Tensor, **values: Tensor | int) -> None:
    """Writes one slot in each environment of `index` [n], in place. `values` are fields of the state, [n, ...] each."""
    fill(state, index, slot, written=True, earned=torch.nan, **values)


def close(state: MemoryState, index: Tensor, paid: Tensor) -> None:
    """Closes the open slot of environments `index` [n], which write again or have ended.

    Sets `earned` = return so far, `paid` [n], minus the return when the slot was written.
    """
    earned = state.earned[index]
    state.earned[index] = torch.where(earned.isnan(), paid[:, None] - state.paid[index], earned)


def fill(state: MemoryState, index: Tensor, slot: Tensor, **values: Tensor | float) -> None:
    """Sets fields, [n, ...] each, of the slots `slot` [n] in environments `index` [n]."""
    for name, value in values.items():
        kept = getattr(state, name)
        kept[index, slot] = value.to(kept.dtype) if isinstance(value, Tensor) else value


def bytes_per_slot(state: MemoryState) -> int:
    """Bytes that one slot takes, all its fields counted."""
    tensors = (getattr(state, f.name) for f in fields(state))
    return sum(t[0, 0].numel() * t.element_size() for t in tensors if t is not None)


def slot_to_write(state: MemoryState, index: Tensor, eviction: str) -> Tensor:
    """The slot [n] that the next write takes in each environment of `index` [n]: a free one, else the evicted one.

    Free slots come first, in order; then the slot with the lowest rank (`EVICTION`).
    """
    written = state.written[index]  # [n, N]
    rank = EVICTION[eviction](state, index)
    return torch.where(written, rank, -1.0).argmin(dim=1)


def oldest_first(state: MemoryState, index: Tensor) -> Tensor:
    """Rank [n, N]: the step at which the slot was written."""
    return state.step[index].float()


def most_similar_first(state: MemoryState, index: Tensor) -> Tensor:
    """Rank [n, N]: the squared distance of the slot's embedding to the nearest one that was written before it.

    Ranks matter only where all slots are taken; they are 0 elsewhere.
    """
    step, full = state.step[index], state.written[index].all(dim=1)
    rank = torch.zeros(step.shape)
    rank[full] = distance_to_older(state.embedding[index[full]], step[full])
    return rank


EVICTION: dict[str, Callable[[MemoryState, Tensor], Tensor]] = {"fifo": oldest_first, "similar": most_similar_first}


def distance_to_older(embedding: Tensor, step: Tensor) -> Tensor:
    """Squared distance [n, N] of each embedding [n, N, D] to the nearest one that was written before it, at steps
    [n, N]; infinite for the oldest."""
    return torch.from_numpy(_distance_to_older(embedding.numpy(), step.numpy()))


@njit(cache=True, fastmath={"contract", "reassoc"})  # sums in any order; infinity is kept
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
