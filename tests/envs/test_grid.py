"""The compiled grid rules against minigrid itself, on worlds that hypothesis makes up."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.core.constants import IDX_TO_COLOR
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Box, WorldObj
from minigrid.minigrid_env import MiniGridEnv

from reinstate.envs.engine.grid import (
    BALL,
    BOX,
    CLOSED,
    DOOR,
    DROP,
    EMPTY,
    ENTERED_GOAL,
    ENTERED_LAVA,
    FLOOR,
    FORWARD,
    GOAL,
    GREEN,
    GREY,
    KEY,
    LAVA,
    LEFT,
    LOCKED,
    NUM_ACTIONS,
    OPEN,
    PICKUP,
    RIGHT,
    TOGGLE,
    VIEW,
    WALL,
    GridState,
    act,
    empty_world,
    pack_box,
    write_view,
)
from reinstate.envs.engine.pixels import TILE, Canvas, canvas_of, draw_view

RED = 0
WORLD_CELLS = [
    (EMPTY, 0, 0),
    (EMPTY, 0, 0),
    (EMPTY, 0, 0),
    (WALL, GREY, 0),
    (FLOOR, 2, 0),
    (DOOR, RED, OPEN),
    (DOOR, GREEN, CLOSED),
    (DOOR, RED, LOCKED),
    (KEY, RED, 0),
    (KEY, GREEN, 0),
    (BALL, 4, 0),
    (BOX, 3, 0),
    (GOAL, GREEN, 0),
    (LAVA, RED, 0),
]


INSIDE_BOXES = [(KEY, RED, 0), (KEY, GREEN, 0), (BALL, 4, 0), (BOX, 5, 0)]
WORLD_CELLS += [(BOX, 2, pack_box(kind, colour)) for kind, colour, _ in INSIDE_BOXES]

# Random actions alone rarely bring something somewhere.
ERRANDS = [[action] for action in range(NUM_ACTIONS)] + [
    [PICKUP, LEFT, DROP],
    [PICKUP, RIGHT, FORWARD, DROP],
    [TOGGLE, FORWARD],
    [TOGGLE, PICKUP],
    [FORWARD, FORWARD, PICKUP],
]


def decode(cell: np.ndarray) -> WorldObj | None:
    """MiniGrid's object for a cell of the engine; a box comes with what is inside."""
    kind, colour, state = (int(number) for number in cell)
    if kind != BOX:
        return WorldObj.decode(kind, colour, state)
    return Box(IDX_TO_COLOR[colour], decode((state >> 3, state & 7, 0)) if state else None)


def encode(thing: WorldObj | None) -> tuple[int, int, int]:
    """The engine's cell for an object of MiniGrid."""
    if thing is None:
        return (EMPTY, 0, 0)
    kind, colour, state = thing.encode()
    if kind == BOX and thing.contains is not None:
        state = pack_box(*encode(thing.contains)[:2])
    return (kind, colour, state)


class AnyWorld(MiniGridEnv):
    """MiniGrid with a world given by its cells."""

    def __init__(self, cells: np.ndarray, agent_pos: tuple[int, int], agent_dir: int, **options: Any):
        self.cells, self.start = cells, (agent_pos, agent_dir)
        width, height, _ = cells.shape
        super().__init__(MissionSpace(lambda: ""), width=width, height=height, max_steps=10**6, **options)

    def _gen_grid(self, width: int, height: int) -> None:
        self.grid = Grid(width, height)
        for x in range(width):
            for y in range(height):
                self.grid.set(x, y, decode(self.cells[x, y]))
        self.agent_pos, self.agent_dir = self.start

    def all_cells(self) -> np.ndarray:
        """[W, H, 3] as the engine keeps them."""
        cells = [[encode(self.grid.get(x, y)) for y in range(self.height)] for x in range(self.width)]
        return np.array(cells, dtype=np.uint8)


def empty_worlds(number: int, width: int, height: int) -> GridState:
    return GridState(*(np.repeat(np.asarray(part)[np.newaxis], number, axis=0) for part in empty_world(width, height)))


def draw(view: np.ndarray) -> np.ndarray:
    """The image of a symbolic view [V, V, 3]."""
    image = np.zeros((len(view) * TILE, len(view) * TILE, 3), dtype=np.uint8)
    draw_view(Canvas(canvas_of("pixels").tiles, view), image)
    return image


@st.composite
def worlds(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, int], int]:
    """Cells [W, H, 3] with walls all round, and an agent on an empty cell."""
    width, height = draw(st.integers(3, 11)), draw(st.integers(3, 11))
    inner = (width - 2) * (height - 2)
    chosen = [WORLD_CELLS[byte % len(WORLD_CELLS)] for byte in draw(st.binary(min_size=inner, max_size=inner))]
    cells = np.empty((width, height, 3), dtype=np.uint8)
    cells[:] = (WALL, GREY, 0)
    cells[1:-1, 1:-1] = np.array(chosen).reshape(width - 2, height - 2, 3)
    agent_pos = draw(st.integers(1, width - 2)), draw(st.integers(1, height - 2))
    cells[agent_pos] = (EMPTY, 0, 0)
    return cells, agent_pos, draw(st.integers(0, 3))


def things(state: GridState, lane: int) -> Counter:
    """All keys, balls and boxes of a world by kind and colour: on the floor, carried and inside boxes."""
    count: Counter = Counter()
    for kind, colour, inside in [*state.grid[lane].reshape(-1, 3).tolist(), state.carrying[lane].tolist()]:
        if kind in (KEY, BALL, BOX):
            count[kind, colour] += 1
        if kind == BOX and inside:
            count[inside >> 3, inside & 7] += 1
    return count


