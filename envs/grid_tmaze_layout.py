"""The map, the rules and the random draws of the grid T-Maze: everything that its two implementations share.

    #########
    #.......#
    #.......#                      #
    #.......###############  ...  #G#
    #......P......A.......   ...   .#      P passive start (7, 4), facing west
    #.......###############  ...  #G#      A active start (14, 4), facing east
    #.......#                      #
    #.......#
    #########

The start room is columns 1..7 and rows 1..7; the corridor is row 4 and begins at the opening (8, 4). Cells
are (x, y) with y growing downwards, as in MiniGrid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from minigrid.core.constants import COLOR_TO_IDX

from reinstate.envs.checks import check_integer, is_finite_number
from reinstate.envs.grid_engine import BALL, BOX, GREEN, KEY

HEIGHT = 9
MIDDLE = 4  # the row of the corridor
ROOM_SIDE = 7  # interior cells of the start room per side
EAST, WEST = 0, 2

NORTH_ARM_Y, SOUTH_ARM_Y = MIDDLE - 1, MIDDLE + 1
CUE_KINDS = (KEY, BALL)  # cue 0 and cue 1
ARM_OF_CUE = (NORTH_ARM_Y, SOUTH_ARM_Y)

# The plain cue lies on the far side of the room. MiniGrid's visibility floods through the opening, so a cell
# in column x is seen from the corridor as soon as it is within the 6 cells that the view reaches ahead.
# Column 1 is the only one that can be seen from column 7, inside the room, but from no cell outside.
PLAIN_CUE_CELL = (1, 1)

# With distractors: columns 1..6, so that nothing ever blocks the way out of the room in column 7.
SCATTER_COLUMNS = 6
NUM_SCATTER_CELLS = SCATTER_COLUMNS * ROOM_SIDE
MAX_DISTRACTORS = NUM_SCATTER_CELLS - 1

DISTRACTOR_LOOKS = np.array(
    [
        (kind, colour)
        for kind in (KEY, BALL, BOX)
        for colour in COLOR_TO_IDX.values()
        if (kind, colour) not in ((KEY, GREEN), (BALL, GREEN))
    ],
    dtype=np.int64,
)  # [16, 2]

OBSERVATIONS = ("symbolic", "pixels")


@dataclass(frozen=True)
class GridTMazeLayout:
    """All numbers of one grid T-Maze. Build it with `make_layout`, which checks the options."""

    length: int
    distractors: int
    penalty: float  # subtracted on a step that makes no progress
    start_x: int
    start_dir: int
    grace: int  # this many first steps are never penalised

    @property
    def junction_x(self) -> int:
        return self.start_x + self.length

    @property
    def width(self) -> int:
        return self.junction_x + 2

    @property
    def max_steps(self) -> int:
        return 3 * self.length + 60


def make_layout(active: bool, length: int, distractors: int, penalty: float | None) -> GridTMazeLayout:
    """Check the options of a grid T-Maze and work out its numbers.

    Args:
        active: whether the agent starts in the corridor and must go and look for the cue.
        length: forward moves from the start cell to the junction.
        distractors: objects other than the cue in the start room.
        penalty: what a step without progress costs; None means 1 / length.

    Raises:
        ValueError: an option is out of range.
    """
    check_integer("length", length, low=1)
    check_integer("distractors", distractors, low=0)
    if distractors > MAX_DISTRACTORS:
        raise ValueError(f"distractors={distractors} do not fit into the start room: choose at most {MAX_DISTRACTORS}.")
    if penalty is None:
        penalty = 1 / length
    if not is_finite_number(penalty) or penalty < 0:
        raise ValueError(
            f"penalty={penalty!r} is not a cost: pass a number >= 0 (0 turns it off), or None for 1 / length."
        )
    return GridTMazeLayout(
        length=int(length),
        distractors=int(distractors),
        penalty=float(penalty),
        start_x=2 * ROOM_SIDE if active else ROOM_SIDE,
        start_dir=EAST if active else WEST,
        grace=24 if active else 12,
    )


def draw_layout(rng: np.random.Generator, distractors: int) -> tuple[int, np.ndarray]:
    """Everything that is random in an episode. The only place where a grid T-Maze draws, so that twins agree.

    Returns:
        The cue (0 key, 1 ball) and the objects of the start room, [1 + distractors, 4] int64 rows of
        (x, y, kind, colour), the cue first.
    """
    cue = int(rng.integers(2))
    objects = np.empty((1 + distractors, 4), dtype=np.int64)
    objects[0] = (*PLAIN_CUE_CELL, CUE_KINDS[cue], GREEN)
    if distractors:
        cells = rng.permutation(NUM_SCATTER_CELLS)[: 1 + distractors]
        objects[:, 0] = 1 + cells % SCATTER_COLUMNS
        objects[:, 1] = 1 + cells // SCATTER_COLUMNS
        objects[1:, 2:] = DISTRACTOR_LOOKS[rng.integers(len(DISTRACTOR_LOOKS), size=distractors)]
    return cue, objects


def wall_mask(layout: GridTMazeLayout) -> np.ndarray:
    """Where the walls are, [width, HEIGHT] bool: all but the room, the corridor and the two arms."""
    wall = np.ones((layout.width, HEIGHT), dtype=bool)
    wall[1 : 1 + ROOM_SIDE, 1 : 1 + ROOM_SIDE] = False
    wall[1 : layout.junction_x + 1, MIDDLE] = False
    wall[layout.junction_x, list(ARM_OF_CUE)] = False
    return wall
