"""What MiniGrid's own tasks add to the rules of the grid: when an episode ends, and whether it was a success.

What `step_of` returns plays one action in one world, as the `step` of a MiniGrid 3.2 class does; then a function below
tells the outcome. The numbers that it needs about the episode (where the door is, which object is wanted) are the row b
of `task_numbers` [B, TASK_NUMBERS] int64. `TASKS` says for each class how its episodes end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import minigrid.envs as minigrid_envs
import numpy as np
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.world_object import WorldObj
from minigrid.minigrid_env import MiniGridEnv

from reinstate.envs.engine import grid
from reinstate.envs.engine.loops import rule
from reinstate.envs.engine.pcg64 import integers
from reinstate.envs.engine.pixels import Canvas, draw_view

TASK_NUMBERS = 4
START_ROOM_END = 4  # the column of its exit, in MiniGrid-Memory


class Layout(NamedTuple):
    """What the options of a MiniGrid environment decide."""

    max_steps: int  # what rewards are measured by
    time_limit: int  # steps until an episode is truncated: max_steps, or fewer where the registration says so
    see_through_walls: bool
    canvas: Canvas | None  # None: symbols
    random_length: bool  # of the hallway of MiniGrid-Memory


class State(NamedTuple):
    """The state of B MiniGrid environments."""

    world: grid.GridState
    task_numbers: np.ndarray  # [B, TASK_NUMBERS] int64
    success: np.ndarray  # [B] int64: 1 after a last step that was a success


GOES_ON, SUCCESS, FAILURE = range(3)  # outcomes of one step

# Each function from here to `_put_near` is an outcome of `step_of`, or what an outcome must know of the moment before
# the action (`was`). `task` [TASK_NUMBERS] is the row of its environment, and `event` what `act` returned.


@rule
def _nothing(world: grid.GridState, b: int, task: np.ndarray) -> bool:
    return False


@rule
def _holds_something(world: grid.GridState, b: int, task: np.ndarray) -> bool:
    return bool(world.carrying[b, 0] != grid.EMPTY)


@rule
def _reach_goal(world: grid.GridState, b: int, action: int, task: np.ndarray, was: bool, event: int) -> int:
    if event == grid.NOTHING:
        return GOES_ON
    return SUCCESS if event == grid.ENTERED_GOAL else FAILURE


@rule
def _match_memory(world: grid.GridState, b: int, action: int, task: np.ndarray, was: bool, event: int) -> int:
    """Numbers: x, y of the cell beside the matching object, x, y beside the other."""
    x, y = world.agent_pos[b, 0], world.agent_pos[b, 1]
    if x == task[0] and y == task[1]:
        return SUCCESS
    return FAILURE if x == task[2] and y == task[3] else GOES_ON


@rule
def _red_door_is_open(world: grid.GridState, b: int, task: np.ndarray) -> bool:
    return bool(world.grid[b, task[0], task[1], 2] == grid.OPEN)


@rule
def _open_both_doors(world: grid.GridState, b: int, action: int, task: np.ndarray, was: bool, event: int) -> int:
    """Numbers: x, y of the red door, which comes first, x, y of the blue one."""
    if world.grid[b, task[2], task[3], 2] != grid.OPEN:
        return GOES_ON
    return SUCCESS if was else FAILURE


@rule
def _open_door(world: grid.GridState, b: int, action: int, task: np.ndarray, was: bool, event: int) -> int:
    """Numbers: x, y of the door."""
    return SUCCESS if action == grid.TOGGLE and world.grid[b, task[0], task[1], 2] == grid.OPEN else GOES_ON


@rule
def _can_pick_up(world: grid.GridState, b: int, task: np.ndarray) -> bool:
    dx, dy = grid.direction_vector(world.agent_dir[b])
    is_ahead = world.agent_pos[b, 0] + dx == task[0] and world.agent_pos[b, 1] + dy == task[1]
    return bool(is_ahead and world.carrying[b, 0] == grid.EMPTY)


@rule
def _pick_up_at(world: grid.GridState, b: int, action: int, task: np.ndarray, was: bool, event: int) -> int:
    """Numbers: x, y of the wanted object, which nobody can move without ending the episode, and its kind."""
    return SUCCESS if action == grid.PICKUP and was and world.carrying[b, 0] == task[2] else GOES_ON


@rule
def _fetch(world: grid.GridState, b: int, action: int, task: np.ndarray, was: bool, event: int) -> int:
    """Numbers: kind and colour of the wanted object."""
    kind, colour = world.carrying[b, 0], world.carrying[b, 1]
    if kind == grid.EMPTY:
        return GOES_ON
    return SUCCESS if kind == task[0] and colour == task[1] else FAILURE


@rule
def _go_to(world: grid.GridState, b: int, action: int, task: np.ndarray, was: bool, event: int) -> int:
    """Numbers: x, y of the door or object to say "done" beside."""
    if action == grid.TOGGLE:
        return FAILURE
    if action != grid.DONE:
        return GOES_ON
    is_beside = abs(world.agent_pos[b, 0] - task[0]) + abs(world.agent_pos[b, 1] - task[1]) == 1
    return SUCCESS if is_beside else FAILURE


@rule
def _put_near(world: grid.GridState, b: int, action: int, task: np.ndarray, was: bool, event: int) -> int:
    """Numbers: x, y beside which to put, kind and colour of what to put there."""
    kind, colour = world.carrying[b, 0], world.carrying[b, 1]
    if action == grid.PICKUP and kind != grid.EMPTY and (kind != task[2] or colour != task[3]):
        return FAILURE
    if action == grid.DROP and was:
        dx, dy = grid.direction_vector(world.agent_dir[b])
        near_x = abs(world.agent_pos[b, 0] + dx - task[0]) <= 1
        near_y = abs(world.agent_pos[b, 1] + dy - task[1]) <= 1
        return SUCCESS if kind == grid.EMPTY and near_x and near_y else FAILURE
    return GOES_ON


@cache
def step_of(outcome: Callable[..., int], before: Callable[..., bool]) -> Callable[..., tuple[float, bool, bool]]:
    """The `step_one` of the environments whose episodes end as `outcome` says, which is told what `before` says."""
    pickup_toggles = outcome is _match_memory

    @rule
    def step_one(state: State, layout: Layout, generator: np.ndarray, b: int, action: int) -> tuple[float, bool, bool]:
        world, task = state.world, state.task_numbers[b]
        if pickup_toggles and action == grid.PICKUP:
            action = grid.TOGGLE
        was = before(world, b, task)
        event = grid.act(world, b, action)
        result = outcome(world, b, action, task, was, event)
        step = world.step_count[b]
        state.success[b] = result == SUCCESS
        reward = 1 - 0.9 * (step / layout.max_steps) if result == SUCCESS else 0.0
        # An episode may be terminated and truncated by the same step, as in MiniGrid.
        return reward, result != GOES_ON, step >= layout.time_limit

    return step_one


@cache
def observe_of(observation: str, is_usual_size: bool) -> Callable[..., None]:
    """The `observe_one` for views of VIEW cells a side, or of any number if not `is_usual_size`."""

    @rule
    def observe_symbols(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
        grid.write_view(state.world, b, out, grid.VIEW if is_usual_size else out.shape[0], layout.see_through_walls)

    @rule
    def observe_pixels(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
        assert layout.canvas is not None
        view = layout.canvas.symbols
        grid.write_view(state.world, b, view, grid.VIEW if is_usual_size else view.shape[0], layout.see_through_walls)
        draw_view(layout.canvas, out)

    return observe_symbols if observation == "symbolic" else observe_pixels


@rule
def reset_memory(state: State, layout: Layout, generator: np.ndarray, b: int) -> None:
    """The `reset_one` of MiniGrid-Memory, with the draws of `MemoryEnv._gen_grid`; MiniGrid resets all others."""
    world, numbers = state.world, state.task_numbers[b]
    cells = world.grid[b]
    size = cells.shape[0]
    middle = size // 2
    hallway_end = integers(generator, 4, size - 2) if layout.random_length else size - 3
    world.agent_pos[b, 0], world.agent_pos[b, 1] = integers(generator, 1, hallway_end + 1), middle
    world.agent_dir[b] = world.step_count[b] = 0
    world.carrying[b, 0], world.carrying[b, 1], world.carrying[b, 2] = grid.EMPTY_CELL
    shown = grid.BALL if integers(generator, 0, 2) == 1 else grid.KEY
    upper, lower = (grid.KEY, grid.BALL) if integers(generator, 0, 2) == 1 else (grid.BALL, grid.KEY)

    for x in range(size):
        for y in range(size):
            off = abs(y - middle)
            border = x == 0 or x == size - 1 or y == 0 or y == size - 1
            start_room = x <= START_ROOM_END and off == 2
            hallway = START_ROOM_END <= x < hallway_end and off == 1
            crossing = (x == hallway_end and off > 0) or x == hallway_end + 2
            is_wall = border or start_room or hallway or crossing
            cells[x, y, 0], cells[x, y, 1] = (grid.WALL, grid.GREY) if is_wall else (grid.EMPTY, 0)
            cells[x, y, 2] = 0
    end = hallway_end + 1
    for x, y, kind in ((1, middle - 1, shown), (end, middle - 2, upper), (end, middle + 2, lower)):
        cells[x, y, 0], cells[x, y, 1] = kind, grid.GREEN
    right, wrong = (middle - 1, middle + 1) if shown == upper else (middle + 1, middle - 1)
    numbers[0], numbers[1], numbers[2], numbers[3] = end, right, end, wrong


class Task(NamedTuple):
    """When the episodes of a class end, and how to read its numbers off an environment that was just reset."""

    outcome: Callable[..., int]
    numbers: Callable[[Any], tuple[int, ...]] = lambda env: ()  # of an environment of the class
    before: Callable[..., bool] = _nothing


def _place(env: MiniGridEnv, thing: WorldObj) -> tuple[int, int]:
    """Where a thing is; not every thing's own `cur_pos` is kept."""
    y, x = divmod(next(i for i, other in enumerate(env.grid.grid) if other is thing), env.grid.width)
    return x, y


