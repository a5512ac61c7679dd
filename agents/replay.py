"""Running a chunk again under today's parameters: what an agent gives the losses.

Letters: B environments, T steps of a chunk, P states of each environment, A actions.
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
    """Steps [B, P] at which environments were in a new state: all of them, or `most` chosen at random.

    Where an environment has fewer than P, the rest are steps at which nothing changed.

    Args:
        changed: [T, B] bool.
    """
    count = int(changed.sum(dim=0).max().clamp(max=most))
    noise = torch.rand(changed.shape, generator=generator)
    return torch.where(changed, 1.0 + noise, noise).topk(count, dim=0).indices.T


def spread(changed: Tensor, picked: Tensor, *outcomes: Tensor) -> tuple[Tensor, ...]:
    """Gives every step the outcome of the state it was in: that of the last step at which something changed.

    Args:
        changed: [T, B] bool.
        picked: [B, P] steps whose outcome was computed.
        outcomes: tensors [B, P, ...].

    Returns:
        Each outcome as [T, B, ...], and the weight [T, B], equal over all steps whose state was picked.
    """
    T, B = changed.shape
    times = torch.arange(T)[:, None]
    state = torch.where(changed, times, -1).cummax(dim=0).values  # [T, B] step that set the state
    place = torch.full((B, T), -1).scatter_(1, picked, torch.arange(picked.shape[1]).expand(B, -1))
    place = place.gather(1, state.T).T  # [T, B] column of `picked`, -1 where it was left out
    env = torch.arange(B).expand(T, -1)
    weight = (place >= 0).float()
    place = place.clamp(min=0)
    return *(x[env, place] for x in outcomes), weight / weight.sum()
