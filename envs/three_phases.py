"""What Key-to-Door and Visual Match share: boards, colours, three phases and the random apples.

Both follow DeepMind's pycolab tasks (Hung et al. 2019, arXiv 1810.06721; github.com/google-deepmind/
deepmind-research, `tvt/pycolab`). A board is 7 rows and 11 columns of cell codes; the player is not on the board
but kept apart, and drawn over all cells but a door. Each phase has its own board and lasts a fixed number of
steps; on its last step the next board replaces it, so the first picture of a phase is what the step returns.

Frames are counted from 0 in every phase, as pycolab counts them. An apple taken at frame f is back in the
picture of frame f + 21 and can be taken at f + 22.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from reinstate.envs.checks import check_integer, is_finite_number

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
