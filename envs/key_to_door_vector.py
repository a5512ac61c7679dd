"""The batched Key-to-Door: the same task as `key_to_door.py`, step for step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from reinstate.envs.checks import check_bool
from reinstate.envs.key_to_door_layout import BOARDS, KEY_CELLS, REWARD_START, START_CELLS, make_key_to_door_layout
from reinstate.envs.pcg64 import integers
from reinstate.envs.three_phases import EXPLORE, KEY, REWARD
from reinstate.envs.three_phases_vector import ThreePhaseVector, Worlds, begin_world, draw_apples


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
    """`reinstate.envs.key_to_door_layout.draw_key_to_door` for the environments `which` [N]."""
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
        key_reward: float = 0.0,
        yoked: bool = False,
        render_mode: str | None = None,
    ):
        super().__init__(num_envs, make_key_to_door_layout(delay, apple_reward, preset, key_reward), render_mode)
        check_bool("yoked", yoked)
        self.yoked = yoked
        if yoked:
            self._opens = np.zeros(num_envs, dtype=np.int64)  # was the key taken in the last whole episode?

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """As in every batch; an environment that is seeded forgets the episode before."""
        result = super().reset(seed=seed, options=options)
        if self.yoked and seed is not None:
            mask = np.array([s is not None for s in self._seed_list(seed)])
            self._opens[mask & (options or {}).get("reset_mask", True)] = 0
        return result

    def _begin(self, which: np.ndarray) -> None:
        if self.yoked:
            w = self._worlds
            whole = which[(w.phase[which] == REWARD) & (w.frame[which] == self._phase_steps[REWARD])]
            self._opens[whole] = w.has_key[whole]
        num_apple_rewards = len(self._apple_rewards)
        _begin(self._worlds, self._generators, which, BOARDS, KEY_CELLS, START_CELLS, REWARD_START, num_apple_rewards)

    def _final_info(self) -> dict[str, np.ndarray]:
        info = super()._final_info()
        return info | {"is_success": self._worlds.has_key == 1} if self.yoked else info

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return super()._state_arrays() | ({"opens": self._opens} if self.yoked else {})
