"""Ids, scripted players and comparisons that the tests of the environments share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import reinstate.envs  # noqa: F401
from reinstate.envs.engine.grid import BALL, FORWARD, GREEN, KEY, LEFT, RIGHT

GRID_IDS = [f"Reinstate/GridTMaze{kind}-v0" for kind in ("Passive", "Active", "CrowdedPassive", "CrowdedActive")]
TMAZE_IDS = ["Reinstate/TMazePassive-v0", "Reinstate/TMazeActive-v0"]
ENDLESS_ID = "Reinstate/GridTMazeEndless-v0"
MAZE_IDS = GRID_IDS + TMAZE_IDS
CHAIN_IDS = ["Reinstate/MemoryChain-v0", "Reinstate/UmbrellaChain-v0"]
VISUAL_MATCH_IDS = ["Reinstate/VisualMatchPassive-v0", "Reinstate/VisualMatchActive-v0"]
PHASE_IDS = ["Reinstate/KeyToDoor-v0", *VISUAL_MATCH_IDS]
ALL_IDS = [*MAZE_IDS, ENDLESS_ID] + CHAIN_IDS + PHASE_IDS

# One id for each set of compiled rules. The others of a family differ by numbers in their layout.
EVERY_FAMILY = [GRID_IDS[3], ENDLESS_ID, TMAZE_IDS[1], *CHAIN_IDS, PHASE_IDS[0], VISUAL_MATCH_IDS[1]]


def slow_unless(
    fast: list[str], case_of: Callable[[str], tuple] = lambda env_id: (env_id,), ids: list[str] = ALL_IDS
) -> list[Any]:
    """The case of each id, for `pytest.mark.parametrize`; slow, but for those of the `fast` ids."""
    marks = {env_id: () if env_id in fast else pytest.mark.slow for env_id in ids}
    return [pytest.param(*case_of(env_id), marks=marks[env_id]) for env_id in ids]


def sized(env_id: str, size: int) -> dict[str, int]:
    """The option that makes an environment short or long."""
    return {"delay" if env_id in PHASE_IDS else "length": size}


def state_of(env: gym.Env) -> Any:
    """The state of a single environment: each array's row of it."""
    state = env.unwrapped.batch.state
    return type(state)(*(array[0] for array in state))


def seen_cue(view: np.ndarray) -> int | None:
    """0 if a green key is in a symbolic view, 1 if a green ball, else None."""
    for cue, kind in enumerate((KEY, BALL)):
        if ((view[..., 0] == kind) & (view[..., 1] == GREEN)).any():
            return cue
    return None


def optimal_actions(env_id: str, length: int, observe: Callable[[int], Any], start: Any) -> list[int]:
    """Play one optimal episode from what is observed alone.

    Args:
        observe: plays one action and returns the next observation.
        start: the first observation.
    """
    played: list[int] = []

    def play(*actions: int) -> Any:
        observation = None
        for action in actions:
            played.append(action)
            observation = observe(action)
        return observation

    active = "Active" in env_id
    if "Grid" in env_id:
        view = play(LEFT, LEFT, *[FORWARD] * 7) if active else start
        cue = seen_cue(view)
        assert cue is not None, "the cue must be in view here"
        play(LEFT, LEFT, *[FORWARD] * (length + (7 if active else 0)))
        play(LEFT if cue == 0 else RIGHT, FORWARD)
    else:
        cue_shown = play(2)[1] if active else start[1]
        play(*[0] * (length + int(active)))
        play(1 if cue_shown > 0 else 3)
    return played


def play_optimally(env: gym.Env, length: int, seed: int) -> dict[str, Any]:
    """One optimal episode: its return, steps, cue, flags and everything observed."""
    start, _ = env.reset(seed=seed)
    log: dict[str, Any] = {"return": 0.0, "observations": [start], "rewards": []}

    def observe(action: int) -> Any:
        observation, reward, terminated, truncated, info = env.step(action)
        log["return"] += reward
        log["rewards"].append(reward)
        log["observations"].append(observation)
        log.update(terminated=terminated, truncated=truncated, info=info)
        return observation

    log["actions"] = optimal_actions(env.spec.id, length, observe, start)
    return log


def assert_same(left: Any, right: Any) -> None:
    """Equal to the last bit, with the same types, through nested infos and object arrays."""
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_same(left[key], right[key])
    elif left is None or right is None:
        assert left is right
    else:
        assert left.dtype == right.dtype
        if left.dtype == object:
            assert len(left) == len(right)
            for one, other in zip(left, right, strict=True):
                assert_same(one, other)
        else:
            np.testing.assert_array_equal(left, right)
