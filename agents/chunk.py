"""What passes between environments, agents and learner: inputs, decisions, and a chunk of them.

Letters: B environments, n decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from reinstate.memory.patches import distinct_rows, rows_at


@dataclass
class Inputs:
    """What an agent sees where it decides."""

    observation: Tensor  # [n, ...]
    prev_action: Tensor  # [n] int64, -1 on a first step
    prev_reward: Tensor  # [n] float32, 0 on a first step
    is_first: Tensor  # [n] bool
    # For the books of the memory; the critic is told the time, and no network what was paid.
    time: Tensor  # [n] int64: steps of the episode so far
    paid: Tensor  # [n] float32: its rewards so far

    @cached_property
    def distinct(self) -> tuple[Tensor, Tensor]:
        """The distinct observations [U, ...], and which of them each one is [n]."""
        return distinct_rows(self.observation)

    def rows(self, index: Tensor) -> Inputs:
        return Inputs(
            rows_at(self.observation, index),
            self.prev_action[index],
            self.prev_reward[index],
            self.is_first[index],
            self.time[index],
            self.paid[index],
        )


@dataclass
class Decision:
    """What an agent gives where it decides."""

    action: Tensor  # [n] int64
    log_prob: Tensor  # [n] float32
    value: Tensor  # [n] float32
    scale: Tensor  # [n] float32: typical size of an advantage here
    novel: Tensor  # [n] bool: wrote to memory
    code: Tensor  # [n] int64: hash of the code that this observation has


@dataclass
class Chunk:
    """The decisions of T steps of B environments, in order of time. What came after a decision belongs to it until the
    environment's next decision; where that is not known yet, the decision is not `complete` and not learnt from, though
    those before it are."""

    inputs: Inputs  # [n, ...]
    action: Tensor  # [n] int64
    log_prob: Tensor  # [n]
    value: Tensor  # [n]
    scale: Tensor  # [n]
    novel: Tensor  # [n] bool: wrote to memory in this chunk
    code: Tensor  # [n] int64: hash of the code
    reward: Tensor  # [n] sum over the steps that the action was held
    duration: Tensor  # [n] steps that the action was held
    next_value: Tensor  # [n]: V of the next decision, V(final observation) where truncated
    terminal: Tensor  # [n] bool: the episode terminated
    follow: Tensor  # [n] int64: the same episode's next decision in this chunk, -1 for none
    complete: Tensor  # [n] bool
    steps: int  # T
    num_envs: int  # B
    start: Any = None  # the agent's record of its state when the chunk began
    episodes: list[EpisodeEnd] = field(default_factory=list)


@dataclass(frozen=True)
class EpisodeEnd:
    """One finished episode."""

    ret: float  # undiscounted return
    length: int
    success: bool | None  # None where the environment does not say
    cue: int | None
    env: int  # which environment played it
    at: int  # environment steps taken by all environments up to and with its last
