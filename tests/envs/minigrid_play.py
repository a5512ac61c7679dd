"""A player that solves most MiniGrid tasks from the world's own objects, so that tests see episodes end well."""

from __future__ import annotations

from collections import deque

import numpy as np
from minigrid import envs as tasks
from minigrid.core.constants import DIR_TO_VEC
from minigrid.minigrid_env import MiniGridEnv

from reinstate.envs.engine.grid import DONE, DROP, FORWARD, LEFT, NUM_ACTIONS, PICKUP, RIGHT, TOGGLE

Cell = tuple[int, int]
Errand = tuple[Cell, int]  # a cell to face and what to do there

RANDOM_SHARES = np.array([0.15, 0.15, 0.45, 0.08, 0.05, 0.1, 0.02])


def random_action(rng: np.random.Generator) -> int:
    return int(rng.choice(NUM_ACTIONS, p=RANDOM_SHARES))


def clever_action(env: MiniGridEnv, mistaken: bool, rng: np.random.Generator) -> int:
    """The next action towards success (or, if mistaken and the task has it, towards failure), with some stumbling."""
    if rng.random() < 0.15:
        return random_action(rng)
    for cell, action in _errands(env, mistaken):
        step = _towards(env, cell, action)
        if step is not None:
            return step
    return random_action(rng)


def _all_of(env: MiniGridEnv, kind: str, color: str | None = None) -> list[Cell]:
    return [
        (i % env.width, i // env.width)
        for i, thing in enumerate(env.grid.grid)
        if thing is not None and thing.type == kind and color in (None, thing.color)
    ]


def _errands(env: MiniGridEnv, mistaken: bool) -> list[Errand]:
    """What to try, the first that can be reached first."""
    if isinstance(env, tasks.MemoryEnv):
        return [(env.failure_pos if mistaken else env.success_pos, FORWARD)]
    if isinstance(env, tasks.RedBlueDoorEnv):
        door = env.blue_door if mistaken or env.red_door.is_open else env.red_door
        return [(cell, TOGGLE) for cell in _all_of(env, "door", door.color)]
    if isinstance(env, tasks.GoToDoorEnv | tasks.GoToObjectEnv):
        x, y = env.target_pos
        return [((x, y), LEFT if mistaken else DONE)]
    if isinstance(env, tasks.FetchEnv):
        return [(cell, PICKUP) for cell in _all_of(env, env.targetType, None if mistaken else env.targetColor)]
    if isinstance(env, tasks.PutNearEnv):
        if env.carrying is None:
            return [(tuple(env.target_pos if mistaken else env.move_pos), PICKUP)]
        x, y = env.target_pos
        return [((x + dx, y + dy), DROP) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if not env.grid.get(x + dx, y + dy)]
    return _final_errands(env) + _unlocking_errands(env)


def _final_errands(env: MiniGridEnv) -> list[Errand]:
    if hasattr(env, "obj"):
        cells = [(i % env.width, i // env.width) for i, thing in enumerate(env.grid.grid) if thing is env.obj]
        if env.carrying and any(_towards(env, cell, PICKUP) is not None for cell in cells):
            return _put_down(env, [])
        return [(cell, PICKUP) for cell in cells]
    return [(cell, FORWARD) for cell in _all_of(env, "goal")]


def _unlocking_errands(env: MiniGridEnv) -> list[Errand]:
    locked = [cell for cell in _all_of(env, "door") if env.grid.get(*cell).is_locked]
    if env.carrying is None:
        blocking = [ball for ball in _all_of(env, "ball") if any(_are_neighbours(ball, door) for door in locked)]
        colors = {env.grid.get(*cell).color for cell in locked}
        keys = [cell for color in sorted(colors) for cell in _all_of(env, "key", color)]
        return [(cell, PICKUP) for cell in blocking + keys] + [(cell, TOGGLE) for cell in _all_of(env, "box")]
    if env.carrying.type == "key":
        return [(cell, TOGGLE) for cell in locked if env.grid.get(*cell).color == env.carrying.color]
    return _put_down(env, locked)


def _put_down(env: MiniGridEnv, clear_of: list[Cell]) -> list[Errand]:
    x, y = env.front_pos
    in_the_way = env.grid.get(x, y) is not None or any(_are_neighbours((x, y), cell) for cell in clear_of)
    return [((x, y), LEFT if in_the_way else DROP)]


def _are_neighbours(one: Cell, other: Cell) -> bool:
    return abs(one[0] - other[0]) + abs(one[1] - other[1]) == 1


def _towards(env: MiniGridEnv, target: Cell, action: int) -> int | None:
    """The first action of a shortest walk that ends facing the target, `action` on arrival, None without a way."""
    start = (int(env.agent_pos[0]), int(env.agent_pos[1]))
    before: dict[Cell, Cell] = {start: start}
    queue = deque([start])
    while queue and target not in before:
        x, y = queue.popleft()
        for dx, dy in DIR_TO_VEC:
            cell = (int(x + dx), int(y + dy))
            if cell in before or not (0 <= cell[0] < env.width and 0 <= cell[1] < env.height):
                continue
            thing = env.grid.get(*cell)
            free = thing is None or thing.type in ("floor", "goal") or (thing.type == "door" and not thing.is_locked)
            if free or cell == target:
                before[cell] = (x, y)
                queue.append(cell)
    if target not in before or target == start:
        return None
    ahead = target
    while before[ahead] != start:
        ahead = before[ahead]
    wanted = next(d for d in range(4) if tuple(start + DIR_TO_VEC[d]) == ahead)
    if wanted != env.agent_dir:
        return LEFT if (env.agent_dir - wanted) % 4 == 1 else RIGHT
    if ahead == target:
        return action
    thing = env.grid.get(*ahead)
    return TOGGLE if thing is not None and thing.type == "door" and not thing.is_open else FORWARD
