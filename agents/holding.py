"""When an agent decides: where something it perceives has changed, else after growing intervals (4, 20, 84, ... steps).

A deterministic policy repeats itself where nothing has changed, so exploration should too: the sampled action is held
while observation, memory, previous action and previous reward are what they were. A corridor of any length is then
a handful of decisions, its returns need few bootstraps, and one unlucky sample does not turn the agent round halfway.
An action that changes nothing for ever would never end, so the agent decides again at growing intervals.

Deciding on something else is a change of the previous action, too, and so perceived. Were it always answered, a policy
that alternates would decide at every step for ever; it is answered `ANSWERED` times, until something else changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

ANSWERED = 4


@dataclass
class Holding:
    """For each of B environments, since when nothing has changed."""

    growth: float  # 1: decide at every step
    age: np.ndarray  # [B] int64 steps since the last change
    due: np.ndarray  # [B] int64 age of the next decision if nothing changes
    answered: np.ndarray  # [B] int64 changes of its own action alone that it has answered since the last other change

    @classmethod
    def begin(cls, num_envs: int, growth: float) -> Holding:
        return cls(growth, *(np.zeros(num_envs, dtype=np.int64) for _ in range(3)))

    def deciding(self) -> np.ndarray:
        """The environments [n] that decide now."""
        return np.flatnonzero(self.age >= self.due)

    def decided(self, index: np.ndarray) -> None:
        """Environments `index` [n] have decided."""
        self.due[index] = np.ceil(self.growth * (self.age[index] + 1))

    def advance(self, changed: np.ndarray, acted: np.ndarray) -> None:
        """A step has been taken. After it what is perceived beside the previous action differs where `changed` [B] says
        so, and the previous action where `acted` [B] does."""
        self.answered[changed] = 0
        alone = acted & ~changed & (self.answered < ANSWERED)
        self.answered[alone] += 1
        fresh = changed | alone
        self.age += 1
        self.age[fresh] = 0
        self.due[fresh] = 0


@njit(cache=True)
def rows_differ(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out [B] |= (a != b), row by row of [B, bytes]."""
    for i in range(len(a)):
        if not out[i]:
            for j in range(a.shape[1]):
                if a[i, j] != b[i, j]:
                    out[i] = True
                    break


def as_bytes(x: np.ndarray) -> np.ndarray:
    """Rows [B, ...] of any dtype as [B, bytes] uint8, without a copy where `x` is contiguous."""
    return np.ascontiguousarray(x).reshape(len(x), -1).view(np.uint8)
