"""The compiled rules are those of the plain-Python reference: same seeds and actions, same everything.

The fast suite plays one id of each family; the others differ from it by what their options decide, and are slow tests.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reinstate.envs.engine.pcg64 import generator_to_words
from tests.envs.maze_play import (
    CHAIN_IDS,
    ENDLESS_ID,
    EVERY_FAMILY,
    GRID_IDS,
    MAZE_IDS,
    PHASE_IDS,
    TMAZE_IDS,
    assert_same,
    sized,
    slow_unless,
)
from tests.envs.reference import make_reference

# Half the time at random, half the time towards the goal, so that episodes end in arms as well as by truncation.
GRID_ACTION_SHARES = np.array([0.12, 0.12, 0.46, 0.1, 0.05, 0.1, 0.05])
TMAZE_ACTION_SHARES = np.array([0.6, 0.15, 0.1, 0.15])


def both(env_id: str, num_envs: int, options: dict[str, Any]) -> tuple[gym.vector.VectorEnv, gym.vector.VectorEnv]:
    """The batch, and as many references one after the other."""
    reference = gym.vector.SyncVectorEnv(
        [lambda: make_reference(env_id, **options)] * num_envs, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP
    )
    return gym.make_vec(env_id, num_envs=num_envs, **options), reference


CROWDED_ACTIVE = GRID_IDS[3]
CASES = [
    *slow_unless(EVERY_FAMILY, lambda env_id: (env_id, sized(env_id, 7), 200)),
    *slow_unless([], lambda env_id: (env_id, sized(env_id, 1), 200)),
    (GRID_IDS[0], {"length": 3, "observation": "pixels"}, 100),
    *[pytest.param(i, {"length": 3, "observation": "pixels"}, 100, marks=pytest.mark.slow) for i in GRID_IDS[1:]],
    (GRID_IDS[0], {"length": 2, "penalty": 0}, 100),
    (GRID_IDS[1], {"length": 2, "penalty": 0.5, "distractors": 41}, 100),
    (TMAZE_IDS[0], {"length": 5, "penalty": "alt"}, 100),
    (TMAZE_IDS[1], {"length": 5, "penalty": "alt"}, 100),
    (TMAZE_IDS[0], {"length": 1}, 100),
    (CHAIN_IDS[0], {"length": 1, "bits": 3}, 100),
    (ENDLESS_ID, {"length": 2, "corridors": 2}, 300),
    (ENDLESS_ID, {"length": 1, "corridors": 1}, 200),
    (ENDLESS_ID, {"length": 1, "corridors": 3, "distractors": 5, "penalty": 0.5, "observation": "pixels"}, 300),
]


def action_shares(env_id: str, num_actions: int) -> np.ndarray:
    """How often each action is played."""
    if env_id in TMAZE_IDS:
        return TMAZE_ACTION_SHARES
    return GRID_ACTION_SHARES if env_id in [*GRID_IDS, ENDLESS_ID] else np.full(num_actions, 1 / num_actions)


@pytest.mark.parametrize("env_id, options, steps", CASES)
def test_random_play(env_id: str, options: dict[str, Any], steps: int) -> None:
    num_envs = 3
    batch, reference = both(env_id, num_envs, options)
    assert batch.single_observation_space == reference.single_observation_space
    assert batch.single_action_space == reference.single_action_space
    shares = action_shares(env_id, batch.single_action_space.n)
    rng = np.random.default_rng(0)
    ended = 0
    for seed in ([11, 2**40, 5], None, 123):
        assert_same(batch.reset(seed=seed)[0], reference.reset(seed=seed)[0])
        for _ in range(steps // 2):
            actions = rng.choice(len(shares), size=num_envs, p=shares)
            outcome = batch.step(actions)
            for ours, theirs in zip(outcome, reference.step(actions), strict=True):
                assert_same(ours, theirs)
            ended += int((outcome[2] | outcome[3]).sum())
    assert ended > 0, "the comparison must include the ends of episodes"


@pytest.mark.parametrize("env_id", slow_unless([CROWDED_ACTIVE, GRID_IDS[0], *TMAZE_IDS], ids=MAZE_IDS))
def test_purposeful_play(env_id: str) -> None:
    """Environments that are all on the way to the junction and then turn left or right, with some stumbling."""
    length, num_envs = 4, 4
    batch, reference = both(env_id, num_envs, {"length": length})
    assert_same(batch.reset(seed=[1, 2, 3, 4])[0], reference.reset(seed=[1, 2, 3, 4])[0])
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
            outcome = batch.step(actions)
            for ours, theirs in zip(outcome, reference.step(actions), strict=True):
                assert_same(ours, theirs)
            if "final_info" in outcome[4]:
                done = outcome[2] | outcome[3]
                successes += outcome[4]["final_info"]["is_success"][done].tolist()
    assert {True, False} <= set(successes)


@pytest.mark.parametrize("env_id", slow_unless(EVERY_FAMILY))
def test_partial_reset_is_gymnasiums(env_id: str) -> None:
    batch, reference = both(env_id, 3, sized(env_id, 3))
    assert_same(batch.reset(seed=0)[0], reference.reset(seed=0)[0])
    last = int(batch.single_action_space.n) - 1
    first_actions, later_actions = ([2, 2, 2], [2, 0, 1]) if env_id in MAZE_IDS else ([last] * 3, [last, 0, 1])
    assert_same(batch.step(first_actions)[0], reference.step(first_actions)[0])
    mask = np.array([False, True, False])
    for seed in (None, [7, 8, 9]):
        ours = batch.reset(seed=seed, options={"reset_mask": mask})[0]
        theirs = reference.reset(seed=seed, options={"reset_mask": mask})[0]
        assert_same(ours, theirs)
        assert_same(batch.step(later_actions)[0], reference.step(later_actions)[0])


DRAWS = [
    *slow_unless(EVERY_FAMILY, lambda env_id: (env_id, sized(env_id, 2))),
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
    batch, reference = gym.make_vec(env_id, num_envs=len(seeds), **options), make_reference(env_id, **options)
    drawn = [(batch.reset(seed=seeds if n == 0 else None)[0], batch.get_state()["generator"]) for n in range(3)]
    for seed in seeds:
        for n, (observations, generators) in enumerate(drawn):
            assert_same(observations[seed], reference.reset(seed=seed if n == 0 else None)[0])
            assert_same(generators[seed], generator_to_words(reference.np_random))


@pytest.mark.parametrize("env_id", slow_unless(EVERY_FAMILY))
def test_the_single_view(env_id: str) -> None:
    """Observations, rewards, flags, infos and their types, pictures and the generator, over three episodes."""
    options = sized(env_id, 3) | {"render_mode": "rgb_array"}
    view, reference = gym.make(env_id, **options).unwrapped, make_reference(env_id, **options)
    shares = action_shares(env_id, view.action_space.n)
    rng = np.random.default_rng(0)
    for seed in (2, None, 3):
        ours, theirs = view.reset(seed=seed), reference.reset(seed=seed)
        ended = False
        while not ended:
            assert_same(ours[0], theirs[0])
            assert ours[1:] == theirs[1:] and list(map(type, ours[1:])) == list(map(type, theirs[1:]))
            assert_same(view.render(), reference.render())
            action = int(rng.choice(len(shares), p=shares))
            ours, theirs = view.step(action), reference.step(action)
            ended = theirs[2] or theirs[3]
        assert_same(ours[0], theirs[0])
        assert ours[1:] == theirs[1:]
        assert {name: type(value) for name, value in ours[4].items()} == {n: type(v) for n, v in theirs[4].items()}
        assert view.np_random.bit_generator.state == reference.np_random.bit_generator.state
    view.np_random, reference.np_random = np.random.default_rng(9), np.random.default_rng(9)
    assert_same(view.reset()[0], reference.reset()[0])
