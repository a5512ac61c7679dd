"""A rollout chunk: T steps of B environments, and what one step of an agent gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Inputs:
    """What an agent sees at one step. Leading axes: [B], or [T, B] in a chunk."""

    observation: Tensor  # [B, ...]
    prev_action: Tensor  # [B] int64, -1 on a first step
    prev_reward: Tensor  # [B] float32, 0 on a first step
    is_first: Tensor  # [B] bool

    def rows(self, index: Tensor) -> Inputs:
        return Inputs(self.observation[index], self.prev_action[index], self.prev_reward[index], self.is_first[index])


@dataclass
class Decision:
    """What an agent gives at one step."""

    action: Tensor  # [B] int64
    log_prob: Tensor  # [B] float32
    value: Tensor  # [B] float32
    scale: Tensor  # [B] float32: typical size of an advantage here
    novel: Tensor  # [B] bool: this step wrote to memory
    changed: Tensor  # [B] bool: the policy was computed anew; else inputs and memory were the last step's


@dataclass
class Chunk:
    """T steps of B environments."""

    inputs: Inputs  # [T, B, ...]
    action: Tensor  # [T, B] int64
    log_prob: Tensor  # [T, B]
    value: Tensor  # [T, B]
    scale: Tensor  # [T, B]
    novel: Tensor  # [T, B] bool
    changed: Tensor  # [T, B] bool, true throughout the first step
    reward: Tensor  # [T, B]
    terminated: Tensor  # [T, B] bool: the episode ended, nothing to bootstrap from
    truncated: Tensor  # [T, B] bool: the episode was cut, bootstrap from the final observation
    final_value: Tensor  # [T, B]: V(final observation, live memory) where truncated, else 0
    last_value: Tensor  # [B]: V of the step after the chunk
    start: Any = None  # the agent's record of its state when the chunk began
    episodes: list[EpisodeEnd] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return self.action.shape[0]

    @property
    def num_envs(self) -> int:
        return self.action.shape[1]


@dataclass(frozen=True)
class EpisodeEnd:
    """One finished episode."""

    ret: float  # undiscounted return
    length: int
    success: bool | None  # None where the environment does not say
    cue: int | None
    env: int  # which environment played it
    at: int  # environment steps taken by all environments up to and with its last


def empty_chunk(steps: int, observation: Tensor) -> Chunk:
    """A chunk to fill, for observations like `observation` [B, ...]."""
    B = observation.shape[0]

    def new(dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(steps, B, dtype=dtype, device=observation.device)

    inputs = Inputs(
        torch.zeros(steps, *observation.shape, dtype=observation.dtype, device=observation.device),
        new(torch.int64),
        new(),
        new(torch.bool),
    )
    return Chunk(
        inputs=inputs,
        action=new(torch.int64),
        log_prob=new(),
        value=new(),
        scale=new(),
        novel=new(torch.bool),
        changed=new(torch.bool),
        reward=new(),
        terminated=new(torch.bool),
        truncated=new(torch.bool),
        final_value=new(),
        last_value=torch.zeros(B, device=observation.device),
    )
