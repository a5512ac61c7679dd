"""What every batched environment shares: seeding, autoreset, infos, snapshots, refusals."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import reinstate
from reinstate.envs.adapt import make_vector
from tests.envs.maze_play import EVERY_FAMILY, GRID_IDS, assert_same, sized, slow_unless


def roll(env: gym.vector.VectorEnv, steps: int, seed: int) -> list[tuple]:
    rng = np.random.default_rng(seed)
    n = env.single_action_space.n
    return [env.step(rng.integers(n, size=env.num_envs)) for _ in range(steps)]


def assert_same_rolls(left: list[tuple], right: list[tuple]) -> None:
    for ours, theirs in zip(left, right, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)


@pytest.mark.parametrize("env_id", slow_unless(EVERY_FAMILY))
def test_seeding(env_id: str) -> None:
    """Environment i of a batch is the single environment with its seed, whoever its neighbours are."""
    env = gym.make_vec(env_id, num_envs=3, **sized(env_id, 2))
    env.reset(seed=40)
    from_integer = roll(env, 80, 0)
    env.reset(seed=[40, 41, 42])
    assert_same_rolls(roll(env, 80, 0), from_integer)
    env.reset(seed=[np.int64(40), 41, 42])
    assert_same_rolls(roll(env, 80, 0), from_integer)

    env.reset(seed=[40, 43, 42])
    for ours, theirs in zip(roll(env, 80, 0), from_integer, strict=True):
        np.testing.assert_array_equal(ours[0][[0, 2]], theirs[0][[0, 2]])
    with pytest.raises(ValueError, match="2 seeds for 3 environments"):
        env.reset(seed=[1, 2])


def test_autoreset_never_reseeds_and_none_continues() -> None:
    env = gym.make_vec("Reinstate/TMazePassive-v0", num_envs=1, length=1)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(9)))
    expected = [float(2 * rng.integers(2) - 1) for _ in range(40)]
    seen = [env.reset(seed=9)[0][0, 1]]
    for episode in range(39):
        if episode % 3 == 2:
            seen.append(env.reset()[0][0, 1])
        else:
            env.step([0])
            seen.append(env.step([1])[0][0, 1])
    assert seen == expected


def test_the_step_that_ends_an_episode() -> None:
    """Boundary table: two environments of length 1, out of step with one another by a partial reset."""
    env = gym.make_vec("Reinstate/TMazePassive-v0", num_envs=2, length=1)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    goals = []
    for seed in (0, 1):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        goals.append([2 * int(rng.integers(2)) - 1 for _ in range(4)])
    (a0, a1, a2, *_), (b0, _, b2, b3) = goals
    b1 = goals[1][1]

    def row(outcome):
        observations, rewards, terminated, truncated, infos = outcome
        finals = infos.get("final_obs", [None, None])
        return (
            observations.tolist(),
            rewards.tolist(),
            terminated.tolist(),
            truncated.tolist(),
            [None if final is None else final.tolist() for final in finals],
        )

    no, yes = False, True
    assert env.reset(seed=0)[0].tolist() == [[0, a0], [0, b0]]
    assert row(env.step([0, 0])) == ([[1, 0], [1, 0]], [0, 0], [no, no], [no, no], [None, None])
    assert env.reset(options={"reset_mask": np.array([False, True])})[0].tolist() == [[1, 0], [0, b1]]
    assert row(env.step([1, 0])) == ([[0, a1], [1, 0]], [a0 == 1, 0], [yes, no], [no, no], [[1, 1], None])
    assert row(env.step([0, 3])) == ([[1, 0], [0, b2]], [0, b1 == -1], [no, yes], [no, no], [None, [1, -1]])
    outcome = env.step([1, 2])
    assert row(outcome) == ([[0, a2], [0, 0]], [a1 == 1, -1], [yes, no], [no, no], [[1, 1], None])
    infos = outcome[4]
    assert infos.keys() == {"final_obs", "_final_obs", "final_info", "_final_info"}
    assert infos["_final_obs"].tolist() == infos["_final_info"].tolist() == [yes, no]
    assert infos["final_info"]["is_success"].tolist() == [a1 == 1, no]
    assert infos["final_info"]["_is_success"].tolist() == [yes, no]
    assert infos["final_info"]["cue"].tolist() == [(a1 + 1) // 2, 0]
    assert row(env.step([0, 0])) == ([[1, 0], [0, b3]], [0, 0], [no, yes], [no, no], [None, [1, 0]])


@pytest.mark.parametrize("env_id", slow_unless(EVERY_FAMILY))
def test_observations_are_fresh(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=4, **sized(env_id, 2))
    first, _ = env.reset(seed=0)
    outcomes = [(first, None)] + [(step[0], step[4].get("final_obs")) for step in roll(env, 70, 0)]
    copies = [(o.copy(), None if f is None else [x if x is None else x.copy() for x in f]) for o, f in outcomes]
    roll(env, 70, 1)
    for (observation, final), (observation_copy, final_copy) in zip(outcomes, copies, strict=True):
        np.testing.assert_array_equal(observation, observation_copy)
        for one, other in zip(final if final is not None else [], final_copy or [], strict=True):
            assert_same(one, other)


@pytest.mark.parametrize("env_id", slow_unless(EVERY_FAMILY))
def test_reused_arrays(env_id: str) -> None:
    """With `copy = False` the arrays are overwritten and say the same; what infos hold is never overwritten."""
    owner, lender = (gym.make_vec(env_id, num_envs=4, **sized(env_id, 2)) for _ in range(2))
    lender.copy = False
    buffer, _ = lender.reset(seed=0)
    np.testing.assert_array_equal(buffer, owner.reset(seed=0)[0])
    rng = np.random.default_rng(0)
    infos = []
    for _ in range(70):
        actions = rng.integers(owner.single_action_space.n, size=4)
        fresh, lent = owner.step(actions), lender.step(actions)
        assert lent[0] is buffer
        for one, other in zip(fresh, lent, strict=True):
            assert_same(one, other)
        infos.append((fresh[4], lent[4]))
    assert any(info for info, _ in infos)
    for fresh_infos, lent_infos in infos:
        assert_same(fresh_infos, lent_infos)
    assert lender.reset()[0] is buffer and lender.set_state(lender.get_state()) is buffer


@pytest.mark.parametrize("observation", ["symbolic", "pixels"])
def test_minigrid_reuses_all_that_it_returns(observation: str) -> None:
    env = reinstate.make_vec("MiniGrid-Empty-5x5-v0", 2, observation=observation)
    env.reset(seed=0)
    kept = env.step([2, 2])
    assert all(one is not other for one, other in zip(env.step([2, 2])[:4], kept[:4], strict=True))
    env.copy = False
    lent = env.step([2, 2])
    assert all(one is other for one, other in zip(env.step([2, 2])[:4], lent[:4], strict=True))


@pytest.mark.parametrize(
    "env_id, options",
    slow_unless(EVERY_FAMILY, lambda env_id: (env_id, sized(env_id, 3)))
    + slow_unless(GRID_IDS[:1], lambda env_id: (env_id, {"length": 3, "observation": "pixels"}), GRID_IDS),
)
def test_snapshot_in_mid_episode(env_id: str, options: dict[str, Any]) -> None:
    env = gym.make_vec(env_id, num_envs=3, **options)
    env.reset(seed=0)
    before = roll(env, 37, 0)
    state = env.get_state()
    kept = {name: array.copy() for name, array in state.items()}
    continued = roll(env, 150, 1)
    assert any(step[4] for step in continued), "must draw new episodes"

    for name, array in state.items():
        assert array.dtype.kind in "iu" and len(array) == 3, "plain numbers, one row per environment"
        np.testing.assert_array_equal(array, kept[name], err_msg="a snapshot is a copy")
    other = gym.make_vec(env_id, num_envs=3, **options)  # never reset
    np.testing.assert_array_equal(other.set_state(state), before[-1][0])
    assert_same_rolls(roll(other, 150, 1), continued)


def test_snapshot_of_another_environment_is_refused() -> None:
    env = gym.make_vec("Reinstate/GridTMazePassive-v0", num_envs=2, length=3)
    with pytest.raises(ValueError, match=r"reset\(\) before get_state"):
        env.get_state()
    env.reset(seed=0)
    state = env.get_state()
    for other in (
        gym.make_vec("Reinstate/GridTMazePassive-v0", num_envs=2, length=4),
        gym.make_vec("Reinstate/GridTMazePassive-v0", num_envs=3, length=3),
        gym.make_vec("Reinstate/TMazePassive-v0", num_envs=2, length=3),
    ):
        with pytest.raises(ValueError, match="of another environment"):
            other.set_state(state)


def test_bad_calls_are_refused() -> None:
    env = gym.make_vec("Reinstate/GridTMazePassive-v0", num_envs=2, length=3)
    with pytest.raises(ValueError, match=r"reset\(\) before the first step"):
        env.step([0, 0])
    with pytest.raises(ValueError, match="before resetting some"):
        env.reset(options={"reset_mask": np.array([True, False])})
    env.reset(seed=0)
    for mask in (np.array([True]), np.array([1, 0])):
        with pytest.raises(ValueError, match="reset_mask must be bool"):
            env.reset(options={"reset_mask": mask})
    with pytest.raises(ValueError, match="num_envs=0"):
        gym.make_vec("Reinstate/TMazePassive-v0", num_envs=0)


BAD_ACTIONS = [
    ([0], r"shape \(1,\): pass \(2,\)"),
    ([[0, 0]], r"shape \(1, 2\): pass \(2,\)"),
    (3, r"shape \(\): pass \(2,\)"),
    ([1.0, 0.7], "type float64: pass integers"),
    (np.array([1.0, 2.0], dtype=np.float32), "type float32: pass integers"),
    ([True, False], "type bool: pass integers"),
    ([None, 0], "type object: pass integers"),
    (["1", "2"], "type <U1: pass integers"),
    ([0, 2**70], "type object: pass integers"),
    ([0, 7], r"action 7 for environment 1: all must lie in 0\.\.6"),
    ([-1, 0], r"action -1 for environment 0: all must lie in 0\.\.6"),
    (np.array([0, 2**64 - 3], dtype=np.uint64), "action 18446744073709551613 for environment 1"),
]


@pytest.mark.parametrize("actions, sentence", BAD_ACTIONS)
@pytest.mark.parametrize("env_id", ["Reinstate/GridTMazePassive-v0", "MiniGrid-Empty-5x5-v0"])
def test_bad_actions_change_nothing(env_id: str, actions: Any, sentence: str) -> None:
    env = make_vector(env_id, 2)
    env.reset(seed=0)
    env.step([2, 2])
    before = env.get_state()
    with pytest.raises(ValueError, match=sentence):
        env.step(actions)
    assert_same(env.get_state(), before)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_any_integers_are_actions(dtype: type) -> None:
    env, other = (make_vector("MiniGrid-Empty-5x5-v0", 2) for _ in range(2))
    env.reset(seed=0), other.reset(seed=0)
    frozen = np.array([[2, 5], [1, 5]], dtype=dtype)[:, 0]  # not contiguous, and read-only as JAX's are
    frozen.flags.writeable = False
    assert_same(env.step(frozen)[0], other.step([2, 1])[0])
