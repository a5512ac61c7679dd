"""Helpers for the tests of Key-to-Door and Visual Match: walking, colours, and playing twins side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from reinstate.envs.three_phases import EXPLORE, KEY
from tests.envs.maze_play import assert_same, state_of
from tests.envs.reference import make_reference

NORTH, SOUTH, WEST, EAST = range(4)
MOVES = {"n": NORTH, "s": SOUTH, "w": WEST, "e": EAST}

# The original's colours in thousandths, scaled to bytes by hand: 255 * 0.898 = 228.99 is 228, and so on.
FLOOR, WALL, PLAYER = (204, 204, 204), (25, 25, 25), (228, 148, 109)
KEY_COLOUR, BLINK, DOOR, APPLE = (159, 81, 44), (255, 255, 255), (134, 206, 235), (140, 178, 0)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
LOOKS = {" ": FLOOR, "#": WALL, "+": PLAYER, "k": KEY_COLOUR, "i": BLINK, "d": DOOR, "a": APPLE}
LOOKS |= {"R": RED, "G": GREEN, "B": BLUE}


def drawn(view: np.ndarray) -> list[str]:
    """A view [5, 5, 3] as five strings."""
    character = {look: c for c, look in LOOKS.items()}
    return ["".join(character[tuple(cell)] for cell in row) for row in view.tolist()]


class World:
    """The state of a single environment."""

    def __init__(self, env: gym.Env):
        state = state_of(env)
        self.phase = int(state.phase)
        self.boards = state.boards  # [3, 7, 11]; of the phases to come, as drawn
        self.board = state.boards[self.phase]
        self.position = tuple(state.position.tolist())
        self.target = int(state.target)
        self.has_key = bool(state.has_key)


def seed_where(env: gym.Env, wanted: Callable[[World], bool]) -> int:
    """The first seed whose episode is as wanted; `wanted` gets the world after the reset."""
    return next(seed for seed in range(5000) if env.reset(seed=seed) and wanted(World(env)))


def walk(env: gym.Env, path: str) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
    """Take the steps of a path such as "nne"; the last outcome, with the sum of all rewards."""
    total = 0.0
    for letter in path:
        outcome = env.step(MOVES[letter])
        total += outcome[1]
    return outcome[0], total, *outcome[2:]


def path_between(start: tuple[int, int], end: tuple[int, int]) -> str:
    """North or south first, then west or east; the caller knows that nothing is in the way."""
    (row, column), (end_row, end_column) = start, end
    rows, columns = int(end_row - row), int(end_column - column)
    return ("s" * rows if rows > 0 else "n" * -rows) + ("e" * columns if columns > 0 else "w" * -columns)


def path_to_key(world: World) -> str:
    """From the start of Key-to-Door's first phase through the middle of the passage."""
    assert world.phase == EXPLORE
    (key,) = np.argwhere(world.board == KEY)
    row, column = world.position
    return path_between((row, column), (row, 5)) + path_between((row, 5), tuple(key))


def chance_level(env_id: str, episodes: int, **options: Any) -> tuple[float, float]:
    """Share of successes and mean reward of the last phase under a random policy, in the batched environment."""
    env = gym.make_vec(env_id, num_envs=episodes, **options)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    done = np.zeros(episodes, dtype=bool)
    while not done.any():
        _, _, done, truncated, infos = env.step(rng.integers(4, size=episodes))
        assert not truncated.any()
    assert done.all()
    return infos["final_info"]["is_success"].mean(), infos["final_info"]["last_phase_reward"].mean()


def play_twins(env_id: str, options: dict[str, Any], policy: Callable[[Any, np.random.Generator], int]) -> list[bool]:
    """Step a batch and its reference side by side under a policy that sees the reference; all successes."""
    num_envs = 3
    batched = gym.make_vec(env_id, num_envs=num_envs, **options)
    single = gym.vector.SyncVectorEnv(
        [lambda: make_reference(env_id, **options)] * num_envs, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP
    )
    assert_same(batched.reset(seed=3)[0], single.reset(seed=3)[0])
    rng = np.random.default_rng(0)
    successes: list[bool] = []
    for _ in range(5 * batched.layout.episode_steps):
        actions = np.array([policy(env.unwrapped, rng) for env in single.envs])
        outcome = batched.step(actions)
        for ours, theirs in zip(outcome, single.step(actions), strict=True):
            assert_same(ours, theirs)
        if "final_info" in outcome[4]:
            successes += outcome[4]["final_info"]["is_success"].tolist()
    assert len(successes) == 5 * num_envs
    return successes


def wander_towards(env: Any, cells: np.ndarray, rng: np.random.Generator) -> int:
    """A step towards the nearest of the cells [N, 2], or any step, so that all kinds of things happen."""
    if len(cells) == 0 or rng.random() < 0.25:
        return int(rng.integers(4))
    row, column = env.position
    row_end, column_end = cells[np.abs(cells - [row, column]).sum(axis=1).argmin()]
    if column_end != column and (row_end == row or rng.random() < 0.5):
        return EAST if column_end > column else WEST
    return SOUTH if row_end > row else NORTH
