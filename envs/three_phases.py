"""What Key-to-Door and Visual Match share: boards, colours, rules, three phases and the random apples.

Both follow DeepMind's pycolab tasks (Hung et al. 2019, arXiv 1810.06721; github.com/google-deepmind/
deepmind-research, `tvt/pycolab`). A board is 7 rows and 11 columns of cell codes; the player is not on the board
but kept apart, and drawn over all cells but a door. Each phase has its own board and lasts a fixed number of
steps; on its last step the next board replaces it, so the first picture of a phase is what the step returns.

Frames are counted from 0 in every phase, as pycolab counts them. An apple taken at frame f is back in the
picture of frame f + 21 and can be taken at f + 22.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from reinstate.envs.checks import check_integer, is_finite_number
from reinstate.envs.engine.batch import ZERO, BatchEnv
from reinstate.envs.engine.loops import allocating_rule, rule
from reinstate.envs.engine.pcg64 import integers, permutation

ROWS, COLUMNS = 7, 11
VIEW = 5  # cells of the egocentric view per side
PHASES = 3
EXPLORE, DISTRACTOR, REWARD = range(PHASES)

NORTH, SOUTH, WEST, EAST = range(4)
OBSERVATION_SPACE = spaces.Box(low=0, high=255, shape=(VIEW, VIEW, 3), dtype=np.uint8)

# Cell codes. The last three are the coloured squares of Visual Match.
BACKGROUND, WALL, PLAYER, KEY, INDICATOR, DOOR, APPLE, RED, GREEN, BLUE = range(10)
SQUARES = (RED, GREEN, BLUE)

# Colour of each cell code in thousandths, as in the original, which scales them by 255 / 1000 and rounds down.
_THOUSANDTHS = [(800, 800, 800), (100, 100, 100), (898, 584, 430), (627, 321, 176), (1000, 1000, 1000)]
_THOUSANDTHS += [(529, 808, 922), (550, 700, 0), (1000, 0, 0), (0, 1000, 0), (0, 0, 1000)]
COLOURS = (np.array(_THOUSANDTHS) * 255 // 1000).astype(np.uint8)  # [10, 3]

INDICATOR_ROW, INDICATOR_COLUMN = 0, 5
NUM_APPLES = 10
APPLE_RETURNS_AFTER = 20  # frames; see the module page

_APPLE_BOARD = """
###########
#a a a a a#
# a a a a #
#a a a a a#
# a a a a #
#a a p a a#
###########
"""

_CELL = 16  # pixels of a cell in a picture for people


def _characters(text: str) -> list[list[str]]:
    """The ROWS x COLUMNS characters of a drawing between two line breaks; lines may lack spaces at their ends."""
    return [list(line.ljust(COLUMNS)) for line in text[1:-1].split("\n")]


def boards_of(explore: str, reward: str) -> np.ndarray:
    """The boards of the three phases, [3, ROWS, COLUMNS] uint8, from drawings; all but # and d is floor."""
    codes = {"#": WALL, "d": DOOR}
    drawings = (explore, _APPLE_BOARD, reward)
    return np.array([[[codes.get(c, BACKGROUND) for c in line] for line in _characters(d)] for d in drawings], np.uint8)


def cells_of(text: str, character: str) -> np.ndarray:
    """The cells (row, column) that a drawing marks with a character, [N, 2] int64."""
    return np.ascontiguousarray(np.argwhere(np.array(_characters(text)) == character))


APPLE_CELLS = cells_of(_APPLE_BOARD, "a")  # [22, 2]
((APPLE_START_ROW, APPLE_START_COLUMN),) = cells_of(_APPLE_BOARD, "p").tolist()


class Layout(NamedTuple):
    """What the options of a task decide. Build it with `make_layout`, which checks them."""

    phase_steps: tuple[int, int, int]  # explore, distractor, reward
    apple_rewards: np.ndarray  # [1 or 2] float64; one of these is drawn for every episode
    final_reward: float
    key_reward: float  # for taking the key, where there is one
    yoked: bool  # does the door open to who took the key in the episode before?
    boards: np.ndarray  # [3, ROWS, COLUMNS] uint8 with nothing drawn
    marks: np.ndarray  # [N, 2] the cells of the first phase of which one gets the key or the colour
    starts: np.ndarray  # [N, 2] the cells of the first phase on one of which the player starts
    reward_start: tuple[int, int]  # where the player starts the last phase

    @property
    def delay(self) -> int:
        """Steps of the phase with the apples."""
        return self.phase_steps[DISTRACTOR]

    @property
    def episode_steps(self) -> int:
        """Steps of all phases."""
        return sum(self.phase_steps)