_PICK_UP = Task(_pick_up_at, lambda env: (*_place(env, env.obj), OBJECT_TO_IDX[env.obj.type]), _can_pick_up)
_GO_TO = Task(_go_to, lambda env: env.target_pos)
_GOAL = Task(_reach_goal)

TASKS: dict[type[MiniGridEnv], Task] = {
    minigrid_envs.BlockedUnlockPickupEnv: _PICK_UP,
    minigrid_envs.CrossingEnv: _GOAL,
    minigrid_envs.DistShiftEnv: _GOAL,
    minigrid_envs.DoorKeyEnv: _GOAL,
    minigrid_envs.EmptyEnv: _GOAL,
    minigrid_envs.FetchEnv: Task(_fetch, lambda env: (OBJECT_TO_IDX[env.targetType], COLOR_TO_IDX[env.targetColor])),
    minigrid_envs.FourRoomsEnv: _GOAL,
    minigrid_envs.GoToDoorEnv: _GO_TO,
    minigrid_envs.GoToObjectEnv: _GO_TO,
    minigrid_envs.KeyCorridorEnv: _PICK_UP,
    minigrid_envs.LavaGapEnv: _GOAL,
    minigrid_envs.LockedRoomEnv: _GOAL,
    minigrid_envs.MemoryEnv: Task(_match_memory, lambda env: (*env.success_pos, *env.failure_pos)),
    minigrid_envs.MultiRoomEnv: _GOAL,
    minigrid_envs.ObstructedMaze_1Dlhb: _PICK_UP,
    minigrid_envs.ObstructedMaze_Full: _PICK_UP,
    minigrid_envs.ObstructedMaze_Full_V1: _PICK_UP,
    minigrid_envs.PlaygroundEnv: _GOAL,
    minigrid_envs.PutNearEnv: Task(
        _put_near,
        lambda env: (*env.target_pos, OBJECT_TO_IDX[env.move_type], COLOR_TO_IDX[env.moveColor]),
        _holds_something,
    ),
    minigrid_envs.RedBlueDoorEnv: Task(
        _open_both_doors,
        lambda env: (*_place(env, env.red_door), *_place(env, env.blue_door)),
        _red_door_is_open,
    ),
    minigrid_envs.UnlockEnv: Task(_open_door, lambda env: _place(env, env.door)),
    minigrid_envs.UnlockPickupEnv: _PICK_UP,
}
