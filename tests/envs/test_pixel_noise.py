"""`noise=` of the grid T-Mazes: which pixels, which colours, when they change, and whence they are drawn."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reinstate.envs.engine.noise import add_noise
from tests.envs.maze_play import ENDLESS_ID, GRID_IDS, assert_same
from tests.envs.reference import make_reference

IDS = [*GRID_IDS, ENDLESS_ID]
PASSIVE = GRID_IDS[0]


def noise_alone(seed: int, step: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Where a black and a white image changed, [56, 56] bool, and the colours there, [N, 3]."""
    black, white = np.zeros((56, 56, 3), np.uint8), np.full((56, 56, 3), 255, np.uint8)
    add_noise(black, seed, step, noise)
    add_noise(white, seed, step, noise)
    changed = (black == white).all(axis=-1)
    assert (black[~changed] == 0).all() and (white[~changed] == 255).all(), "others stay as they were"
    return changed, black[changed]


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.3, 1.0])
def test_share_and_colours(noise: float) -> None:
    masks, colours = zip(*[noise_alone(12345, step, noise) for step in range(100)], strict=True)
    share = np.mean(masks)
    assert share == noise if noise in (0, 1) else share == pytest.approx(noise, abs=5 * np.sqrt(noise / 313600))
    if noise >= 0.3:
        drawn = np.concatenate(colours)
        for channel in drawn.T:
            counts = np.bincount(channel, minlength=256)
            expected = len(drawn) / 256
            assert ((counts - expected) ** 2 / expected).sum() < 255 + 6 * np.sqrt(2 * 255)  # chi-squared, 6 deviations
        assert abs(np.corrcoef(drawn.T)[np.triu_indices(3, 1)]).max() < 6 / np.sqrt(len(drawn))


def test_every_step_and_seed_has_its_own() -> None:
    images = [noise_alone(seed, step, 1.0)[1].tobytes() for seed in range(10) for step in range(10)]
    assert len(set(images)) == 100
    masks = [noise_alone(7, step, 0.3)[0] for step in range(2)]
    assert np.mean(masks[0] & masks[1]) == pytest.approx(0.09, abs=0.03), "a pixel's noise tells nothing of the next"


def noisy_and_clean(env_id: str, noise: float) -> tuple[gym.Env, gym.Env]:
    options: dict[str, Any] = {"length": 2, "observation": "pixels"}
    return gym.make(env_id, noise=noise, **options), gym.make(env_id, **options)


@pytest.mark.parametrize("env_id", IDS)
def test_it_lies_on_the_same_picture(env_id: str) -> None:
    """The first episode of a seed is the same with noise, but for a share of the pixels, which change every step."""
    noisy, clean = noisy_and_clean(env_id, 0.25)
    seen = [(noisy.reset(seed=3)[0], clean.reset(seed=3)[0])]
    for action in (6, 6, 0, 1, 6):
        seen.append((noisy.step(action)[0], clean.step(action)[0]))
    changed = [(left != right).any(axis=-1) for left, right in seen]
    assert np.mean(changed) == pytest.approx(0.25, abs=0.03)
    assert (changed[0] != changed[1]).any(), "the agent stood still and the noise moved"
    assert noisy.observation_space.contains(seen[0][0]) and noisy.observation_space == clean.observation_space
    noisy.reset(seed=3)
    batch = noisy.unwrapped.batch
    for _ in range(2):  # however often it is looked at
        assert_same(batch.set_state(batch.get_state())[0], seen[0][0])


@pytest.mark.parametrize("env_id", IDS)
def test_no_noise_draws_nothing(env_id: str) -> None:
    nothing, clean = noisy_and_clean(env_id, 0)
    for seed in (3, None, None):
        assert_same(nothing.reset(seed=seed)[0], clean.reset(seed=seed)[0])
    assert nothing.unwrapped.np_random.bit_generator.state == clean.unwrapped.np_random.bit_generator.state


@pytest.mark.parametrize("env_id", [PASSIVE, GRID_IDS[3], ENDLESS_ID])
def test_it_is_that_of_the_reference(env_id: str) -> None:
    options: dict[str, Any] = {"length": 1, "observation": "pixels", "noise": 0.1}
    if env_id == ENDLESS_ID:
        options["corridors"] = 2
    batched = gym.make_vec(env_id, num_envs=3, **options)
    single = gym.vector.SyncVectorEnv(
        [lambda: make_reference(env_id, **options)] * 3, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP
    )
    assert_same(batched.reset(seed=[5, 2**40, 7])[0], single.reset(seed=[5, 2**40, 7])[0])
    rng, ended, restored = np.random.default_rng(0), 0, None
    for step in range(150):
        actions = rng.choice(7, size=3, p=[0.15, 0.15, 0.5, 0.05, 0.05, 0.05, 0.05])
        outcome = batched.step(actions)
        for ours, theirs in zip(outcome, single.step(actions), strict=True):
            assert_same(ours, theirs)
        ended += int((outcome[2] | outcome[3]).sum())
        if restored is not None:
            assert_same(restored.step(actions)[0], outcome[0])
        if step == 70:
            restored = gym.make_vec(env_id, num_envs=3, **options)
            assert_same(restored.set_state(batched.get_state()), outcome[0])
    assert ended >= 3


@pytest.mark.parametrize(
    "noise, observation, words",
    [
        (0.1, "symbolic", "noise=0.1 needs pixels: pass observation='pixels' as well, or leave noise at 0"),
        (-0.1, "pixels", "noise=-0.1 is not a share of the pixels: pass a number from 0 to 1"),
        (1.5, "pixels", "noise=1.5"),
        (float("nan"), "pixels", "noise=nan"),
        (True, "pixels", "noise=True"),
        ("much", "pixels", "noise='much'"),
        (None, "pixels", "noise=None"),
    ],
)
def test_bad_noise_is_refused(noise: Any, observation: str, words: str) -> None:
    for make in (gym.make, gym.make_vec):
        for env_id in (PASSIVE, ENDLESS_ID):
            with pytest.raises(ValueError, match=words):
                make(env_id, observation=observation, noise=noise)
