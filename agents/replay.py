"""Running a chunk again under today's parameters: what an agent gives the losses.

Letters: B environments, T steps of a chunk, n states, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.chunk import Chunk


@dataclass
class Replay:
    """Policy and critic at the steps of a chunk, on the graph."""

    logits: Tensor  # [T, B, A]
    value: Tensor  # [T, B]
    log_scale: Tensor  # [T, B]
    weight: Tensor  # [T, B], sums to 1; 0 where a step was left out
    remembered: Tensor | None = None  # [B, N, D] leaves: older slots, whose .grad recalculation takes up


def all_steps(chunk: Chunk, logits: Tensor, value: Tensor, log_scale: Tensor) -> Replay:
    """A replay of every step, from flat logits [T * B, A] and values [T * B]."""
    weight = torch.full(chunk.reward.shape, 1 / chunk.reward.numel())
    T, B = weight.shape
    return Replay(logits.view(T, B, -1), value.view(T, B), log_scale.view(T, B), weight)


def pick_states(changed: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Flat indices t * B + b [n] of the steps at which environments were in a new state: all, or `most` at random.

    Args:
        changed: [T, B] bool.
    """
    states = changed.flatten().nonzero()[:, 0]
    if len(states) <= most:
        return states
    chosen = torch.randperm(len(states), generator=generator)[:most]
    return states[chosen.sort().values]


def spread(changed: Tensor, picked: Tensor, *outcomes: Tensor) -> tuple[Tensor, ...]:
    """Gives every step the outcome of the state it was in: that of the last step at which something changed.

    Args:
        changed: [T, B] bool, true throughout the first step.
        picked: [n] flat indices t * B + b of the steps whose outcome was computed.
        outcomes: tensors [n, ...].

    Returns:
        Each outcome as [T, B, ...], and the weight [T, B], equal over all steps whose state was picked.
    """
    T, B = changed.shape
    times = torch.arange(T)[:, None]
    since = torch.where(changed, times, 0).cummax(dim=0).values  # [T, B] step that set the state
    order = torch.full((T * B,), -1).index_put((picked,), torch.arange(len(picked)))
    order = order[since * B + torch.arange(B)]  # [T, B] row of the outcome, -1 where the state was left out
    weight = (order >= 0).float()
    rows = order.clamp(min=0).flatten()
    return *(x.index_select(0, rows).view(T, B, *x.shape[1:]) for x in outcomes), weight / weight.sum()
