"""The worlds of MiniGrid-Memory without MiniGrid's objects: the same draws from the same generator, into arrays."""

from __future__ import annotations

from functools import cache

import numpy as np
from minigrid.envs import MemoryEnv

from envs.grid_engine import BALL, EMPTY, GREEN, GREY, KEY, WALL, GridState

START_ROOM_END = 4  # the column of its exit


@cache
def _empty_maze(size: int, hallway_end: int) -> np.ndarray:
    """All but the objects [size, size, 3] uint8; the callers only copy it."""
    middle = size // 2
    walls = np.zeros((size, size), dtype=bool)  # [x, y]
    walls[[0, -1]] = walls[:, [0, -1]] = True
    walls[1 : START_ROOM_END + 1, [middle - 2, middle + 2]] = True  # the start room
    walls[START_ROOM_END:hallway_end, [middle - 1, middle + 1]] = True
    walls[hallway_end : hallway_end + 3 : 2] = True  # the crossing corridor at the end
    walls[hallway_end, middle] = False
    maze = np.zeros((size, size, 3), dtype=np.uint8)
    maze[..., 0] = EMPTY
    maze[walls] = (WALL, GREY, 0)
    return maze


def begin_memory(env: MemoryEnv, rng: np.random.Generator, world: GridState, task: np.ndarray, b: int) -> None:
    """Draw an episode of `env` into world b and its numbers into `task` [4], as `MemoryEnv._gen_grid` draws it."""
    size, middle = env.size, env.size // 2
    hallway_end = int(rng.integers(4, size - 2)) if env.random_length else size - 3
    x = rng.integers(1, hallway_end + 1)
    shown = (KEY, BALL)[rng.integers(0, 2)]
    upper, lower = ((BALL, KEY), (KEY, BALL))[rng.integers(0, 2)]

    cells = world.grid[b]
    cells[:] = _empty_maze(size, hallway_end)
    cells[1, middle - 1] = (shown, GREEN, 0)
    cells[hallway_end + 1, middle - 2] = (upper, GREEN, 0)
    cells[hallway_end + 1, middle + 2] = (lower, GREEN, 0)
    world.agent_pos[b] = x, middle
    world.agent_dir[b] = 0
    right, wrong = (middle - 1, middle + 1) if shown == upper else (middle + 1, middle - 1)
    task[:] = hallway_end + 1, right, hallway_end + 1, wrong