def fixtures(state: GridState, lane: int) -> np.ndarray:
    """What never moves and never goes [W, H, 2]: the kinds and colours of walls, floors, doors, goals and lava."""
    cells = state.grid[lane][..., :2].copy()
    cells[~np.isin(cells[..., 0], (WALL, FLOOR, DOOR, GOAL, LAVA))] = 0
    return cells


@settings(max_examples=80, derandomize=True)
@given(
    world=worlds(),
    errands=st.lists(st.sampled_from(ERRANDS), min_size=5, max_size=30),
    lane=st.integers(0, 2),
    view=st.sampled_from(range(3, 17, 2)),
    see_through_walls=st.booleans(),
)
def test_rules_and_views_are_minigrids(world, errands, lane: int, view: int, see_through_walls: bool) -> None:
    """Step for step; and whatever is played, the agent stays inside and no object is lost or doubled."""
    cells, agent_pos, agent_dir = world
    width, height, _ = cells.shape
    reference = AnyWorld(cells, *world[1:], agent_view_size=view, see_through_walls=see_through_walls)
    observation, _ = reference.reset()

    state = empty_worlds(3, width, height)  # the world of interest in one lane; the others must stay untouched
    state.grid[lane], state.agent_pos[lane], state.agent_dir[lane] = cells, agent_pos, agent_dir
    views = np.full((3, view, view, 3), 77, dtype=np.uint8)

    def check(observation) -> None:
        write_view(state, lane, views[lane], view, see_through_walls)
        np.testing.assert_array_equal(views[lane], observation["image"])
        np.testing.assert_array_equal(state.grid[lane], reference.all_cells())
        assert tuple(state.carrying[lane]) == encode(reference.carrying)
        assert tuple(state.agent_pos[lane]) == tuple(reference.agent_pos)
        assert state.agent_dir[lane] == reference.agent_dir

    check(observation)
    unmoved, present = fixtures(state, lane), things(state, lane)
    for count, action in enumerate(itertools.chain(*errands), start=1):
        ahead = state.grid[lane][tuple(reference.front_pos)].copy()
        observation, reward, terminated, _, _ = reference.step(action)
        event = act(state, lane, action)
        assert (event != 0) == terminated
        assert (event == ENTERED_GOAL) == (reward > 0)
        assert (event == ENTERED_LAVA) == (terminated and reward == 0)
        assert state.step_count[lane] == count
        check(observation)

        x, y = state.agent_pos[lane]
        assert 0 < x < width - 1 and 0 < y < height - 1
        if action == TOGGLE and ahead[0] == BOX:  # it goes, and what was inside stays
            present -= Counter({(BOX, ahead[1]): 1})
        assert things(state, lane) == present
        np.testing.assert_array_equal(fixtures(state, lane), unmoved)

    others = np.arange(3) != lane
    assert (views[others] == 77).all()
    assert (state.step_count[others] == 0).all() and (state.grid[others] == (EMPTY, 0, 0)).all()
    np.testing.assert_array_equal(draw(views[lane]), reference.get_frame(tile_size=TILE, agent_pov=True))


def test_every_action_on_every_cell_with_every_burden() -> None:
    """Exhaustive, since chance rarely brings the wrong key to a locked door."""
    burdens = [(EMPTY, 0, 0), (KEY, RED, 0), (KEY, GREEN, 0), (BALL, 4, 0), (BOX, RED, 0), (BOX, 1, pack_box(KEY, 2))]
    for cell in sorted(set(WORLD_CELLS)):
        for burden in burdens:
            for action in range(7):
                cells = np.zeros((3, 4, 3), dtype=np.uint8)
                cells[:] = (WALL, GREY, 0)
                cells[1, 2] = (EMPTY, 0, 0)
                cells[1, 1] = cell
                reference = AnyWorld(cells, (1, 2), 3)
                reference.reset()
                reference.carrying = decode(burden)
                state = empty_worlds(1, 3, 4)
                state.grid[0], state.agent_pos[0], state.agent_dir[0] = cells, (1, 2), 3
                state.carrying[0] = burden

                _, _, terminated, _, _ = reference.step(action)
                case = (cell, burden, action)
                assert (act(state, 0, action) != 0) == terminated, case
                assert tuple(state.carrying[0]) == encode(reference.carrying), case
                assert tuple(state.agent_pos[0]) == tuple(reference.agent_pos), case
                np.testing.assert_array_equal(state.grid[0], reference.all_cells(), err_msg=str(case))


def test_every_tile_is_minigrids() -> None:
    """Each kind in each colour and state, seen beside the agent and carried by it."""
    for kind in (WALL, FLOOR, DOOR, KEY, BALL, BOX):
        for colour in range(6):
            for door_state in (OPEN, CLOSED, LOCKED) if kind == DOOR else (0,):
                cells = np.zeros((5, 5, 3), dtype=np.uint8)
                cells[:] = (WALL, GREY, 0)
                cells[2, 2] = (EMPTY, 0, 0)
                cells[2, 1] = (kind, colour, door_state)
                reference = AnyWorld(cells, (2, 2), 3)
                reference.reset()
                state = empty_worlds(1, 5, 5)
                state.grid[0], state.agent_pos[0], state.agent_dir[0] = cells, (2, 2), 3
                view = np.zeros((VIEW, VIEW, 3), dtype=np.uint8)
                for action in (6, 3):  # done, then pick up what lies ahead
                    reference.step(action)
                    act(state, 0, action)
                    write_view(state, 0, view, VIEW, False)
                    np.testing.assert_array_equal(draw(view), reference.get_frame(tile_size=TILE, agent_pov=True))
