"""One environment of three phases, in plain Python: the rules that Key-to-Door and Visual Match share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from reinstate.envs.checks import check_choice
from reinstate.envs.three_phases import (
    ACTION_SPACE,
    APPLE,
    APPLE_RETURNS_AFTER,
    BACKGROUND,
    COLOURS,
    COLUMNS,
    DOOR,
    EAST,
    EXPLORE,
    INDICATOR,
    INDICATOR_CELL,
    KEY,
    NORTH,
    OBSERVATION_SPACE,
    PLAYER,
    REWARD,
    ROWS,
    SOUTH,
    SQUARES,
    VIEW,
    WALL,
    WEST,
    Episode,
    ThreePhaseLayout,
)

_MOVES = {NORTH: (-1, 0), SOUTH: (1, 0), WEST: (0, -1), EAST: (0, 1)}
_CELL = 16  # pixels of a cell in a rendered frame


class ThreePhaseEnv(gym.Env):
    """An environment whose episode is given by its three boards; a subclass says what they are."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
    action_names: ClassVar[tuple[str, ...]] = ("north", "south", "west", "east")

    def __init__(self, layout: ThreePhaseLayout, render_mode: str | None):
        self.layout = layout
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        self.render_mode = render_mode
        self.observation_space = OBSERVATION_SPACE
        self.action_space = ACTION_SPACE

    @abstractmethod
    def _draw(self, rng: np.random.Generator) -> Episode:
        """Draw an episode."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new episode."""
        super().reset(seed=seed)
        self.episode = self._draw(self.np_random)
        self.has_key = False
        self.success = False
        self._start_phase(EXPLORE)
        return self._observe(), {}

    def _start_phase(self, phase: int) -> None:
        self.phase = phase
        self.frame = 0
        self.board = self.episode.boards[phase].copy()
        self.position = tuple(int(part) for part in self.episode.starts[phase])
        self.taken: dict[tuple[int, int], int] = {}  # frame at which the apple of a cell was last taken

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move the player by one cell and let the cell that it is on act; see the class page."""
        if not self.action_space.contains(action):
            raise ValueError(f"Unknown action {action!r}: pass an integer in 0..3.")
        self.frame += 1
        if self.board[INDICATOR_CELL] == INDICATOR:
            self.board[INDICATOR_CELL] = WALL
        row, column = self.position[0] + _MOVES[int(action)][0], self.position[1] + _MOVES[int(action)][1]
        if 0 <= row < ROWS and 0 <= column < COLUMNS and self._can_enter(self.board[row, column]):
            self.position = (row, column)
        reward = self._act_on_cell()
        for cell, frame in self.taken.items():
            if self.frame > frame + APPLE_RETURNS_AFTER:
                self.board[cell] = APPLE

        while self.phase < REWARD and self.frame >= self.layout.phase_steps[self.phase]:
            self._start_phase(self.phase + 1)
        terminated = self.phase == REWARD and self.frame == self.layout.phase_steps[REWARD]
        info = {}
        if terminated:
            final = self.layout.final_reward if self.success else 0.0
            info = {"is_success": self._is_success(), "last_phase_reward": final}
        return self._observe(), reward, terminated, False, info

    def _can_enter(self, cell: int) -> bool:
        if cell == DOOR:
            return self._opens()
        if cell in SQUARES:
            return self.phase == REWARD
        return cell not in (WALL, INDICATOR)

    def _opens(self) -> bool:
        """Does the door let the player in?"""
        return self.has_key

    def _is_success(self) -> bool:
        """What the last info says of this episode."""
        return self.success

    def _act_on_cell(self) -> float:
        """What the player's cell does to the board; the reward for it."""
        cell = self.board[self.position]
        if cell == KEY:
            self.has_key = True
            self.board[self.position] = BACKGROUND
            self.board[INDICATOR_CELL] = INDICATOR
            return self.layout.key_reward
        elif cell == APPLE:
            self.board[self.position] = BACKGROUND
            self.taken[self.position] = self.frame
            return self.layout.apple_rewards[self.episode.apple_choice]
        elif cell == DOOR and not self.success:
            self.success = True
            return self.layout.final_reward
        elif cell in SQUARES:
            self.board[np.isin(self.board, SQUARES)] = BACKGROUND
            if cell == self.episode.target:
                self.success = True
                return self.layout.final_reward
        return 0.0

    def _picture(self) -> np.ndarray:
        """The board with the player, as cell codes [ROWS, COLUMNS]; a door hides who stands in it."""
        picture = self.board.copy()
        if picture[self.position] != DOOR:
            picture[self.position] = PLAYER
        return picture

    def _observe(self) -> np.ndarray:
        reach = VIEW // 2
        padded = np.pad(self._picture(), reach, constant_values=BACKGROUND)
        row, column = self.position
        return COLOURS[padded[row : row + VIEW, column : column + VIEW]]

    def render(self) -> np.ndarray | None:
        """The whole board, 16 pixels per cell; [112, 176, 3] uint8."""
        if self.render_mode is None:
            return None
        return COLOURS[self._picture()].repeat(_CELL, axis=0).repeat(_CELL, axis=1)
