"""The batched environments are the single ones: same seeds and actions, same everything, over whole episodes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reinstate.envs.engine.pcg64 import generator_to_words
from tests.envs.maze_play import (
    ALL_IDS,
    CHAIN_IDS,
    ENDLESS_ID,
    GRID_IDS,
    MAZE_IDS,
    PHASE_IDS,
    TMAZE_IDS,
    assert_same,
    sized,
)

# Half the time at random, half the time towards the goal, so that episodes end in arms as well as by truncation.
GRID_ACTION_SHARES = np.array([0.12, 0.12, 0.46, 0.1, 0.05, 0.1, 0.05])
TMAZE_ACTION_SHARES = np.array([0.6, 0.15, 0.1, 0.15])


def both(env_id: str, num_envs: int, options: dict[str, Any]) -> tuple[gym.vector.VectorEnv, gym.vector.VectorEnv]:
    batched = gym.make_vec(env_id, num_envs=num_envs, **options)
    single = gym.vector.SyncVectorEnv(
        [lambda: gym.make(env_id, **options)] * num_envs, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP
    )
    return batched, single


CASES = (
    [(env_id, sized(env_id, 1), 200) for env_id in ALL_IDS]
    + [(env_id, sized(env_id, 7), 200) for env_id in ALL_IDS]
    + [(env_id, {"length": 3, "observation": "pixels"}, 100) for env_id in GRID_IDS]
    + [(env_id, {"length": 2, "penalty": 0}, 100) for env_id in GRID_IDS]
    + [(env_id, {"length": 2, "penalty": 0.5, "distractors": 41}, 100) for env_id in GRID_IDS[:2]]
    + [(env_id, {"length": 5, "penalty": "alt"}, 100) for env_id in TMAZE_IDS]
    + [(ENDLESS_ID, {"length": 2, "corridors": 2}, 300), (ENDLESS_ID, {"length": 1, "corridors": 1}, 200)]
    + [(ENDLESS_ID, {"length": 1, "corridors": 3, "distractors": 5, "penalty": 0.5, "observation": "pixels"}, 300)]
)


@pytest.mark.parametrize("env_id, options, steps", CASES)
def test_random_play(env_id: str, options: dict[str, Any], steps: int) -> None:
    num_envs = 3
    batched, single = both(env_id, num_envs, options)
    assert batched.single_observation_space == single.single_observation_space
    assert batched.single_action_space == single.single_action_space
    if env_id in [*MAZE_IDS, ENDLESS_ID]:
        shares = TMAZE_ACTION_SHARES if env_id in TMAZE_IDS else GRID_ACTION_SHARES
    else:
        shares = np.full(batched.single_action_space.n, 1 / batched.single_action_space.n)
    rng = np.random.default_rng(0)
    ended = 0
    for seed in ([11, 2**40, 5], None, 123):
        assert_same(batched.reset(seed=seed)[0], single.reset(seed=seed)[0])
        for _ in range(steps // 2):
            actions = rng.choice(len(shares), size=num_envs, p=shares)
            outcome = batched.step(actions)
            for ours, theirs in zip(outcome, single.step(actions), strict=True):
                assert_same(ours, theirs)
            ended += int((outcome[2] | outcome[3]).sum())
    assert ended > 0, "the comparison must include the ends of episodes"


@pytest.mark.parametrize("env_id", MAZE_IDS)
def test_purposeful_play(env_id: str) -> None:
    """Environments that are all on the way to the junction and then turn left or right, with some stumbling."""
    length, num_envs = 4, 4
    batched, single = both(env_id, num_envs, {"length": length})
    assert_same(batched.reset(seed=[1, 2, 3, 4])[0], single.reset(seed=[1, 2, 3, 4])[0])
    rng = np.random.default_rng(1)
    successes = []
    for _ in range(12):
        if env_id in GRID_IDS:
            turns = [0, 0] if "Passive" in env_id else []
            plan = [*turns, *[2] * length, int(rng.integers(2)), 2]
        else:
            plan = [2] * ("Active" in env_id) + [0] * (length + ("Active" in env_id)) + [int(rng.choice([1, 3]))]
        for action in plan:
            actions = np.full(num_envs, action)
            actions[rng.random(num_envs) < 0.03] = 1
            outcome = batched.step(actions)
            for ours, theirs in zip(outcome, single.step(actions), strict=True):
                assert_same(ours, theirs)
            if "final_info" in outcome[4]:
                done = outcome[2] | outcome[3]
                successes += outcome[4]["final_info"]["is_success"][done].tolist()
    assert {True, False} <= set(successes)


def test_partial_reset_is_gymnasiums() -> None:
    for env_id in ALL_IDS:
        batched, single = both(env_id, 3, sized(env_id, 3))
        assert_same(batched.reset(seed=0)[0], single.reset(seed=0)[0])
        last = int(batched.single_action_space.n) - 1
        first_actions, later_actions = ([2, 2, 2], [2, 0, 1]) if env_id in MAZE_IDS else ([last] * 3, [last, 0, 1])
        assert_same(batched.step(first_actions)[0], single.step(first_actions)[0])
        mask = np.array([False, True, False])
        for seed in (None, [7, 8, 9]):
            ours = batched.reset(seed=seed, options={"reset_mask": mask})[0]
            theirs = single.reset(seed=seed, options={"reset_mask": mask})[0]
            assert_same(ours, theirs)
            assert_same(batched.step(later_actions)[0], single.step(later_actions)[0])


DRAWS = [(env_id, sized(env_id, 2)) for env_id in ALL_IDS] + [
    (GRID_IDS[0], {"length": 1, "distractors": 1}),
    (GRID_IDS[1], {"length": 1, "distractors": 41}),
    (GRID_IDS[2], {"length": 1, "observation": "pixels", "noise": 0.5}),
    (CHAIN_IDS[0], {"length": 1, "bits": 7}),
    (PHASE_IDS[0], {"preset": "ni2023", "delay": 0}),
    (PHASE_IDS[1], {"apple_reward": 2, "delay": 3}),
]


@pytest.mark.parametrize("env_id, options", DRAWS)
def test_many_episodes_are_drawn_alike(env_id: str, options: dict[str, Any]) -> None:
    """Three episodes of each of many seeds: the same beginnings, and generators in the same state after each."""
    seeds = list(range(100))
    batched, single = gym.make_vec(env_id, num_envs=len(seeds), **options), gym.make(env_id, **options)
    drawn = [(batched.reset(seed=seeds if n == 0 else None)[0], batched.get_state()["generator"]) for n in range(3)]
    for seed in seeds:
        for n, (observations, generators) in enumerate(drawn):
            assert_same(observations[seed], single.reset(seed=seed if n == 0 else None)[0])
            assert_same(generators[seed], generator_to_words(single.unwrapped.np_random))
