"""The worlds of MiniGrid-Memory without MiniGrid's objects: the same draws from the same generators, into arrays."""

from __future__ import annotations

import numpy as np
from numba import njit

from reinstate.envs.grid_engine import BALL, EMPTY, GREEN, GREY, KEY, WALL, GridState
from reinstate.envs.pcg64 import integers

START_ROOM_END = 4  # the column of its exit


def memory_mazes(size: int) -> np.ndarray:
    """All but the objects [size - 2, size, size, 3] uint8, by the column at which the hallway ends."""
    middle = size // 2
    mazes = np.zeros((size - 2, size, size, 3), dtype=np.uint8)
    mazes[..., 0] = EMPTY
    for hallway_end in range(START_ROOM_END, size - 2):
        walls = np.zeros((size, size), dtype=bool)  # [x, y]
        walls[[0, -1]] = walls[:, [0, -1]] = True
        walls[1 : START_ROOM_END + 1, [middle - 2, middle + 2]] = True  # the start room
        walls[START_ROOM_END:hallway_end, [middle - 1, middle + 1]] = True
        walls[hallway_end : hallway_end + 3 : 2] = True  # the crossing corridor at the end
        walls[hallway_end, middle] = False
        mazes[hallway_end, walls] = (WALL, GREY, 0)
    return mazes


@njit(cache=True)
def begin_memories(
    world: GridState,
    generators: np.ndarray,  # [B, 6]
    which: np.ndarray,  # [N]
    mazes: np.ndarray,  # of `memory_mazes`
    random_length: bool,
    tasks: np.ndarray,  # [B, 4 or more] out: where right and wrong are, (x, y) each
) -> None:
    """Draw episodes for the worlds `which`, as `MemoryEnv._gen_grid` draws them: all but `carrying`, `step_count`."""
    size = mazes.shape[1]
    middle = size // 2
    for b in which:
        generator = generators[b]
        hallway_end = integers(generator, 4, size - 2) if random_length else size - 3
        world.agent_pos[b, 0], world.agent_pos[b, 1] = integers(generator, 1, hallway_end + 1), middle
        world.agent_dir[b] = 0
        shown = BALL if integers(generator, 0, 2) == 1 else KEY
        upper, lower = (KEY, BALL) if integers(generator, 0, 2) == 1 else (BALL, KEY)

        cells = world.grid[b]
        for x in range(size):
            for y in range(size):
                for part in range(3):
                    cells[x, y, part] = mazes[hallway_end, x, y, part]
        end = hallway_end + 1
        for x, y, kind in ((1, middle - 1, shown), (end, middle - 2, upper), (end, middle + 2, lower)):
            cells[x, y, 0], cells[x, y, 1] = kind, GREEN
        right, wrong = (middle - 1, middle + 1) if shown == upper else (middle + 1, middle - 1)
        tasks[b, 0], tasks[b, 1], tasks[b, 2], tasks[b, 3] = end, right, end, wrong
