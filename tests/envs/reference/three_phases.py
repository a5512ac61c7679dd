"""Key-to-Door and Visual Match in plain Python: what they share.

Both follow DeepMind's pycolab tasks (Hung et al. 2019, arXiv 1810.06721; github.com/google-deepmind/
deepmind-research, `tvt/pycolab`). A board is 7 rows and 11 columns of cell codes; the player is not on the board
but kept apart, and drawn over all cells but a door. Each phase has its own board and lasts a fixed number of
steps; on its last step the next board replaces it, so the first picture of a phase is what the step returns.

Frames are counted from 0 in every phase, as pycolab counts them. An apple taken at frame f is back in the
picture of frame f + 21 and can be taken at f + 22.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from reinstate.envs.checks import check_choice, check_integer, is_finite_number

ROWS, COLUMNS = 7, 11
VIEW = 5  # cells of the egocentric view per side
PHASES = 3
EXPLORE, DISTRACTOR, REWARD = range(PHASES)

NORTH, SOUTH, WEST, EAST = range(4)
ACTION_SPACE = spaces.Discrete(4)
OBSERVATION_SPACE = spaces.Box(low=0, high=255, shape=(VIEW, VIEW, 3), dtype=np.uint8)

# Cell codes. The last three are the coloured squares of Visual Match.
BACKGROUND, WALL, PLAYER, KEY, INDICATOR, DOOR, APPLE, RED, GREEN, BLUE = range(10)
SQUARES = (RED, GREEN, BLUE)

# Colour of each cell code, [10, 3]. The original keeps thousandths and scales them by 255 / 1000, rounding down.
COLOURS = (
    np.array(
        [
            (800, 800, 800),
            (100, 100, 100),
            (898, 584, 430),
            (627, 321, 176),
            (1000, 1000, 1000),
            (529, 808, 922),
            (550, 700, 0),
            (1000, 0, 0),
            (0, 1000, 0),
            (0, 0, 1000),
        ]
    )
    * 255
    // 1000
).astype(np.uint8)

INDICATOR_CELL = (0, 5)
NUM_APPLES = 10
APPLE_RETURNS_AFTER = 20  # frames; see the module page

_APPLE_BOARD = """
###########
#a a a a a#
# a a a a #
#a a a a a#
# a a a a #
#a a   a a#
###########
"""
APPLE_START = (5, 5)


@dataclass(frozen=True)
class ThreePhaseLayout:
    """All numbers of one task. Build it with `make_layout`, which checks the options."""

    phase_steps: tuple[int, int, int]  # explore, distractor, reward
    apple_rewards: tuple[float, ...]  # one of these is drawn for every episode
    final_reward: float
    key_reward: float = 0.0  # for taking the key, where there is one

    @property
    def delay(self) -> int:
        return self.phase_steps[DISTRACTOR]

    @property
    def episode_steps(self) -> int:
        return sum(self.phase_steps)


@dataclass(frozen=True)
class Episode:
    """Everything that is random in an episode."""

    boards: np.ndarray  # [3, ROWS, COLUMNS] uint8 cell codes at the start of each phase
    starts: np.ndarray  # [3, 2] int64 (row, column) of the player at the start of each phase
    apple_choice: int  # index into the layout's apple_rewards
    target: int  # the square that pays, or BACKGROUND where there is none


def make_layout(
    delay: int, apple_reward: float | None, default_apple_rewards: tuple[float, ...], reward_steps: int, final: float
) -> ThreePhaseLayout:
    """Check the options and work out the numbers of a task.

    Args:
        delay: steps of the phase with the apples; 0 leaves it out.
        apple_reward: what an apple pays, or None for the task's own rule.
        default_apple_rewards: that rule: one of these, drawn for every episode.
        reward_steps: steps of the last phase.
        final: reward of the last phase.

    Raises:
        ValueError: an option is out of range.
    """
    check_integer("delay", delay, low=0)
    apple_rewards = default_apple_rewards
    if apple_reward is not None:
        if not is_finite_number(apple_reward):
            raise ValueError(
                f"apple_reward={apple_reward!r} is not a reward: pass a finite number, or None for the task's own rule."
            )
        apple_rewards = (float(apple_reward),)
    return ThreePhaseLayout((15, int(delay), reward_steps), apple_rewards, final)


def _characters(text: str) -> list[list[str]]:
    """The ROWS x COLUMNS characters of a drawing between two line breaks; lines may lack spaces at their ends."""
    return [list(line.ljust(COLUMNS)) for line in text[1:-1].split("\n")]


def parse_board(text: str) -> np.ndarray:
    """A board [ROWS, COLUMNS] uint8 from its drawing; all characters but # and d are floor."""
    codes = {"#": WALL, "d": DOOR}
    return np.array([[codes.get(c, BACKGROUND) for c in line] for line in _characters(text)], dtype=np.uint8)


def cells_of(text: str, character: str) -> np.ndarray:
    """The cells (row, column) that a drawing marks with a character, [N, 2] int64."""
    return np.ascontiguousarray(np.argwhere(np.array(_characters(text)) == character))


APPLE_CELLS = cells_of(_APPLE_BOARD, "a")  # [22, 2]
APPLE_FLOOR = parse_board(_APPLE_BOARD)


def draw_apples(rng: np.random.Generator, layout: ThreePhaseLayout) -> tuple[np.ndarray, int]:
    """The board of the second phase with its 10 apples, [ROWS, COLUMNS] uint8, and the choice of their reward."""
    board = APPLE_FLOOR.copy()
    kept = APPLE_CELLS[rng.permutation(len(APPLE_CELLS))[:NUM_APPLES]]
    board[kept[:, 0], kept[:, 1]] = APPLE
    return board, int(rng.integers(len(layout.apple_rewards)))


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
