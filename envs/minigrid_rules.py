"""What MiniGrid's own tasks add to the rules of the grid: when an episode ends, and whether it was a success.

What `step_of` returns plays one action in one world, as the `step` of a MiniGrid 3.2 class does; then one rule, a
function below, tells the outcome. The numbers that a rule needs about the episode (where the door is, which object is
wanted) are the row b of `task_numbers` [B, TASK_NUMBERS] int64. `TASKS` says for each class which rule it has and how
its numbers are read off an environment that was just reset.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import minigrid.envs as minigrid_envs
import numpy as np
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.world_object import WorldObj
from minigrid.minigrid_env import MiniGridEnv
from numba import njit

from reinstate.envs.engine.grid import (
    BALL,
    DONE,
    DROP,
    EMPTY,
    EMPTY_CELL,
    ENTERED_GOAL,
    GREEN,
    GREY,
    KEY,
    NOTHING,
    OPEN,
    PICKUP,
    TOGGLE,
    WALL,
    GridState,
    act,
    direction_vector,
    write_view,
)
from reinstate.envs.engine.pcg64 import integers
from reinstate.envs.engine.pixels import draw_view

TASK_NUMBERS = 4


class Layout(NamedTuple):
    """What the options of a MiniGrid environment decide."""

    max_steps: int
    see_through_walls: bool
    view_size: int  # cells a side
    tiles: np.ndarray  # of `pixels.tile_words`; empty for symbolic observations
    mazes: np.ndarray  # of `memory_mazes`; empty for other environments
    random_length: bool  # of the hallway of MiniGrid-Memory


class State(NamedTuple):
    """The state of B MiniGrid environments."""

    world: GridState
    task_numbers: np.ndarray  # [B, TASK_NUMBERS] int64
    success: np.ndarray  # [B] int64: 1 after a last step that was a success


GOES_ON, SUCCESS, FAILURE = range(3)  # outcomes of one step

REACH_GOAL, MATCH_MEMORY, OPEN_BOTH_DOORS, OPEN_DOOR, PICK_UP_AT, FETCH, GO_TO, PUT_NEAR = range(8)


@njit(cache=True)
def _was(rule: int, world: GridState, b: int, tasks: np.ndarray) -> bool:
    """What a rule must know of the moment before the action."""
    if rule == OPEN_BOTH_DOORS:  # whether the red door is open
        return world.grid[b, tasks[b, 0], tasks[b, 1], 2] == OPEN
    if rule == PICK_UP_AT:  # whether the hands are free and the wanted place is ahead
        dx, dy = direction_vector(world.agent_dir[b])
        ahead = world.agent_pos[b, 0] + dx == tasks[b, 0] and world.agent_pos[b, 1] + dy == tasks[b, 1]
        return ahead and world.carrying[b, 0] == EMPTY
    return world.carrying[b, 0] != EMPTY  # whether something is carried


@njit(cache=True)
def _reach_goal(event: int) -> int:
    if event == NOTHING:
        return GOES_ON
    return SUCCESS if event == ENTERED_GOAL else FAILURE


@njit(cache=True)
def _match_memory(world: GridState, b: int, tasks: np.ndarray) -> int:
    """Numbers: x, y of the cell beside the matching object, x, y beside the other."""
    x, y = world.agent_pos[b, 0], world.agent_pos[b, 1]
    if x == tasks[b, 0] and y == tasks[b, 1]:
        return SUCCESS
    return FAILURE if x == tasks[b, 2] and y == tasks[b, 3] else GOES_ON


@njit(cache=True)
def _open_both_doors(world: GridState, b: int, tasks: np.ndarray, red_was_open: bool) -> int:
    """Numbers: x, y of the red door, which comes first, x, y of the blue one."""
    if world.grid[b, tasks[b, 2], tasks[b, 3], 2] != OPEN:
        return GOES_ON
    return SUCCESS if red_was_open else FAILURE


@njit(cache=True)
def _open_door(world: GridState, b: int, action: int, tasks: np.ndarray) -> int:
    """Numbers: x, y of the door."""
    return SUCCESS if action == TOGGLE and world.grid[b, tasks[b, 0], tasks[b, 1], 2] == OPEN else GOES_ON


@njit(cache=True)
def _pick_up_at(world: GridState, b: int, action: int, tasks: np.ndarray, could: bool) -> int:
    """Numbers: x, y of the wanted object, which nobody can move without ending the episode, and its kind."""
    return SUCCESS if action == PICKUP and could and world.carrying[b, 0] == tasks[b, 2] else GOES_ON


@njit(cache=True)
def _fetch(world: GridState, b: int, tasks: np.ndarray) -> int:
    """Numbers: kind and colour of the wanted object."""
    kind, colour = world.carrying[b, 0], world.carrying[b, 1]
    if kind == EMPTY:
        return GOES_ON
    return SUCCESS if kind == tasks[b, 0] and colour == tasks[b, 1] else FAILURE


@njit(cache=True)
def _go_to(world: GridState, b: int, action: int, tasks: np.ndarray) -> int:
    """Numbers: x, y of the door or object to say "done" beside."""
    if action == TOGGLE:
        return FAILURE
    if action != DONE:
        return GOES_ON
    beside = abs(world.agent_pos[b, 0] - tasks[b, 0]) + abs(world.agent_pos[b, 1] - tasks[b, 1]) == 1
    return SUCCESS if beside else FAILURE


@njit(cache=True)
def _put_near(world: GridState, b: int, action: int, tasks: np.ndarray, had_something: bool) -> int:
    """Numbers: x, y beside which to put, kind and colour of what to put there."""
    kind, colour = world.carrying[b, 0], world.carrying[b, 1]
    if action == PICKUP and kind != EMPTY and (kind != tasks[b, 2] or colour != tasks[b, 3]):
        return FAILURE
    if action == DROP and had_something:
        dx, dy = direction_vector(world.agent_dir[b])
        near_x = abs(world.agent_pos[b, 0] + dx - tasks[b, 0]) <= 1
        near_y = abs(world.agent_pos[b, 1] + dy - tasks[b, 1]) <= 1
        return SUCCESS if kind == EMPTY and near_x and near_y else FAILURE
    return GOES_ON


@njit(cache=True)
def _outcome(rule: int, world: GridState, b: int, action: int, tasks: np.ndarray, was: bool, event: int) -> int:
    if rule == REACH_GOAL:
        return _reach_goal(event)
    if rule == MATCH_MEMORY:
        return _match_memory(world, b, tasks)
    if rule == OPEN_BOTH_DOORS:
        return _open_both_doors(world, b, tasks, was)
    if rule == OPEN_DOOR:
        return _open_door(world, b, action, tasks)
    if rule == PICK_UP_AT:
        return _pick_up_at(world, b, action, tasks, was)
    if rule == FETCH:
        return _fetch(world, b, tasks)
    if rule == GO_TO:
        return _go_to(world, b, action, tasks)
    return _put_near(world, b, action, tasks, was)


@cache
def step_of(rule: int) -> Callable[..., tuple[float, bool, bool]]:
    """The `step_one` of the environments that have this rule.

    The rule is a constant of the compiled function: as an argument it would cost a third of the speed.
    """

    @njit(cache=True)
    def step_one(state: State, layout: Layout, generator: np.ndarray, b: int, action: int) -> tuple[float, bool, bool]:
        world = state.world
        if rule == MATCH_MEMORY and action == PICKUP:
            action = TOGGLE
        was = _was(rule, world, b, state.task_numbers)
        # One call for all rules: the compiler puts one into the loop, but not eight.
        event = act(world, b, action)
        outcome = _outcome(rule, world, b, action, state.task_numbers, was, event)
        step = world.step_count[b]
        state.success[b] = outcome == SUCCESS
        reward = 1 - 0.9 * (step / layout.max_steps) if outcome == SUCCESS else 0.0
        # An episode may be terminated and truncated by the same step, as in MiniGrid.
        return reward, outcome != GOES_ON, step >= layout.max_steps

    return step_one


@njit(cache=True)
def observe_symbols(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
    write_view(state.world, b, out, layout.see_through_walls)


@njit(cache=True)
def observe_pixels(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
    view = np.empty((layout.view_size, layout.view_size, 3), dtype=np.uint8)
    write_view(state.world, b, view, layout.see_through_walls)
    draw_view(view, layout.tiles, out)


START_ROOM_END = 4  # the column of its exit, in MiniGrid-Memory


def memory_mazes(size: int) -> np.ndarray:
    """MiniGrid-Memory without objects [size - 2, size, size, 3] uint8, by the column at which the hallway ends."""
    middle = size // 2
    mazes = np.full((size - 2, size, size, 3), EMPTY_CELL, dtype=np.uint8)
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
def reset_memory(state: State, layout: Layout, generator: np.ndarray, b: int) -> None:
    """The `reset_one` of MiniGrid-Memory, with the draws of `MemoryEnv._gen_grid`; MiniGrid resets all others."""
    world, mazes, numbers = state.world, layout.mazes, state.task_numbers[b]
    size = mazes.shape[1]
    middle = size // 2
    hallway_end = integers(generator, 4, size - 2) if layout.random_length else size - 3
    world.agent_pos[b, 0], world.agent_pos[b, 1] = integers(generator, 1, hallway_end + 1), middle
    world.agent_dir[b] = world.step_count[b] = 0
    world.carrying[b, 0], world.carrying[b, 1], world.carrying[b, 2] = EMPTY_CELL
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
    numbers[0], numbers[1], numbers[2], numbers[3] = end, right, end, wrong


class Task(NamedTuple):
    """A rule and how to read its numbers off an environment."""

    rule: int
    numbers: Callable[[MiniGridEnv], tuple[int, ...]] = lambda env: ()


def _place(env: MiniGridEnv, thing: WorldObj) -> tuple[int, int]:
    """Where a thing is; not every thing's own `cur_pos` is kept."""
    y, x = divmod(next(i for i, other in enumerate(env.grid.grid) if other is thing), env.grid.width)
    return x, y


