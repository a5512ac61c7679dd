"""The T-Maze of Ni et al. (2023): tables by hand, and the numbers on its page."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from tests.envs.maze_play import TMAZE_IDS, play_optimally, state_of

PASSIVE, ACTIVE = TMAZE_IDS
RIGHT, UP, LEFT, DOWN = range(4)
G = "goal"  # stands for goal_y in the tables

# (action, observation, reward, terminated); length 4, so a step behind costs 0.25. First row: the reset.
PASSIVE_STRAIGHT = [
    (None, [0, G], None, False),
    (RIGHT, [0, 0], 0.0, False),
    (RIGHT, [0, 0], 0.0, False),
    (RIGHT, [0, 0], 0.0, False),
    (RIGHT, [1, 0], 0.0, False),
    (UP, [1, 1], G, True),
]
PASSIVE_BEHIND = [
    (None, [0, G], None, False),
    (LEFT, [0, 0], -0.25, False),  # against the wall; the cue is not shown a second time
    (RIGHT, [0, 0], -0.25, False),  # x = 1 < t = 2: falling behind cannot be repaired
    (UP, [0, 0], -0.25, False),  # no way up in the corridor
    (RIGHT, [0, 0], -0.25, False),
    (RIGHT, [0, 0], 0.0, True),  # x = 3; not at the junction when time is up: y = 0 is no goal
]
PASSIVE_ALT = [
    (None, [0, G], None, False),
    (RIGHT, [0, 0], 0.0, False),
    (LEFT, [0, 0], -0.25, False),
    (RIGHT, [0, 0], 0.0, False),  # behind, but going right
    (DOWN, [0, 0], -0.25, False),
    (RIGHT, [0, 0], 0.0, True),
]
ACTIVE_FETCH = [
    (None, [0, 0], None, False),
    (LEFT, [0, G], 0.0, False),
    (RIGHT, [0, 0], 0.0, False),  # x = 1 = t - 1
    (RIGHT, [0, 0], 0.0, False),
    (RIGHT, [0, 0], 0.0, False),
    (RIGHT, [0, 0], 0.0, False),
    (RIGHT, [1, 0], 0.0, False),  # x = 5, the junction
    (UP, [1, 1], G, True),
]
ACTIVE_LATE = [
    (None, [0, 0], None, False),
    (UP, [0, 0], 0.0, False),  # x = 1 >= 0
    (LEFT, [0, G], -0.25, False),  # the first visit, late: x = 0 < 1
    (LEFT, [0, 0], -0.25, False),
    (RIGHT, [0, 0], -0.25, False),
    (LEFT, [0, 0], -0.25, False),  # back on the oracle, which shows nothing any more
    (RIGHT, [0, 0], -0.25, False),
    (RIGHT, [0, 0], 0.0, True),
]
ACTIVE_ALT = [
    (None, [0, 0], None, False),
    (LEFT, [0, G], 0.0, False),  # the first step is free
    (LEFT, [0, 0], -0.25, False),
    (RIGHT, [0, 0], 0.0, False),
    (RIGHT, [0, 0], 0.0, False),
    (UP, [0, 0], -0.25, False),
    (DOWN, [0, 0], -0.25, False),
    (LEFT, [0, 0], 0.0, True),
]
AHEAD = [  # at the junction early, by skipping the oracle: into the arm, stopped by its end and its sides, out again
    (None, [0, 0], None, False),
    *[(RIGHT, [0, 0], 0.0, False)] * 3,
    (RIGHT, [1, 0], 0.0, False),
    (DOWN, [1, -1], 0.0, False),
    (DOWN, [1, -1], 0.0, False),
    (LEFT, [1, -1], "-goal", True),
]


@pytest.mark.parametrize("cue", [0, 1])
@pytest.mark.parametrize(
    "env_id, penalty, table",
    [
        (PASSIVE, "classic", PASSIVE_STRAIGHT),
        (PASSIVE, "classic", PASSIVE_BEHIND),
        (PASSIVE, "alt", PASSIVE_ALT),
        (ACTIVE, "classic", ACTIVE_FETCH),
        (ACTIVE, "classic", ACTIVE_LATE),
        (ACTIVE, "alt", ACTIVE_ALT),
        (ACTIVE, "classic", AHEAD),
    ],
)
def test_step_by_step(env_id: str, penalty: str, table: list[tuple], cue: int) -> None:
    env = gym.make(env_id, length=4, penalty=penalty)
    seed = next(s for s in range(50) if env.reset(seed=s) and state_of(env).cue == cue)
    goal_y = 2 * cue - 1
    for number, (action, observation, reward, ends) in enumerate(table):
        if action is None:
            seen, info = env.reset(seed=seed)
        else:
            seen, paid, terminated, truncated, info = env.step(action)
            wanted = {G: float(goal_y == 1), "-goal": float(goal_y == -1)}.get(reward, reward)
            assert (paid, terminated, truncated) == (wanted, ends, False), number
        np.testing.assert_array_equal(seen, [goal_y if part == G else part for part in observation])
        assert seen.dtype == np.float32
        assert info == ({"is_success": bool(paid), "cue": cue} if ends else {})


@pytest.mark.parametrize("penalty", ["classic", "alt"])
@pytest.mark.parametrize("env_id", TMAZE_IDS)
@pytest.mark.parametrize("length", [1, 2, 30])
def test_optimal_policy_attains_one_for_either_cue(env_id: str, length: int, penalty: str) -> None:
    env = gym.make(env_id, length=length, penalty=penalty)
    cues = set()
    for seed in range(10):
        log = play_optimally(env, length, seed)
        assert log["return"] == 1.0 and log["info"]["is_success"] is True
        assert len(log["actions"]) == length + (3 if "Active" in env_id else 1)
        cues.add(log["info"]["cue"])
    assert cues == {0, 1}


@pytest.mark.parametrize("env_id", TMAZE_IDS)
def test_a_policy_without_memory_gets_half(env_id: str) -> None:
    env = gym.make(env_id, length=3)
    plan = [RIGHT] * 3 + [UP] if env_id == PASSIVE else [LEFT] + [RIGHT] * 4 + [UP]
    returns = []
    for seed in range(100):
        env.reset(seed=seed)
        returns.append(sum(env.step(action)[1] for action in plan))
    assert set(returns) == {0.0, 1.0} and 0.35 < np.mean(returns) < 0.65


@pytest.mark.parametrize(
    "env_id, penalty, documented",
    [(PASSIVE, "classic", -1.0), (ACTIVE, "classic", -1.0), (PASSIVE, "alt", -0.75), (ACTIVE, "alt", -0.76)],
)
def test_random_policy_is_at_the_documented_level(env_id: str, penalty: str, documented: float) -> None:
    num_envs, length = 2000, 100
    env = gym.make_vec(env_id, num_envs=num_envs, length=length, penalty=penalty)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    returns = np.zeros(num_envs)
    for _ in range(length + (3 if env_id == ACTIVE else 1)):
        _, rewards, terminated, _, infos = env.step(rng.integers(4, size=num_envs))
        returns += rewards
    assert terminated.all() and not infos["final_info"]["is_success"].any()
    assert returns.mean() == pytest.approx(documented, abs=0.005)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"length": 0}, "length=0"),
        ({"penalty": 0.1}, "'classic', 'alt'"),
        ({"penalty": "none"}, "penalty='none'"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=words):
            make(PASSIVE, **options)


def test_bad_actions_are_refused() -> None:
    env = gym.make(PASSIVE, disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"0\.\.3"):
        env.step(4)


def test_rendering() -> None:
    env = gym.make(ACTIVE, length=200, render_mode="rgb_array")
    env.reset(seed=0)
    frames = [env.render()]
    for action in [RIGHT] * 200 + [UP]:
        env.step(action)
        frames.append(env.render())
    assert {frame.shape for frame in frames} == {(36, 492, 3)}
    assert all(frame.dtype == np.uint8 and (frame == 255).all(axis=-1).sum() == 144 for frame in frames)
    assert gym.make(ACTIVE).unwrapped.render() is None
