"""The batched Memory Chain: the same task as `memory_chain.py`, step for step, in compiled loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from reinstate.envs.memory_chain import ACTION_SPACE, make_layout, observation_space_of
from reinstate.envs.pcg64 import integers
from reinstate.envs.vector_base import SameStepVectorEnv


class _Chains(NamedTuple):
    """The state of B chains, int64."""

    context: np.ndarray  # [B, bits]
    query: np.ndarray  # [B]
    step_count: np.ndarray  # [B]
    success: np.ndarray  # [B] of the last step


@njit(cache=True)
def _begin(chains: _Chains, generators: np.ndarray, which: np.ndarray) -> None:
    """`reinstate.envs.memory_chain.draw_episode` for the environments `which` [N]."""
    bits = chains.context.shape[1]
    for b in which:
        for bit in range(bits):
            chains.context[b, bit] = integers(generators[b], 0, 2)
        chains.query[b] = integers(generators[b], 0, bits)
        chains.step_count[b] = chains.success[b] = 0


@njit(cache=True)
def _advance(
    chains: _Chains,
    actions: np.ndarray,  # [B]
    episode_steps: int,
    rewards: np.ndarray,  # [B] out
    terminated: np.ndarray,  # [B] out
) -> None:
    for b in range(len(actions)):
        chains.step_count[b] += 1
        terminated[b] = chains.step_count[b] == episode_steps
        rewards[b] = 0.0
        if terminated[b]:
            success = actions[b] == chains.context[b, chains.query[b]]
            chains.success[b] = success
            rewards[b] = 1.0 if success else -1.0


@njit(cache=True)
def _observe(chains: _Chains, which: np.ndarray, length: int, out: np.ndarray) -> None:
    """The observations of the environments `which` [N] into the same rows of `out` [B, 2 + bits] float32."""
    for b in which:
        clock = max(0, chains.step_count[b] - 1)
        out[b, 0] = 1 - clock / length
        out[b, 1] = chains.query[b] if clock == length - 1 else 0
        for bit in range(chains.context.shape[1]):
            out[b, 2 + bit] = 2 * chains.context[b, bit] - 1 if clock == 0 else 0


class MemoryChainVector(SameStepVectorEnv):
    """B environments `Reinstate/MemoryChain-v0`. Options and rules are on the page of `MemoryChain`."""

    def __init__(self, num_envs: int = 1, length: int = 100, bits: int = 1, render_mode: str | None = None):
        self.layout = make_layout(length, bits)
        super().__init__(num_envs, observation_space_of(self.layout), ACTION_SPACE, render_mode)
        self._chains = _Chains(
            context=np.zeros((num_envs, self.layout.bits), dtype=np.int64),
            query=np.zeros(num_envs, dtype=np.int64),
            step_count=np.zeros(num_envs, dtype=np.int64),
            success=np.zeros(num_envs, dtype=np.int64),
        )

    def _begin(self, which: np.ndarray) -> None:
        _begin(self._chains, self._generators, which)

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rewards, terminated, truncated = self._outcome()
        truncated[:] = False
        _advance(self._chains, actions, self.layout.episode_steps, rewards, terminated)
        return rewards, terminated, truncated

    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        _observe(self._chains, which, self.layout.length, out)

    def _final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self._chains.success == 1}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return self._chains._asdict()