_PICK_UP = Task(PICK_UP_AT, lambda env: (*_place(env, env.obj), OBJECT_TO_IDX[env.obj.type]))
_GO_TO = Task(GO_TO, lambda env: env.target_pos)
_GOAL = Task(REACH_GOAL)

TASKS: dict[type[MiniGridEnv], Task] = {
    minigrid_envs.BlockedUnlockPickupEnv: _PICK_UP,
    minigrid_envs.CrossingEnv: _GOAL,
    minigrid_envs.DistShiftEnv: _GOAL,
    minigrid_envs.DoorKeyEnv: _GOAL,
    minigrid_envs.EmptyEnv: _GOAL,
    minigrid_envs.FetchEnv: Task(FETCH, lambda env: (OBJECT_TO_IDX[env.targetType], COLOR_TO_IDX[env.targetColor])),
    minigrid_envs.FourRoomsEnv: _GOAL,
    minigrid_envs.GoToDoorEnv: _GO_TO,
    minigrid_envs.GoToObjectEnv: _GO_TO,
    minigrid_envs.KeyCorridorEnv: _PICK_UP,
    minigrid_envs.LavaGapEnv: _GOAL,
    minigrid_envs.LockedRoomEnv: _GOAL,
    minigrid_envs.MemoryEnv: Task(MATCH_MEMORY, lambda env: (*env.success_pos, *env.failure_pos)),
    minigrid_envs.MultiRoomEnv: _GOAL,
    minigrid_envs.ObstructedMaze_1Dlhb: _PICK_UP,
    minigrid_envs.ObstructedMaze_Full: _PICK_UP,
    minigrid_envs.ObstructedMaze_Full_V1: _PICK_UP,
    minigrid_envs.PlaygroundEnv: _GOAL,
    minigrid_envs.PutNearEnv: Task(
        PUT_NEAR, lambda env: (*env.target_pos, OBJECT_TO_IDX[env.move_type], COLOR_TO_IDX[env.moveColor])
    ),
    minigrid_envs.RedBlueDoorEnv: Task(
        OPEN_BOTH_DOORS, lambda env: (*_place(env, env.red_door), *_place(env, env.blue_door))
    ),
    minigrid_envs.UnlockEnv: Task(OPEN_DOOR, lambda env: _place(env, env.door)),
    minigrid_envs.UnlockPickupEnv: _PICK_UP,
}
