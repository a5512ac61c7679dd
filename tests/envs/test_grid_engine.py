"""The compiled grid rules against minigrid itself, on worlds that hypothesis makes up."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import WorldObj
from minigrid.minigrid_env import MiniGridEnv

from envs.grid_engine import (
    BALL,
    BOX,
    CLOSED,
    DOOR,
    EMPTY,
    ENTERED_GOAL,
    ENTERED_LAVA,
    FLOOR,
    GOAL,
    GREEN,
    GREY,
    KEY,
    LAVA,
    LOCKED,
    OPEN,
    VIEW,
    WALL,
    act,
    empty_state,
    write_views,
)
from envs.grid_pixels import TILE, draw_views

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


class AnyWorld(MiniGridEnv):
    """MiniGrid with a world given by its encoding."""

    def __init__(self, cells: np.ndarray, agent_pos: tuple[int, int], agent_dir: int):
        self.cells, self.start = cells, (agent_pos, agent_dir)
        width, height, _ = cells.shape
        super().__init__(MissionSpace(lambda: ""), width=width, height=height, max_steps=10**6)

    def _gen_grid(self, width: int, height: int) -> None:
        self.grid = Grid(width, height)
        for x in range(width):
            for y in range(height):
                self.grid.set(x, y, WorldObj.decode(*self.cells[x, y]))
        self.agent_pos, self.agent_dir = self.start


@st.composite
def worlds(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, int], int]:
    """Encoded cells [W, H, 3] with walls all round, and an agent on an empty cell."""
    width, height = draw(st.integers(3, 11)), draw(st.integers(3, 11))
    inner = (width - 2) * (height - 2)
    chosen = draw(st.lists(st.sampled_from(WORLD_CELLS), min_size=inner, max_size=inner))
    cells = np.empty((width, height, 3), dtype=np.uint8)
    cells[:] = (WALL, GREY, 0)
    cells[1:-1, 1:-1] = np.array(chosen).reshape(width - 2, height - 2, 3)
    agent_pos = draw(st.integers(1, width - 2)), draw(st.integers(1, height - 2))
    cells[agent_pos] = (EMPTY, 0, 0)
    return cells, agent_pos, draw(st.integers(0, 3))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(world=worlds(), actions=st.lists(st.integers(0, 6), max_size=25), lane=st.integers(0, 2))
def test_rules_and_views_are_minigrids(world, actions: list[int], lane: int) -> None:
    cells, agent_pos, agent_dir = world
    reference = AnyWorld(cells, agent_pos, agent_dir)
    observation, _ = reference.reset()

    state = empty_state(3, *cells.shape[:2])  # the world of interest in one lane; the others must stay untouched
    state.grid[lane] = cells
    state.agent_pos[lane] = agent_pos
    state.agent_dir[lane] = agent_dir
    views = np.full((3, VIEW, VIEW, 3), 77, dtype=np.uint8)

    def check(observation) -> None:
        write_views(state, np.array([lane]), views)
        np.testing.assert_array_equal(views[lane], observation["image"])
        np.testing.assert_array_equal(state.grid[lane], reference.grid.encode())
        assert tuple(state.agent_pos[lane]) == tuple(reference.agent_pos)
        assert state.agent_dir[lane] == reference.agent_dir

    check(observation)
    for count, action in enumerate(actions, start=1):
        observation, reward, terminated, _, _ = reference.step(action)
        event = act(state, lane, action)
        assert (event != 0) == terminated
        assert (event == ENTERED_GOAL) == (reward > 0)
        assert (event == ENTERED_LAVA) == (terminated and reward == 0)
        assert state.step_count[lane] == count
        check(observation)

    others = np.arange(3) != lane
    assert (views[others] == 77).all()
    assert (state.step_count[others] == 0).all()
    pixels = np.zeros((3, VIEW * TILE, VIEW * TILE, 3), dtype=np.uint8)
    draw_views(views, np.array([lane]), pixels)
    np.testing.assert_array_equal(pixels[lane], reference.get_frame(tile_size=TILE, agent_pov=True))


def test_every_action_on_every_cell_with_every_burden() -> None:
    """Exhaustive, since chance rarely brings the wrong key to a locked door."""
    burdens = [(EMPTY, 0, 0), (KEY, RED, 0), (KEY, GREEN, 0), (BALL, 4, 0), (BOX, RED, 0)]
    for cell in sorted(set(WORLD_CELLS)):
        for burden in burdens:
            for action in range(7):
                cells = np.zeros((3, 4, 3), dtype=np.uint8)
                cells[:] = (WALL, GREY, 0)
                cells[1, 2] = (EMPTY, 0, 0)
                cells[1, 1] = cell
                reference = AnyWorld(cells, (1, 2), 3)
                reference.reset()
                reference.carrying = WorldObj.decode(*burden)
                state = empty_state(1, 3, 4)
                state.grid[0], state.agent_pos[0], state.agent_dir[0] = cells, (1, 2), 3
                state.carrying[0] = burden

                _, _, terminated, _, _ = reference.step(action)
                case = (cell, burden, action)
                assert (act(state, 0, action) != 0) == terminated, case
                carried = reference.carrying.encode() if reference.carrying else (EMPTY, 0, 0)
                assert tuple(state.carrying[0]) == carried, case
                assert tuple(state.agent_pos[0]) == tuple(reference.agent_pos), case
                np.testing.assert_array_equal(state.grid[0], reference.grid.encode(), err_msg=str(case))


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
                state = empty_state(1, 5, 5)
                state.grid[0], state.agent_pos[0], state.agent_dir[0] = cells, (2, 2), 3
                views = np.zeros((1, VIEW, VIEW, 3), dtype=np.uint8)
                pixels = np.zeros((1, VIEW * TILE, VIEW * TILE, 3), dtype=np.uint8)
                for action in (6, 3):  # done, then pick up what lies ahead
                    reference.step(action)
                    act(state, 0, action)
                    write_views(state, np.array([0]), views)
                    draw_views(views, np.array([0]), pixels)
                    np.testing.assert_array_equal(pixels[0], reference.get_frame(tile_size=TILE, agent_pov=True))
