"""What MiniGrid's own tasks add to the rules of the grid: when an episode ends, and whether it was a success.

What `player_of` returns plays one action in every world, as the `step` of a MiniGrid 3.2 class does; then one rule, a
function below, tells the outcome. The numbers that a rule needs about the episode (where the door is, which object is
wanted) are the row b of `tasks` [B, TASK_NUMBERS] int64. `TASKS` says for each class which rule it has and how its
numbers are read off an environment that was just reset.
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

from reinstate.envs.grid_engine import (
    DONE,
    DROP,
    EMPTY,
    ENTERED_GOAL,
    NOTHING,
    OPEN,
    PICKUP,
    TOGGLE,
    GridState,
    act,
    direction_vector,
    write_views,
)

TASK_NUMBERS = 4

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
def player_of(rule: int) -> Callable[..., None]:
    """The compiled step of all worlds under one rule, their views included.

    It takes the arguments written below and fills the last four. The rule is a constant of the loop: as an argument it
    would cost a third of the speed. And views are part of it because to enter compiled code takes as long as a step.
    """

    @njit(cache=True)
    def play(
        max_steps: int,
        see_through_walls: bool,
        world: GridState,
        tasks: np.ndarray,  # [B, TASK_NUMBERS]
        actions: np.ndarray,  # [B]
        rewards: np.ndarray,  # [B] float64, out
        terminated: np.ndarray,  # [B] bool, out
        truncated: np.ndarray,  # [B] bool, out
        views: np.ndarray,  # [B, V, V, 3] uint8, out
    ) -> None:
        for b in range(len(actions)):
            action = actions[b]
            if rule == MATCH_MEMORY and action == PICKUP:
                action = TOGGLE
            was = _was(rule, world, b, tasks)
            # One call for all rules: the compiler puts one into the loop, but not eight.
            event = act(world, b, action)
            outcome = _outcome(rule, world, b, action, tasks, was, event)
            step = world.step_count[b]
            rewards[b] = 1 - 0.9 * (step / max_steps) if outcome == SUCCESS else 0.0
            # An episode may be terminated and truncated by the same step, as in MiniGrid.
            terminated[b] = outcome != GOES_ON
            truncated[b] = step >= max_steps
        write_views(world, np.arange(len(actions)), views, see_through_walls)

    return play


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
