"""MiniGrid's rules for many worlds at once: plain arrays and compiled loops.

Nothing here knows a task. A world is what `minigrid.core.grid.Grid.encode` makes of it, three small numbers
per cell, and the functions below repeat minigrid 3.2's `MiniGridEnv.step` and `gen_obs` on that encoding,
byte for byte.

Shape letters: B worlds, W columns, H rows, V cells of view (odd; 7 unless asked otherwise).

One thing differs: MiniGrid's encoding has no room for what is inside a box, and here the state of a box tells it
(`pack_box`); it never shows in a view.

Every caller must keep the agent from facing the outside of a world; walls or closed doors all round do that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX

from reinstate.envs.engine.batch import ZERO
from reinstate.envs.engine.loops import rule

VIEW = 7  # cells of view per side, if nothing else is asked for
NUM_ACTIONS = 7

# MiniGrid's numbering (minigrid.core.actions.Actions).
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(NUM_ACTIONS)
ACTION_NAMES = ("left", "right", "forward", "pickup", "drop", "toggle", "done")

EAST, SOUTH, WEST, NORTH = range(4)

UNSEEN = OBJECT_TO_IDX["unseen"]
EMPTY = OBJECT_TO_IDX["empty"]
WALL = OBJECT_TO_IDX["wall"]
FLOOR = OBJECT_TO_IDX["floor"]
DOOR = OBJECT_TO_IDX["door"]
KEY = OBJECT_TO_IDX["key"]
BALL = OBJECT_TO_IDX["ball"]
BOX = OBJECT_TO_IDX["box"]
GOAL = OBJECT_TO_IDX["goal"]
LAVA = OBJECT_TO_IDX["lava"]

GREY = COLOR_TO_IDX["grey"]
GREEN = COLOR_TO_IDX["green"]

OPEN, CLOSED, LOCKED = range(3)  # states of a door

# What `act` reports beside the changed world.
NOTHING, ENTERED_GOAL, ENTERED_LAVA = range(3)


class GridState(NamedTuple):
    """B worlds. A tuple of arrays, so that compiled code takes it and a snapshot is a copy of its fields."""

    grid: np.ndarray  # [B, W, H, 3] uint8: (object, colour, state), MiniGrid's encoding and what boxes hold
    agent_pos: np.ndarray  # [B, 2] int64: x, y
    agent_dir: np.ndarray  # [B] int64: 0 east, 1 south, 2 west, 3 north
    carrying: np.ndarray  # [B, 3] uint8: the carried object; EMPTY when the hands are free
    step_count: np.ndarray  # [B] int64


EMPTY_CELL = (EMPTY, 0, 0)

SYMBOLS = (len(OBJECT_TO_IDX), len(COLOR_TO_IDX), 4)  # kinds of object, colours, states (4 directions of an agent)


class SymbolBox(spaces.Box):
    """The space of MiniGrid's symbolic views [V, V, 3]. What makes it one is its type: other people's arrays of small
    numbers are not symbols."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(0, max(OBJECT_TO_IDX.values()), shape, np.uint8)


def empty_world(width: int, height: int) -> GridState:
    """One world of empty cells."""
    return GridState(
        grid=np.full((width, height, 3), EMPTY_CELL, dtype=np.uint8),
        agent_pos=np.zeros(2, dtype=np.int64),
        agent_dir=ZERO,
        carrying=np.array(EMPTY_CELL, dtype=np.uint8),
        step_count=ZERO,
    )


def pack_box(kind: int, colour: int) -> int:
    """The state of a box that holds an object of this kind and colour; an empty box has the state 0."""
    return kind << 3 | colour


@rule
def direction_vector(direction: int) -> tuple[int, int]:
    """East, south, west, north as (dx, dy); y grows downwards."""
    if direction == 0:
        return 1, 0
    if direction == 1:
        return 0, 1
    if direction == 2:
        return -1, 0
    return 0, -1


@rule
def _set_cell(cell: np.ndarray, kind: int, colour: int, state: int) -> None:
    cell[0], cell[1], cell[2] = kind, colour, state


