"""The batched Key-to-Door: the same task as `key_to_door.py`, step for step."""

from __future__ import annotations

import numpy as np
from numba import njit

from envs.key_to_door_layout import BOARDS, KEY_CELLS, REWARD_START, START_CELLS, make_key_to_door_layout
from envs.pcg64 import integers
from envs.three_phases import EXPLORE, KEY
from envs.three_phases_vector import ThreePhaseVector, Worlds, begin_world, draw_apples


@njit(cache=True)
def _begin(
    worlds: Worlds,
    generators: np.ndarray,
    which: np.ndarray,
    boards: np.ndarray,
    keys: np.ndarray,
    starts: np.ndarray,
    reward_start: np.ndarray,
    num_apple_rewards: int,
) -> None:
    """`envs.key_to_door_layout.draw_key_to_door` for the environments `which` [N]."""
    for b in which:
        key = keys[integers(generators[b], 0, len(keys))]
        start = starts[integers(generators[b], 0, len(starts))]
        begin_world(worlds, b, boards, start, reward_start)
        worlds.boards[b, EXPLORE, key[0], key[1]] = KEY
        draw_apples(worlds, b, generators[b], num_apple_rewards)


class KeyToDoorVector(ThreePhaseVector):
    """B environments `Reinstate/KeyToDoor-v0`. Options and rules are on the page of `KeyToDoor`."""

    def __init__(
        self,
        num_envs: int = 1,
        delay: int = 90,
        apple_reward: float | None = None,
        preset: str = "tvt",
        render_mode: str | None = None,
    ):
        super().__init__(num_envs, make_key_to_door_layout(delay, apple_reward, preset), render_mode)

    def _begin(self, which: np.ndarray) -> None:
        num_apple_rewards = len(self._apple_rewards)
        _begin(self._worlds, self._generators, which, BOARDS, KEY_CELLS, START_CELLS, REWARD_START, num_apple_rewards)
