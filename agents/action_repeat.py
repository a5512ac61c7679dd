"""Action repeat: the agent decides where something it perceives has changed, else after growing intervals.

A deterministic policy repeats itself while its inputs stay the same, so exploration should too: the sampled action is
repeated while observation, memory, previous action and previous reward are what they were. A corridor of any length is
then a handful of decisions, its returns need few bootstraps, and one unlucky sample does not turn the agent round
halfway. An action that changes nothing would be repeated without end, so the agent decides again 4, 20, 84, ... steps
after the last change.

Another action is itself a change of an input, the previous action. If it always led to a decision, a policy that
alternates between two actions would decide at every step; it leads to at most `OWN_CHANGES` decisions, until something
else changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from reinstate.compiled import njit

GROWTH = 4.0  # of the interval between two decisions while nothing changes
OWN_CHANGES = 4


@dataclass
class ActionRepeat:
    """For each of B environments, when the agent decides next."""

    growth: float  # GROWTH, or 1 for a decision at every step
    age: np.ndarray  # [B] int64 steps since the last change
    due: np.ndarray  # [B] int64 age of the next decision if nothing changes
    own_changes: np.ndarray  # [B] int64 decisions on a change of its own action alone, since the last other change

    @classmethod
    def begin(cls, num_envs: int, growth: float) -> ActionRepeat:
        """All environments decide at the next step."""
        return cls(growth, *(np.zeros(num_envs, dtype=np.int64) for _ in range(3)))

    def deciding(self) -> np.ndarray:
        """The environments [n] that decide now."""
        return np.flatnonzero(self.age >= self.due)

    def decided(self, index: np.ndarray) -> None:
        """Environments `index` [n] have decided."""
        self.due[index] = np.ceil(self.growth * (self.age[index] + 1))

    def advance(self, changed: np.ndarray, acted: np.ndarray) -> None:
        """A step has been taken.

        Args:
            changed: [B] some input other than the previous action changed.
            acted: [B] the previous action changed.
        """
        self.own_changes[changed] = 0
        alone = acted & ~changed & (self.own_changes < OWN_CHANGES)
        self.own_changes[alone] += 1
        fresh = changed | alone
        self.age += 1
        self.age[fresh] = 0
        self.due[fresh] = 0

    def restart(self, index: np.ndarray) -> None:
        """Environments `index` [n] begin anew and decide at the next step."""
        for array in (self.age, self.due, self.own_changes):
            array[index] = 0

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        arrays = {name: torch.from_numpy(getattr(self, name).copy()) for name in ("age", "due", "own_changes")}
        return {"growth": self.growth, **arrays}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        self.growth = state["growth"]
        for name in ("age", "due", "own_changes"):
            getattr(self, name)[:] = state[name].numpy()


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
