"""The batched Umbrella Chain: the same task as `umbrella_chain.py`, step for step, on arrays."""

from __future__ import annotations

import numpy as np
from numba import njit

from envs.pcg64 import integers
from envs.umbrella_chain import ACTION_SPACE, OBSERVATION_SPACE, RANDOM_BITS, make_layout
from envs.vector_base import SameStepVectorEnv


@njit(cache=True)
def _draw_starts(
    generators: np.ndarray, which: np.ndarray, need: np.ndarray, have: np.ndarray, random_bits: np.ndarray
) -> None:
    """`envs.umbrella_chain.draw_start` for the environments `which` [N]."""
    for b in which:
        need[b] = integers(generators[b], 0, 2)
        have[b] = integers(generators[b], 0, 2)
        for bit in range(RANDOM_BITS):
            random_bits[b, bit] = integers(generators[b], 0, 2)


@njit(cache=True)
def _draw_steps(generators: np.ndarray, good: np.ndarray, random_bits: np.ndarray) -> None:
    """`envs.umbrella_chain.draw_step` for all environments, into `good` [B] and `random_bits` [B, RANDOM_BITS]."""
    for b in range(len(good)):
        drawn = integers(generators[b], 0, 1 << (1 + RANDOM_BITS))
        good[b] = drawn & 1
        for bit in range(RANDOM_BITS):
            random_bits[b, bit] = drawn >> (1 + bit) & 1


class UmbrellaChainVector(SameStepVectorEnv):
    """B environments `Reinstate/UmbrellaChain-v0`. Options and rules are on the page of `UmbrellaChain`."""

    def __init__(self, num_envs: int = 1, length: int = 100, render_mode: str | None = None):
        self.layout = make_layout(length)
        super().__init__(num_envs, OBSERVATION_SPACE, ACTION_SPACE, render_mode)
        self._need = np.zeros(num_envs, dtype=np.int64)
        self._have = np.zeros(num_envs, dtype=np.int64)
        self._random_bits = np.zeros((num_envs, RANDOM_BITS), dtype=np.int64)
        self._step_count = np.zeros(num_envs, dtype=np.int64)

    def _begin(self, which: np.ndarray) -> None:
        _draw_starts(self._generators, which, self._need, self._have, self._random_bits)
        self._step_count[which] = 0

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self._step_count += 1
        np.copyto(self._have, actions, where=self._step_count == 1)
        good = np.empty(self.num_envs, dtype=np.int64)
        _draw_steps(self._generators, good, self._random_bits)
        terminated = self._step_count == self.layout.length
        good = np.where(terminated, self._have == self._need, good)
        return 2.0 * good - 1, terminated, np.zeros(self.num_envs, dtype=bool)

    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        out[which, 0] = self._need[which]
        out[which, 1] = self._have[which]
        out[which, 2] = 1 - self._step_count[which] / self.layout.length
        out[which, 3:] = self._random_bits[which]

    def _final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self._have == self._need}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return {
            "need": self._need,
            "have": self._have,
            "random_bits": self._random_bits,
            "step_count": self._step_count,
        }
