"""The batched T-Maze with vector observations: the same task as `tmaze.py`, step for step, in compiled loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from reinstate.envs.pcg64 import integers
from reinstate.envs.tmaze import ACTION_SPACE, DOWN, LEFT, OBSERVATION_SPACE, RIGHT, UP, make_layout
from reinstate.envs.vector_base import SameStepVectorEnv


class _Mazes(NamedTuple):
    """The state of B T-Mazes, [B] int64 each."""

    x: np.ndarray
    y: np.ndarray
    cue: np.ndarray
    step_count: np.ndarray
    oracle_step: np.ndarray  # at which step the oracle was first reached; the cue shows only then. -1: not yet


@njit(cache=True)
def _begin(mazes: _Mazes, generators: np.ndarray, which: np.ndarray, start_x: int) -> None:
    """`reinstate.envs.tmaze.draw_cue` for the environments `which` [N], and the start."""
    for b in which:
        mazes.cue[b] = integers(generators[b], 0, 2)
        mazes.x[b], mazes.y[b], mazes.step_count[b] = start_x, 0, 0
        mazes.oracle_step[b] = 0 if start_x == 0 else -1


@njit(cache=True)
def _advance(
    mazes: _Mazes,
    actions: np.ndarray,  # [B]
    start_x: int,
    length: int,
    episode_steps: int,
    alt_penalty: bool,
    rewards: np.ndarray,  # [B] out
    terminated: np.ndarray,  # [B] out
) -> None:
    junction_x = start_x + length
    for b in range(len(actions)):
        action, x, y = actions[b], mazes.x[b], mazes.y[b]
        step = mazes.step_count[b] + 1
        if y == 0 and (action == RIGHT or action == LEFT):
            x = min(max(x + (1 if action == RIGHT else -1), 0), junction_x)
        elif x == junction_x and (action == UP or action == DOWN):
            y = min(max(y + (1 if action == UP else -1), -1), 1)
        if x == 0 and mazes.oracle_step[b] < 0:
            mazes.oracle_step[b] = step
        mazes.x[b], mazes.y[b], mazes.step_count[b] = x, y, step

        terminated[b] = step == episode_steps
        steps_after_oracle = step - start_x
        late = action != RIGHT and steps_after_oracle > 0 if alt_penalty else x < steps_after_oracle
        if terminated[b]:
            rewards[b] = 1.0 if y == 2 * mazes.cue[b] - 1 else 0.0
        else:
            rewards[b] = -1 / length if late else 0.0


@njit(cache=True)
def _observe(mazes: _Mazes, which: np.ndarray, junction_x: int, out: np.ndarray) -> None:
    """The observations of the environments `which` [N] into the same rows of `out` [B, 2] float32."""
    for b in which:
        out[b, 0] = out[b, 1] = 0
        if mazes.x[b] == junction_x:
            out[b, 0], out[b, 1] = 1, mazes.y[b]
        elif mazes.x[b] == 0 and mazes.oracle_step[b] == mazes.step_count[b]:
            out[b, 1] = 2 * mazes.cue[b] - 1


class TMazeVector(SameStepVectorEnv):
    """B T-Mazes. Options and rules are on the pages of `TMazePassive` and `TMazeActive`."""

    active: bool

    def __init__(self, num_envs: int = 1, length: int = 100, penalty: str = "classic", render_mode: str | None = None):
        self.layout = make_layout(self.active, length, penalty)
        super().__init__(num_envs, OBSERVATION_SPACE, ACTION_SPACE, render_mode)
        self._mazes = _Mazes(*(np.zeros(num_envs, dtype=np.int64) for _ in _Mazes._fields))

    def _begin(self, which: np.ndarray) -> None:
        _begin(self._mazes, self._generators, which, self.layout.start_x)

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        layout = self.layout
        rewards, terminated, truncated = self._outcome()
        truncated[:] = False
        alt_penalty = layout.penalty == "alt"
        _advance(
            self._mazes,
            actions,
            layout.start_x,
            layout.length,
            layout.episode_steps,
            alt_penalty,
            rewards,
            terminated,
        )
        return rewards, terminated, truncated

    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        _observe(self._mazes, which, self.layout.junction_x, out)

    def _final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self._mazes.y == 2 * self._mazes.cue - 1, "cue": self._mazes.cue}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return self._mazes._asdict()


class TMazePassiveVector(TMazeVector):
    """B environments `Reinstate/TMazePassive-v0`."""

    active = False


class TMazeActiveVector(TMazeVector):
    """B environments `Reinstate/TMazeActive-v0`."""

    active = True
