"""The batched Memory Chain: the same task as `memory_chain.py`, step for step, on arrays."""

from __future__ import annotations

import numpy as np
from numba import njit

from envs.memory_chain import ACTION_SPACE, make_layout, observation_space_of
from envs.pcg64 import integers
from envs.vector_base import SameStepVectorEnv


@njit(cache=True)
def _draw_episodes(generators: np.ndarray, which: np.ndarray, context: np.ndarray, query: np.ndarray) -> None:
    """`envs.memory_chain.draw_episode` for the environments `which` [N], into `context` [B, bits] and `query` [B]."""
    bits = context.shape[1]
    for b in which:
        for bit in range(bits):
            context[b, bit] = integers(generators[b], 0, 2)
        query[b] = integers(generators[b], 0, bits)


class MemoryChainVector(SameStepVectorEnv):
    """B environments `Reinstate/MemoryChain-v0`. Options and rules are on the page of `MemoryChain`."""

    def __init__(self, num_envs: int = 1, length: int = 100, bits: int = 1, render_mode: str | None = None):
        self.layout = make_layout(length, bits)
        super().__init__(num_envs, observation_space_of(self.layout), ACTION_SPACE, render_mode)
        self._context = np.zeros((num_envs, self.layout.bits), dtype=np.int64)
        self._query = np.zeros(num_envs, dtype=np.int64)
        self._step_count = np.zeros(num_envs, dtype=np.int64)
        self._success = np.zeros(num_envs, dtype=np.int64)  # of the last step

    def _begin(self, which: np.ndarray) -> None:
        _draw_episodes(self._generators, which, self._context, self._query)
        self._step_count[which] = 0

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self._step_count += 1
        terminated = self._step_count == self.layout.episode_steps
        self._success[:] = terminated & (actions == self._context[self._everyone, self._query])
        rewards = np.where(terminated, 2.0 * self._success - 1, 0.0)
        return rewards, terminated, np.zeros(self.num_envs, dtype=bool)

    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        clock = np.maximum(0, self._step_count[which] - 1)
        out[which, 0] = 1 - clock / self.layout.length
        out[which, 1] = np.where(clock == self.layout.length - 1, self._query[which], 0)
        out[which, 2:] = np.where(clock[:, None] == 0, 2 * self._context[which] - 1, 0)

    def _final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self._success.astype(bool)}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return {
            "context": self._context,
            "query": self._query,
            "step_count": self._step_count,
            "success": self._success,
        }
