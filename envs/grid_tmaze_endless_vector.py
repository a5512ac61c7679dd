"""The batched chain of grid T-Mazes: the same task as `grid_tmaze_endless.py`, step for step."""

from __future__ import annotations

import numpy as np

from reinstate.envs.checks import check_integer
from reinstate.envs.grid_tmaze_vector import GridTMazeVector


class GridTMazeEndlessVector(GridTMazeVector):
    """B environments `Reinstate/GridTMazeEndless-v0`. Options and rules are on the page of `GridTMazeEndless`."""

    active = False

    def __init__(
        self,
        num_envs: int = 1,
        length: int = 20,
        corridors: int = 10,
        distractors: int = 0,
        penalty: float | None = None,
        observation: str = "symbolic",
        noise: float = 0.0,
        render_mode: str | None = None,
    ):
        check_integer("corridors", corridors, low=1)
        super().__init__(num_envs, length, distractors, penalty, observation, noise, render_mode)
        self.corridors = int(corridors)
        self._turns = np.zeros(num_envs, dtype=np.int64)
        self._right_turns = np.zeros(num_envs, dtype=np.int64)

    def _begin(self, which: np.ndarray) -> None:
        self._turns[which] = self._right_turns[which] = 0
        super()._begin(which)

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rewards, in_arm, truncated = super()._advance(actions)  # the compiled step of one corridor
        right = in_arm & (rewards == 1)
        rewards[in_arm & ~right] = -1.0
        self._turns += in_arm
        self._right_turns += right
        terminated = in_arm & (self._turns == self.corridors)
        super()._begin(np.flatnonzero(in_arm & ~terminated))  # the next corridor of the same episode
        return rewards, terminated, truncated

    def _final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self._right_turns == self.corridors, "right_turns": self._right_turns}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return {**super()._state_arrays(), "turns": self._turns, "right_turns": self._right_turns}