def make_layout(
    drawings: tuple[str, str],
    mark: str,
    delay: int,
    apple_reward: float | None,
    default_apple_rewards: tuple[float, ...],
    reward_steps: int,
    final_reward: float,
    key_reward: float = 0.0,
    yoked: bool = False,
) -> Layout:
    """Check the options that the tasks share.

    Args:
        drawings: the boards of the first and of the last phase; on both, p is where the player starts.
        mark: the character of the cells of which one gets the key or the colour.
        delay: steps of the phase with the apples; 0 leaves it out.
        apple_reward: what an apple pays, or None for the task's own rule.
        default_apple_rewards: that rule: one of these, drawn for every episode.
        reward_steps: steps of the last phase.

    Raises:
        ValueError: an option is out of range.
    """
    check_integer("delay", delay, low=0)
    if apple_reward is not None and not is_finite_number(apple_reward):
        raise ValueError(
            f"apple_reward={apple_reward!r} is not a reward: pass a finite number, or None for the task's own rule."
        )
    apple_rewards = default_apple_rewards if apple_reward is None else (float(apple_reward),)
    explore, reward = drawings
    row, column = cells_of(reward, "p")[0].tolist()
    return Layout(
        phase_steps=(15, int(delay), reward_steps),
        apple_rewards=np.array(apple_rewards),
        final_reward=final_reward,
        key_reward=key_reward,
        yoked=yoked,
        boards=boards_of(explore, reward),
        marks=cells_of(explore, mark),
        starts=cells_of(explore, "p"),
        reward_start=(row, column),
    )


class State(NamedTuple):
    """The state of B environments."""

    boards: np.ndarray  # [B, 3, ROWS, COLUMNS] uint8; the board of the running phase changes in place
    apple_choice: np.ndarray  # [B] index into the layout's apple_rewards
    target: np.ndarray  # [B] the square that pays, or BACKGROUND where there is none
    phase: np.ndarray  # [B]
    frame: np.ndarray  # [B] steps in this phase
    position: np.ndarray  # [B, 2] row and column of the player
    taken: np.ndarray  # [B, ROWS, COLUMNS] frame at which an apple was last taken here; 0: never
    has_key: np.ndarray  # [B]
    success: np.ndarray  # [B] was the final reward paid?
    took_before: np.ndarray  # [B] was the key taken in the last episode that was played to its end?


@rule
def draw_mark(layout: Layout, generator: np.ndarray) -> tuple[int, int]:
    """The cell (row, column) that gets the key or the colour."""
    i = integers(generator, 0, len(layout.marks))
    return layout.marks[i, 0], layout.marks[i, 1]


@rule
def start_episode(state: State, layout: Layout, generator: np.ndarray, b: int) -> None:
    """Draw the player's start, and bring environment b to it with nothing else drawn on its boards."""
    start = integers(generator, 0, len(layout.starts))
    for row in range(ROWS):
        for column in range(COLUMNS):
            state.taken[b, row, column] = 0
            for phase in range(PHASES):
                state.boards[b, phase, row, column] = layout.boards[phase, row, column]
    state.position[b, 0], state.position[b, 1] = layout.starts[start, 0], layout.starts[start, 1]
    state.target[b] = BACKGROUND
    state.phase[b] = EXPLORE
    state.frame[b] = state.has_key[b] = state.success[b] = 0


@allocating_rule
def draw_apples(state: State, layout: Layout, generator: np.ndarray, b: int) -> None:
    """Put 10 apples onto the second board of environment b, and choose what they pay."""
    order = permutation(generator, len(APPLE_CELLS))
    for i in range(NUM_APPLES):
        state.boards[b, DISTRACTOR, APPLE_CELLS[order[i], 0], APPLE_CELLS[order[i], 1]] = APPLE
    state.apple_choice[b] = integers(generator, 0, len(layout.apple_rewards))


@rule
def _can_enter(cell: int, phase: int, opens: int) -> bool:
    if cell == DOOR:
        return opens == 1
    if RED <= cell <= BLUE:
        return phase == REWARD
    return cell != WALL and cell != INDICATOR


