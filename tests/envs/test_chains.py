"""bsuite's Memory Chain and Umbrella Chain: tables by hand, and the numbers on their pages."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reinstate.envs.adapt import make_single, make_vector
from tests.envs.maze_play import CHAIN_IDS, state_of

MEMORY, UMBRELLA = CHAIN_IDS
C = "context"

# What bsuite shows after k = 0, 1, ... actions: [time, query?, context?]; it makes the observation before it
# counts the step, so the first one comes twice.
MEMORY_TABLES = {
    1: [(1.0, True, True), (1.0, True, True), (0.0, False, False)],
    2: [(1.0, False, True), (1.0, False, True), (0.5, True, False), (0.0, False, False)],
    4: [
        (1.0, False, True),
        (1.0, False, True),
        (0.75, False, False),
        (0.5, False, False),
        (0.25, True, False),
        (0.0, False, False),
    ],
}


@pytest.mark.parametrize("length", MEMORY_TABLES)
@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize("answer", [0, 1])
def test_memory_chain_step_by_step(length: int, bits: int, answer: int) -> None:
    env = gym.make(MEMORY, length=length, bits=bits)
    rewards_seen, queries_seen = set(), set()
    for seed in range(30):
        seen, info = env.reset(seed=seed)
        context, query = state_of(env).context, int(state_of(env).query)
        queries_seen.add(query)
        table = MEMORY_TABLES[length]
        for k, (time, shows_query, shows_context) in enumerate(table):
            signs = 2 * context - 1 if shows_context else np.zeros(bits)
            np.testing.assert_array_equal(seen, np.array([time, query if shows_query else 0, *signs], np.float32))
            assert seen.dtype == np.float32
            if k == len(table) - 1:
                break
            # Only the last action counts.
            last = k == len(table) - 2
            seen, reward, terminated, truncated, info = env.step(answer if last else 1 - answer)
            right = bool(answer == context[query])
            assert (reward, terminated, truncated) == ((1.0 if right else -1.0) if last else 0.0, last, False)
            assert info == ({"is_success": right} if last else {})
        rewards_seen.add(reward)
    assert rewards_seen == {-1.0, 1.0} and queries_seen == set(range(bits))


@pytest.mark.parametrize("length, bits", [(1, 1), (2, 5), (30, 1)])
def test_memory_chain_optimal_policy(length: int, bits: int) -> None:
    env = gym.make(MEMORY, length=length, bits=bits)
    for seed in range(20):
        first, _ = env.reset(seed=seed)
        seen, total = first, 0.0
        for step in range(length + 1):
            bit = first[2 + int(seen[1])] if step == length else -1
            seen, reward, terminated, _, info = env.step(int(bit > 0))
            total += reward
        assert terminated and total == 1.0 and info == {"is_success": True}


def test_umbrella_chain_step_by_step() -> None:
    env = gym.make(UMBRELLA, length=4)
    starts, noise = set(), []
    for seed in range(200):
        seen, info = env.reset(seed=seed)
        need, have = int(seen[0]), int(seen[1])
        take = seed % 2
        starts.add((need, have))
        assert info == {} and seen.shape == (23,) and seen.dtype == np.float32 and seen[2] == 1.0
        bits = [seen[3:]]
        for step, time in ((1, 0.75), (2, 0.5), (3, 0.25), (4, 0.0)):
            seen, reward, terminated, truncated, info = env.step(take if step == 1 else 1 - take)
            assert seen[:3].tolist() == [need, take, time]
            bits.append(seen[3:])
            if step < 4:
                assert (terminated, truncated, info) == (False, False, {}) and reward in (-1.0, 1.0)
                noise.append(reward)
        assert (terminated, truncated, info) == (True, False, {"is_success": take == need})
        assert reward == (1.0 if take == need else -1.0)
        assert set(np.unique(bits)) == {0.0, 1.0}
        assert len({tuple(row) for row in bits}) == 5, "drawn anew every step"
    assert starts == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert abs(np.mean(noise)) < 0.15  # 600 draws: 0.04 is one deviation


def test_umbrella_chain_of_length_one_pays_at_once() -> None:
    env = gym.make(UMBRELLA, length=1)
    for seed in range(10):
        need = int(env.reset(seed=seed)[0][0])
        _, reward, terminated, _, info = env.step(need)
        assert (reward, terminated, info) == (1.0, True, {"is_success": True})


def play(env_id: str, policy: str, episodes: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns and successes [episodes] of one policy in the batched environment."""
    env = gym.make_vec(env_id, num_envs=episodes, **options)
    seen, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    returns, done = np.zeros(episodes), np.zeros(episodes, dtype=bool)
    while not done.all():
        if policy == "optimal":
            actions = seen[:, 0].astype(int)
        else:
            actions = rng.integers(2, size=episodes)
        seen, rewards, done, _, infos = env.step(actions)
        returns += rewards
    return returns, infos["final_info"]["is_success"]


def test_umbrella_chain_returns() -> None:
    returns, success = play(UMBRELLA, "optimal", 500, length=10)
    assert success.all()
    assert returns.mean() == pytest.approx(1.0, abs=0.5)  # one deviation of the mean: 0.13
    assert returns.std() == pytest.approx(3.0, abs=0.5)  # sqrt(10 - 1)


@pytest.mark.parametrize("env_id", CHAIN_IDS)
def test_chance_level(env_id: str) -> None:
    returns, success = play(env_id, "random", 500, length=5)
    assert 0.4 < success.mean() < 0.6  # 4.5 deviations
    assert abs(returns.mean()) < 0.45  # umbrella: 4.5 deviations


@pytest.mark.parametrize(
    "env_id, options, words",
    [
        (MEMORY, {"length": 0}, "length=0 is not possible: pass an integer of at least 1"),
        (MEMORY, {"length": 2.5}, "length=2.5"),
        (MEMORY, {"bits": 0}, "bits=0 is not possible"),
        (UMBRELLA, {"length": 0}, "length=0 is not possible"),
        (UMBRELLA, {"length": -3}, "length=-3 is not possible"),
    ],
)
def test_bad_options_are_refused(env_id: str, options: dict[str, Any], words: str) -> None:
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=words):
            make(env_id, **options)


@pytest.mark.parametrize("env_id", CHAIN_IDS)
def test_unknown_keywords_and_actions_are_refused(env_id: str) -> None:
    for call in (lambda: make_single(env_id, {"lenght": 3}), lambda: make_vector(env_id, 2, {"lenght": 3})):
        with pytest.raises(ValueError, match="no option 'lenght'. Did you mean 'length'"):
            call()
    env = gym.make(env_id, disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"pass an integer in 0\.\.1"):
        env.step(2)


@pytest.mark.parametrize("env_id, shape", [(MEMORY, (36, 480, 3)), (UMBRELLA, (36, 240, 3))])
def test_rendering(env_id: str, shape: tuple[int, ...]) -> None:
    for length in (1, 7, 200):
        env = gym.make(env_id, length=length, render_mode="rgb_array")
        env.reset(seed=0)
        frames, ended = [env.render()], False
        while not ended:
            ended = env.step(1)[2]
            frames.append(env.render())
        assert {frame.shape for frame in frames} == {shape} and frames[0].dtype == np.uint8
        bars = [int((frame[-1, ::12, 0] == 90).sum()) for frame in frames]
        assert bars == sorted(bars, reverse=True) and bars[0] == shape[1] // 12 and bars[-1] == 0
    assert gym.make(env_id).unwrapped.render() is None
