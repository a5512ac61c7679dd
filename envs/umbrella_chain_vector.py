"""The batched Umbrella Chain: the same task as `umbrella_chain.py`, step for step, in compiled loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from reinstate.envs.pcg64 import integers
from reinstate.envs.umbrella_chain import ACTION_SPACE, OBSERVATION_SPACE, RANDOM_BITS, make_layout
from reinstate.envs.vector_base import SameStepVectorEnv


class _Chains(NamedTuple):
    """The state of B chains, int64."""

    need: np.ndarray  # [B]
    have: np.ndarray  # [B]
    random_bits: np.ndarray  # [B, RANDOM_BITS]
    step_count: np.ndarray  # [B]


@njit(cache=True)
def _begin(chains: _Chains, generators: np.ndarray, which: np.ndarray) -> None:
    """`reinstate.envs.umbrella_chain.draw_start` for the environments `which` [N]."""
    for b in which:
        chains.need[b] = integers(generators[b], 0, 2)
        chains.have[b] = integers(generators[b], 0, 2)
        for bit in range(RANDOM_BITS):
            chains.random_bits[b, bit] = integers(generators[b], 0, 2)
        chains.step_count[b] = 0


@njit(cache=True)
def _advance(
    chains: _Chains,
    generators: np.ndarray,  # [B, 6]
    actions: np.ndarray,  # [B]
    length: int,
    rewards: np.ndarray,  # [B] out
    terminated: np.ndarray,  # [B] out
) -> None:
    for b in range(len(actions)):
        chains.step_count[b] += 1
        if chains.step_count[b] == 1:
            chains.have[b] = actions[b]
        drawn = integers(generators[b], 0, 1 << (1 + RANDOM_BITS))  # `reinstate.envs.umbrella_chain.draw_step`
        for bit in range(RANDOM_BITS):
            chains.random_bits[b, bit] = drawn >> (1 + bit) & 1
        terminated[b] = chains.step_count[b] == length
        good = chains.have[b] == chains.need[b] if terminated[b] else drawn & 1 == 1
        rewards[b] = 1.0 if good else -1.0


@njit(cache=True)
def _observe(chains: _Chains, which: np.ndarray, length: int, out: np.ndarray) -> None:
    """The observations of the environments `which` [N] into the same rows of `out` [B, 3 + RANDOM_BITS] float32."""
    for b in which:
        out[b, 0] = chains.need[b]
        out[b, 1] = chains.have[b]
        out[b, 2] = 1 - chains.step_count[b] / length
        for bit in range(RANDOM_BITS):
            out[b, 3 + bit] = chains.random_bits[b, bit]


class UmbrellaChainVector(SameStepVectorEnv):
    """B environments `Reinstate/UmbrellaChain-v0`. Options and rules are on the page of `UmbrellaChain`."""

    def __init__(self, num_envs: int = 1, length: int = 100, render_mode: str | None = None):
        self.layout = make_layout(length)
        super().__init__(num_envs, OBSERVATION_SPACE, ACTION_SPACE, render_mode)
        self._chains = _Chains(
            need=np.zeros(num_envs, dtype=np.int64),
            have=np.zeros(num_envs, dtype=np.int64),
            random_bits=np.zeros((num_envs, RANDOM_BITS), dtype=np.int64),
            step_count=np.zeros(num_envs, dtype=np.int64),
        )

    def _begin(self, which: np.ndarray) -> None:
        _begin(self._chains, self._generators, which)

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rewards, terminated, truncated = self._outcome()
        truncated[:] = False
        _advance(self._chains, self._generators, actions, self.layout.length, rewards, terminated)
        return rewards, terminated, truncated

    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        _observe(self._chains, which, self.layout.length, out)

    def _final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self._chains.have == self._chains.need}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return self._chains._asdict()