@rule
def act(world: GridState, b: int, action: int) -> int:
    """Apply one action to world b by MiniGrid's rules and count the step.

    Returns:
        NOTHING, ENTERED_GOAL or ENTERED_LAVA. What that means for reward and termination is the task's
        business.
    """
    world.step_count[b] += 1
    if action == LEFT:
        world.agent_dir[b] = (world.agent_dir[b] + 3) % 4
        return NOTHING
    if action == RIGHT:
        world.agent_dir[b] = (world.agent_dir[b] + 1) % 4
        return NOTHING
    if action == DONE:
        return NOTHING

    dx, dy = direction_vector(world.agent_dir[b])
    x = world.agent_pos[b, 0] + dx
    y = world.agent_pos[b, 1] + dy
    ahead = world.grid[b, x, y]  # [3]
    hands = world.carrying[b]  # [3]
    kind = ahead[0]

    if action == FORWARD:
        if kind == EMPTY or kind == FLOOR or kind == GOAL or kind == LAVA or (kind == DOOR and ahead[2] == OPEN):
            world.agent_pos[b, 0] = x
            world.agent_pos[b, 1] = y
        if kind == GOAL:
            return ENTERED_GOAL
        if kind == LAVA:
            return ENTERED_LAVA
    elif action == PICKUP:
        if hands[0] == EMPTY and (kind == KEY or kind == BALL or kind == BOX):
            _set_cell(hands, kind, ahead[1], ahead[2])
            _set_cell(ahead, EMPTY, 0, 0)
    elif action == DROP:
        if hands[0] != EMPTY and kind == EMPTY:
            _set_cell(ahead, hands[0], hands[1], hands[2])
            _set_cell(hands, EMPTY, 0, 0)
    elif action == TOGGLE:
        if kind == BOX:
            inside = ahead[2]
            if inside == 0:
                _set_cell(ahead, EMPTY, 0, 0)
            else:
                _set_cell(ahead, inside >> 3, inside & 7, 0)
        elif kind == DOOR:
            if ahead[2] == LOCKED:
                if hands[0] == KEY and hands[1] == ahead[1]:
                    ahead[2] = OPEN
            else:
                ahead[2] = CLOSED if ahead[2] == OPEN else OPEN
    return NOTHING


@rule
def write_view(world: GridState, b: int, out: np.ndarray, view: int = VIEW, see_through_walls: bool = False) -> None:
    """The symbolic view of world b into out [V, V, 3] uint8; the agent stands at (V // 2, V - 1), facing row 0.

    Where the last two arguments are constants, the compiler unrolls the loops: twice as fast.

    MiniGrid cuts the view out, turns it and then spreads visibility row by row (`Grid.process_vis`). The same
    spread is done here on V bits per row. It is a flood, not rays: it goes round corners, and one visible
    free cell lights up its row to both sides. Walls and doors that are not open are seen but not seen
    through.
    """
    grid = world.grid[b]  # [W, H, 3]
    width, height = grid.shape[0], grid.shape[1]
    fx, fy = direction_vector(world.agent_dir[b])  # forward
    rx, ry = -fy, fx  # to the right
    x0 = world.agent_pos[b, 0] - view // 2 * rx
    y0 = world.agent_pos[b, 1] - view // 2 * ry

    # Bit i: cell (i, j) of the row at hand is visible. At first that is the agent's own cell.
    visible = (1 << view) - 1 if see_through_walls else 1 << view // 2
    for j in range(view - 1, -1, -1):
        ahead = view - 1 - j
        opaque = 0
        for i in range(view):
            x = x0 + ahead * fx + i * rx
            y = y0 + ahead * fy + i * ry
            if 0 <= x < width and 0 <= y < height:
                kind, colour, state = grid[x, y, 0], grid[x, y, 1], grid[x, y, 2]
            else:
                kind, colour, state = np.uint8(WALL), np.uint8(GREY), np.uint8(0)
            out[i, j, 0], out[i, j, 1], out[i, j, 2] = kind, colour, np.uint8(0) if kind == BOX else state
            if not see_through_walls and (kind == WALL or (kind == DOOR and state != OPEN)):
                opaque |= 1 << i

        above = 0
        for i in range(view - 1):
            if (visible & ~opaque) >> i & 1:
                visible |= 1 << (i + 1)
                above |= 3 << i
        for i in range(view - 1, 0, -1):
            if (visible & ~opaque) >> i & 1:
                visible |= 1 << (i - 1)
                above |= 3 << (i - 1)

        for i in range(view):
            if not visible >> i & 1:
                out[i, j, 0], out[i, j, 1], out[i, j, 2] = UNSEEN, 0, 0
        visible = above

    # MiniGrid shows what is carried in the agent's own cell, and never what the agent stands on.
    hands = world.carrying[b]
    _set_cell(out[view // 2, view - 1], hands[0], hands[1], 0 if hands[0] == BOX else hands[2])
