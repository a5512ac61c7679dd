"""The batched T-Maze with vector observations: the same task as `tmaze.py`, step for step, on arrays."""

from __future__ import annotations

import numpy as np
from numba import njit

from envs.pcg64 import integers
from envs.tmaze import ACTION_SPACE, DOWN, LEFT, OBSERVATION_SPACE, RIGHT, UP, make_layout
from envs.vector_base import SameStepVectorEnv


@njit(cache=True)
def _draw_cues(generators: np.ndarray, which: np.ndarray, cue: np.ndarray) -> None:
    """`envs.tmaze.draw_cue` for the environments `which` [N], into their rows of `cue` [B]."""
    for b in which:
        cue[b] = integers(generators[b], 0, 2)


class TMazeVector(SameStepVectorEnv):
    """B T-Mazes. Options and rules are on the pages of `TMazePassive` and `TMazeActive`."""

    active: bool

    def __init__(self, num_envs: int = 1, length: int = 100, penalty: str = "classic", render_mode: str | None = None):
        self.layout = make_layout(self.active, length, penalty)
        super().__init__(num_envs, OBSERVATION_SPACE, ACTION_SPACE, render_mode)
        self._x = np.zeros(num_envs, dtype=np.int64)
        self._y = np.zeros(num_envs, dtype=np.int64)
        self._cue = np.zeros(num_envs, dtype=np.int64)
        self._step_count = np.zeros(num_envs, dtype=np.int64)
        # At which step the oracle was first reached; the cue shows only then. -1: not yet.
        self._oracle_step = np.zeros(num_envs, dtype=np.int64)

    def _begin(self, which: np.ndarray) -> None:
        _draw_cues(self._generators, which, self._cue)
        self._x[which] = self.layout.start_x
        self._y[which] = 0
        self._step_count[which] = 0
        self._oracle_step[which] = 0 if self.layout.start_x == 0 else -1

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        layout = self.layout
        self._step_count += 1
        along = (self._y == 0) * ((actions == RIGHT).astype(np.int64) - (actions == LEFT))
        across = (self._x == layout.junction_x) * ((actions == UP).astype(np.int64) - (actions == DOWN))
        np.clip(self._x + along, 0, layout.junction_x, out=self._x)
        np.clip(self._y + across, -1, 1, out=self._y)
        first_visit = (self._x == 0) & (self._oracle_step < 0)
        self._oracle_step[first_visit] = self._step_count[first_visit]

        terminated = self._step_count == layout.episode_steps
        steps_after_oracle = self._step_count - layout.start_x
        late = self._x < steps_after_oracle
        if layout.penalty == "alt":
            late = (actions != RIGHT) & (steps_after_oracle > 0)
        success = (self._y == 2 * self._cue - 1).astype(np.float64)
        rewards = np.where(terminated, success, np.where(late, -1 / layout.length, 0.0))
        return rewards, terminated, np.zeros(self.num_envs, dtype=bool)

    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        x, y = self._x[which], self._y[which]
        at_end = x == self.layout.junction_x
        shows_cue = (x == 0) & (self._oracle_step[which] == self._step_count[which])
        out[which, 0] = at_end
        out[which, 1] = np.where(at_end, y, np.where(shows_cue, 2 * self._cue[which] - 1, 0))

    def _final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self._y == 2 * self._cue - 1, "cue": self._cue}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return {
            "x": self._x,
            "y": self._y,
            "cue": self._cue,
            "step_count": self._step_count,
            "oracle_step": self._oracle_step,
        }


class TMazePassiveVector(TMazeVector):
    """B environments `Reinstate/TMazePassive-v0`."""

    active = False


class TMazeActiveVector(TMazeVector):
    """B environments `Reinstate/TMazeActive-v0`."""

    active = True
