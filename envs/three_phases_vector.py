"""B environments of three phases in compiled loops: the rules of `three_phases_single.py`, step for step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from reinstate.envs.pcg64 import integers, permutation
from reinstate.envs.three_phases import (
    ACTION_SPACE,
    APPLE,
    APPLE_CELLS,
    APPLE_RETURNS_AFTER,
    APPLE_START,
    BACKGROUND,
    BLUE,
    COLOURS,
    COLUMNS,
    DISTRACTOR,
    DOOR,
    EAST,
    EXPLORE,
    INDICATOR,
    INDICATOR_CELL,
    KEY,
    NORTH,
    NUM_APPLES,
    OBSERVATION_SPACE,
    PHASES,
    PLAYER,
    RED,
    REWARD,
    ROWS,
    SOUTH,
    VIEW,
    WALL,
    WEST,
    ThreePhaseLayout,
)
from reinstate.envs.vector_base import SameStepVectorEnv

_INDICATOR_ROW, _INDICATOR_COLUMN = INDICATOR_CELL


class Worlds(NamedTuple):
    """The state of B environments."""

    boards: np.ndarray  # [B, 3, ROWS, COLUMNS] uint8; the board of the running phase changes in place
    starts: np.ndarray  # [B, 3, 2]
    apple_choice: np.ndarray  # [B]
    target: np.ndarray  # [B]
    phase: np.ndarray  # [B]
    frame: np.ndarray  # [B] steps in this phase
    position: np.ndarray  # [B, 2]
    taken: np.ndarray  # [B, ROWS, COLUMNS] frame at which an apple was last taken here; 0: never
    has_key: np.ndarray  # [B]
    success: np.ndarray  # [B]


@njit(cache=True)
def begin_world(worlds: Worlds, b: int, boards: np.ndarray, start: np.ndarray, reward_start: np.ndarray) -> None:
    """Start an episode in world b with these boards [3, ROWS, COLUMNS] and starts [2] of the outer phases."""
    # Loops, as numba takes seconds to compile the assignment of one array to another.
    for row in range(ROWS):
        for column in range(COLUMNS):
            worlds.taken[b, row, column] = 0
            for phase in range(PHASES):
                worlds.boards[b, phase, row, column] = boards[phase, row, column]
    for part in range(2):
        worlds.starts[b, EXPLORE, part] = start[part]
        worlds.starts[b, DISTRACTOR, part] = APPLE_START[part]
        worlds.starts[b, REWARD, part] = reward_start[part]
        worlds.position[b, part] = start[part]
    worlds.target[b] = BACKGROUND
    worlds.phase[b] = EXPLORE
    worlds.frame[b] = 0
    worlds.has_key[b] = 0
    worlds.success[b] = 0


@njit(cache=True)
def draw_apples(worlds: Worlds, b: int, generator: np.ndarray, num_apple_rewards: int) -> None:
    """`reinstate.envs.three_phases.draw_apples` for world b, whose second board is still without apples."""
    order = permutation(generator, len(APPLE_CELLS))
    for i in range(NUM_APPLES):
        row, column = APPLE_CELLS[order[i]]
        worlds.boards[b, DISTRACTOR, row, column] = APPLE
    worlds.apple_choice[b] = integers(generator, 0, num_apple_rewards)


@njit(cache=True)
def _can_enter(cell: int, phase: int, opens: int) -> bool:
    if cell == DOOR:
        return opens == 1
    if RED <= cell <= BLUE:
        return phase == REWARD
    return cell != WALL and cell != INDICATOR


@njit(cache=True)
def _advance(
    worlds: Worlds,
    actions: np.ndarray,  # [B]
    phase_steps: np.ndarray,  # [3]
    apple_rewards: np.ndarray,  # [1 or 2]
    final_reward: float,
    key_reward: float,
    opens: np.ndarray,  # [B] does the door let the player in?
    rewards: np.ndarray,  # [B] out
    terminated: np.ndarray,  # [B] out
) -> None:
    for b in range(len(actions)):
        phase = worlds.phase[b]
        board = worlds.boards[b, phase]
        worlds.frame[b] += 1
        frame = worlds.frame[b]
        if board[_INDICATOR_ROW, _INDICATOR_COLUMN] == INDICATOR:
            board[_INDICATOR_ROW, _INDICATOR_COLUMN] = WALL

        row, column = worlds.position[b]
        action = actions[b]
        new_row = row + (1 if action == SOUTH else 0) - (1 if action == NORTH else 0)
        new_column = column + (1 if action == EAST else 0) - (1 if action == WEST else 0)
        if 0 <= new_row < ROWS and 0 <= new_column < COLUMNS:
            if _can_enter(board[new_row, new_column], phase, opens[b]):
                row, column = new_row, new_column
                worlds.position[b, 0], worlds.position[b, 1] = row, column

        reward = 0.0
        cell = board[row, column]
        if cell == KEY:
            worlds.has_key[b] = 1
            board[row, column] = BACKGROUND
            board[_INDICATOR_ROW, _INDICATOR_COLUMN] = INDICATOR
            reward = key_reward
        elif cell == APPLE:
            board[row, column] = BACKGROUND
            worlds.taken[b, row, column] = frame
            reward = apple_rewards[worlds.apple_choice[b]]
        elif cell == DOOR:
            if worlds.success[b] == 0:
                worlds.success[b] = 1
                reward = final_reward
        elif RED <= cell <= BLUE:
            if cell == worlds.target[b]:
                worlds.success[b] = 1
                reward = final_reward
            for i in range(ROWS):
                for j in range(COLUMNS):
                    if RED <= board[i, j] <= BLUE:
                        board[i, j] = BACKGROUND
        rewards[b] = reward

        if phase == DISTRACTOR:
            for i in range(ROWS):
                for j in range(COLUMNS):
                    taken = worlds.taken[b, i, j]
                    if taken > 0 and frame > taken + APPLE_RETURNS_AFTER:
                        board[i, j] = APPLE

        while phase < REWARD and frame >= phase_steps[phase]:
            phase += 1
            frame = 0
            worlds.position[b, 0], worlds.position[b, 1] = worlds.starts[b, phase]
        worlds.phase[b] = phase
        worlds.frame[b] = frame
        terminated[b] = phase == REWARD and frame == phase_steps[REWARD]


@njit(cache=True)
def _write_views(worlds: Worlds, which: np.ndarray, colours: np.ndarray, out: np.ndarray) -> None:
    """The views of the worlds `which` [N] into the same rows of `out` [B, VIEW, VIEW, 3] uint8."""
    reach = VIEW // 2
    for b in which:
        board = worlds.boards[b, worlds.phase[b]]
        row, column = worlds.position[b]
        for i in range(VIEW):
            for j in range(VIEW):
                y, x = row + i - reach, column + j - reach
                cell = BACKGROUND
                if 0 <= y < ROWS and 0 <= x < COLUMNS:
                    cell = board[y, x]
                if i == reach and j == reach and cell != DOOR:
                    cell = PLAYER
                for channel in range(3):
                    out[b, i, j, channel] = colours[cell, channel]


class ThreePhaseVector(SameStepVectorEnv):
    """B environments whose episodes are given by their three boards; a subclass draws them in `_begin`."""

    def __init__(self, num_envs: int, layout: ThreePhaseLayout, render_mode: str | None):
        self.layout = layout
        super().__init__(num_envs, OBSERVATION_SPACE, ACTION_SPACE, render_mode)
        self._phase_steps = np.array(layout.phase_steps)
        self._apple_rewards = np.array(layout.apple_rewards)
        self._worlds = Worlds(
            boards=np.zeros((num_envs, PHASES, ROWS, COLUMNS), dtype=np.uint8),
            starts=np.zeros((num_envs, PHASES, 2), dtype=np.int64),
            apple_choice=np.zeros(num_envs, dtype=np.int64),
            target=np.zeros(num_envs, dtype=np.int64),
            phase=np.zeros(num_envs, dtype=np.int64),
            frame=np.zeros(num_envs, dtype=np.int64),
            position=np.zeros((num_envs, 2), dtype=np.int64),
            taken=np.zeros((num_envs, ROWS, COLUMNS), dtype=np.int64),
            has_key=np.zeros(num_envs, dtype=np.int64),
            success=np.zeros(num_envs, dtype=np.int64),
        )
        self._opens = self._worlds.has_key  # [B]

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rewards, terminated, truncated = self._outcome()
        truncated[:] = False
        pays = self._apple_rewards, self.layout.final_reward, self.layout.key_reward
        _advance(self._worlds, actions, self._phase_steps, *pays, self._opens, rewards, terminated)
        return rewards, terminated, truncated

    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        _write_views(self._worlds, which, COLOURS, out)

    def _final_info(self) -> dict[str, np.ndarray]:
        success = self._worlds.success == 1
        return {"is_success": success, "last_phase_reward": success * self.layout.final_reward}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return self._worlds._asdict()
