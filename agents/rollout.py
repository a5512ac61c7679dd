"""What passes between environments, agents and the update: inputs, decisions, and a rollout of them.

Letters: B environments, n decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from reinstate.agents.interface import RolloutRecord
from reinstate.memory.tensors import TensorStruct, unique_rows


@dataclass
class Inputs(TensorStruct):
    """What an agent sees where it decides."""

    observation: Tensor  # [n, ...]
    prev_action: Tensor  # [n] int64, -1 on a first step
    prev_reward: Tensor  # [n] float32, 0 on a first step
    is_first: Tensor  # [n] bool
    time: Tensor  # [n] int64: steps of the episode so far; only the critic and the memory's records see it
    paid: Tensor  # [n] float32: its rewards so far; no network sees it

    @cached_property
    def unique(self) -> tuple[Tensor, Tensor]:
        """The unique observations [U, ...], and which of them each one is [n]."""
        return unique_rows(self.observation)


@dataclass
class Decision(TensorStruct):
    """What an agent gives where it decides."""

    action: Tensor  # [n] int64
    log_prob: Tensor  # [n] float32
    value: Tensor  # [n] float32, in reward units
    scale: Tensor  # [n] float32: advantage scale, the typical size of an advantage here, in reward units
    wrote: Tensor  # [n] bool: wrote to memory in this rollout
    code: Tensor  # [n] int64: hash of the code that this observation has
    unit: Tensor  # [n] float32: the reward unit that value and scale are in, 0 where it was not known yet


@dataclass
class Outcome(TensorStruct):
    """What followed on a decision, up to the environment's next decision."""

    reward: Tensor  # [n] sum over the steps that the action was repeated
    duration: Tensor  # [n] steps that the action was repeated
    next_value: Tensor  # [n] V of the next decision, V(final observation) where truncated
    terminal: Tensor  # [n] bool: the episode terminated
    follow: Tensor  # [n] int64: the same episode's next decision in this rollout, -1 for none
    closed: Tensor  # [n] bool: all of the above is known; an open decision is not learnt from


@dataclass(frozen=True)
class EpisodeEnd:
    """One finished episode."""

    ret: float  # undiscounted return
    length: int
    success: bool | None  # None where the environment does not report it
    cue: int | None
    env: int  # which environment played it
    at: int  # environment steps taken by all environments up to and with its last
    cut: bool = False  # an evaluation stopped it


@dataclass
class Rollout:
    """The decisions of T steps of B environments, in order of time."""

    inputs: Inputs  # [n, ...]
    decision: Decision  # [n]
    outcome: Outcome  # [n]
    steps: int  # T
    num_envs: int  # B
    largest_reward: float  # largest size of a step's reward
    record: RolloutRecord  # what the agent needs besides to replay the decisions
    episodes: list[EpisodeEnd]