@rule
def _act_on_cell(state: State, layout: Layout, b: int, board: np.ndarray, row: int, column: int) -> float:
    """What the player's cell does to the board; the reward for it."""
    cell = board[row, column]
    if cell == KEY:
        state.has_key[b] = 1
        board[row, column] = BACKGROUND
        board[INDICATOR_ROW, INDICATOR_COLUMN] = INDICATOR
        return layout.key_reward
    if cell == APPLE:
        board[row, column] = BACKGROUND
        state.taken[b, row, column] = state.frame[b]
        return float(layout.apple_rewards[state.apple_choice[b]])
    pays = cell == DOOR and state.success[b] == 0
    if RED <= cell <= BLUE:
        pays = cell == state.target[b]
        for i in range(ROWS):
            for j in range(COLUMNS):
                if RED <= board[i, j] <= BLUE:
                    board[i, j] = BACKGROUND
    if pays:
        state.success[b] = 1
        return layout.final_reward
    return 0.0


@rule
def step_one(state: State, layout: Layout, generator: np.ndarray, b: int, action: int) -> tuple[float, bool, bool]:
    phase = state.phase[b]
    board = state.boards[b, phase]
    frame = state.frame[b] + 1
    state.frame[b] = frame
    if board[INDICATOR_ROW, INDICATOR_COLUMN] == INDICATOR:
        board[INDICATOR_ROW, INDICATOR_COLUMN] = WALL

    row, column = state.position[b, 0], state.position[b, 1]
    new_row = row + (1 if action == SOUTH else 0) - (1 if action == NORTH else 0)
    new_column = column + (1 if action == EAST else 0) - (1 if action == WEST else 0)
    opens = state.took_before[b] if layout.yoked else state.has_key[b]
    if 0 <= new_row < ROWS and 0 <= new_column < COLUMNS and _can_enter(board[new_row, new_column], phase, opens):
        row, column = new_row, new_column
    reward = _act_on_cell(state, layout, b, board, row, column)

    if phase == DISTRACTOR:
        for i in range(len(APPLE_CELLS)):
            taken = state.taken[b, APPLE_CELLS[i, 0], APPLE_CELLS[i, 1]]
            if taken > 0 and frame > taken + APPLE_RETURNS_AFTER:
                board[APPLE_CELLS[i, 0], APPLE_CELLS[i, 1]] = APPLE

    while phase < REWARD and frame >= layout.phase_steps[phase]:
        phase, frame = phase + 1, 0
        row, column = layout.reward_start if phase == REWARD else (APPLE_START_ROW, APPLE_START_COLUMN)
    state.phase[b], state.frame[b] = phase, frame
    state.position[b, 0], state.position[b, 1] = row, column
    terminated = phase == REWARD and frame == layout.phase_steps[REWARD]
    if terminated:
        state.took_before[b] = state.has_key[b]
    return reward, terminated, False


@rule
def observe_one(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
    reach = VIEW // 2
    board = state.boards[b, state.phase[b]]
    row, column = state.position[b, 0], state.position[b, 1]
    for i in range(VIEW):
        for j in range(VIEW):
            y, x = row + i - reach, column + j - reach
            cell = BACKGROUND
            if 0 <= y < ROWS and 0 <= x < COLUMNS:
                cell = board[y, x]
            if i == reach and j == reach and cell != DOOR:
                cell = PLAYER
            for channel in range(3):
                out[i, j, channel] = COLOURS[cell, channel]


class ThreePhaseVector(BatchEnv):
    """B environments of three phases; a family adds its options and how its episodes are drawn."""

    action_names = ("north", "south", "west", "east")

    def __init__(self, num_envs: int, layout: Layout, render_mode: str | None):
        boards, taken = np.zeros_like(layout.boards), np.zeros((ROWS, COLUMNS), dtype=np.int64)
        position = np.zeros(2, dtype=np.int64)
        state = State(boards, ZERO, ZERO, ZERO, ZERO, position, taken, ZERO, ZERO, ZERO)
        super().__init__(num_envs, layout, state, OBSERVATION_SPACE, spaces.Discrete(4), render_mode)

    def final_info(self) -> dict[str, np.ndarray]:
        succeeded = self.state.success == 1
        is_success = self.state.has_key == 1 if self.layout.yoked else succeeded
        return {"is_success": is_success, "last_phase_reward": succeeded * self.layout.final_reward}

    def draw(self, b: int) -> np.ndarray:
        """The whole board, 16 pixels a cell, with the player; a door hides who stands in it."""
        board = self.state.boards[b, self.state.phase[b]].copy()
        row, column = self.state.position[b]
        if board[row, column] != DOOR:
            board[row, column] = PLAYER
        picture: np.ndarray = COLOURS[board]
        return picture.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
