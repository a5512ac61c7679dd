"""Other people's environments in a vector: what is kept of them, seeds, and going on from a state."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from reinstate.envs import others
from reinstate.envs.adapt import make_vector
from reinstate.envs.errors import EnvError
from reinstate.envs.others import OthersVector, cue_of, episode_seed, success_of


class Walk(gym.Env):
    """A random walk of at most `limit` steps; its observation is one array for all time."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Discrete(3)

    def __init__(self, limit: int = 5, final: dict[str, Any] | None = None, obeys: bool = True, fails_at: int = -1):
        self.limit, self.final, self.obeys, self.fails_at = limit, final or {}, obeys, fails_at
        self.buffer = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed if self.obeys else None)
        self.time = 0
        self.buffer[:] = self.np_random.random(2)
        return self.buffer, {"length": None}

    def step(self, action):
        self.time += 1
        if self.time == self.fails_at:
            raise KeyError("no such road")
        self.buffer += self.np_random.random(2) + int(action)
        over = self.time == self.limit
        info = {"length": [None, self.time, "x"][self.time % 3], **(self.final if over else {})}
        return self.buffer, float(action), over, False, info


@pytest.fixture(autouse=True, scope="module")
def walk_id():
    gym.register("Walk-v0", entry_point=Walk)
    yield
    del gym.registry["Walk-v0"]


def roll(envs: OthersVector, steps: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [envs.step(rng.integers(3, size=envs.num_envs)) for _ in range(steps)]


def text(found: Any) -> str:
    return repr(found)


def test_a_reused_buffer_is_copied() -> None:
    envs = make_vector("Walk-v0", 2, {"limit": 3})
    first, _ = envs.reset(seed=[4, 6])
    steps = roll(envs, 3, 0)
    seen = [first, *(step[0] for step in steps)]
    assert len({array.tobytes() for array in seen}) == 4, "later steps do not change what was returned"
    final = steps[-1][4]["final_obs"]
    assert final[0].dtype == np.float32 and (final[0] > seen[2][0]).all(), "it is the last of its episode"


@pytest.mark.parametrize(
    "value, success",
    [
        (True, True),
        (np.False_, False),
        (1, True),
        (0.0, False),
        (np.float32(1), True),
        (float("nan"), None),
        ("False", None),
        (None, None),
        (2, None),
        (np.array([1, 0]), None),
        ([], None),
    ],
)
def test_success_is_a_bool_or_not_reported(value: Any, success: bool | None) -> None:
    assert success_of({"is_success": value}) is success
    envs = make_vector("Walk-v0", 2, {"final": {"is_success": value, "cue": value}})
    envs.reset(seed=0)
    final = roll(envs, 5, 0)[-1][4]["final_info"]
    assert final.keys() <= {"is_success", "_is_success", "cue", "_cue"}
    if success is None:
        assert "is_success" not in final
    else:
        assert final["is_success"].tolist() == [success] * 2 and final["_is_success"].all()
    assert ("cue" in final) == (type(value) is int)


def test_cues_are_integers() -> None:
    assert [cue_of({"cue": cue}) for cue in (3, np.int8(-1), True, 1.0, "1", None, 2**70)] == [3, -1, *[None] * 5]
    assert cue_of(None) is None and success_of("info") is None


def test_seeds_of_episodes() -> None:
    seeds = {base: [episode_seed(base, k) for k in range(200)] for base in (0, 1, 2, 2**32 - 1)}
    flat = [seed for each in seeds.values() for seed in each]
    assert len(set(flat)) == len(flat) and all(0 <= seed < 2**32 for seed in flat)
    assert all(seed % 2 == base % 2 for base, each in seeds.items() for seed in each), "evaluation's stay odd"
    envs = make_vector("Walk-v0", 2, {"limit": 4})
    first, _ = envs.reset(seed=[8, 3])
    again = roll(envs, 4, 0)[-1][0]
    for b, base in enumerate((8, 3)):
        alone = gym.make("Walk-v0", limit=4)
        np.testing.assert_array_equal(first[b], alone.reset(seed=base)[0].astype(np.float32))
        np.testing.assert_array_equal(again[b], alone.reset(seed=episode_seed(base, 1))[0].astype(np.float32))


@pytest.mark.parametrize("steps", [0, 3, 37, 300])
def test_going_on_from_a_state(steps: int) -> None:
    """In the middle of episodes, and after resets of some environments alone."""
    first, second = (make_vector("Walk-v0", 3, {"limit": 101}) for _ in range(2))
    first.reset(seed=[0, 2, 4])
    roll(first, steps, 0)
    first.reset(options={"reset_mask": np.array([False, True, False])})
    roll(first, steps, 1)
    state = first.state_dict()
    plain = json.loads(json.dumps({name: value for name, value in state.items() if isinstance(value, list)}))
    second.reset(seed=9)
    roll(second, 5, 5)
    assert second.load_state_dict(state | plain) == []
    np.testing.assert_array_equal(second.observations, first.observations)
    assert text(roll(second, 250, 2)) == text(roll(first, 250, 2))
    assert text(second.state_dict()) == text(first.state_dict())


def test_wrong_masks_are_refused() -> None:
    envs = make_vector("Walk-v0", 2)
    with pytest.raises(ValueError, match="once before resetting some"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset(seed=0)
    for mask in (np.array([True]), np.array([1, 0])):
        with pytest.raises(ValueError, match="reset_mask must be bool of shape"):
            envs.reset(options={"reset_mask": mask})


def test_what_does_not_come_back_begins_anew() -> None:
    first, second = (make_vector("Walk-v0", 2, {"obeys": False}) for _ in range(2))
    first.reset(seed=[0, 2])
    roll(first, 2, 0)
    assert second.load_state_dict(first.state_dict()) == [0, 1]
    assert second.lengths.tolist() == [0, 0] and second.episodes.tolist() == [1, 1]
    assert second.state_dict()["observations"].tolist() == second.observations.tolist()
    roll(second, 20, 0)


def test_an_environment_that_is_another_now_begins_anew() -> None:
    """Its episodes are shorter than the actions that were saved."""
    first, second = make_vector("Walk-v0", 2, {"limit": 9}), make_vector("Walk-v0", 2, {"limit": 3})
    first.reset(seed=[0, 2])
    roll(first, 5, 0)
    assert second.load_state_dict(first.state_dict()) == [0, 1]


def test_episodes_too_long_to_be_played_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others, "LONGEST_REPLAY", 100)
    first, second = (make_vector("Walk-v0", 2, {"limit": 1000}) for _ in range(2))
    first.reset(seed=[0, 2])
    roll(first, 60, 0)
    first.reset(options={"reset_mask": np.array([True, False])})
    roll(first, 100, 0)
    state = first.state_dict()
    assert state["lengths"] == [100, 160] and len(state["actions"]) == 100
    assert first._actions.shape[1] <= 128, "no more is kept"
    assert second.load_state_dict(state) == [1]
    np.testing.assert_array_equal(second.observations[0], first.observations[0])


@pytest.mark.parametrize(
    "change",
    [
        {"bases": [0]},
        {"lengths": [1, 1]},
        {"lengths": [-1, 3]},
        {"actions": np.array([0, 3, 0, 1], np.int16)},
        {"observations": np.zeros((2, 3))},
    ],
)
def test_states_of_others_are_refused(change: dict[str, Any]) -> None:
    envs = make_vector("Walk-v0", 2)
    envs.reset(seed=0)
    roll(envs, 2, 0)
    with pytest.raises(ValueError, match="^This state is not of 2 environments of Walk-v0.$"):
        envs.load_state_dict(envs.state_dict() | change)


def test_an_environment_that_raises_is_one_sentence_and_the_state_is_that_of_before() -> None:
    envs = make_vector("Walk-v0", 3, {"fails_at": 4})
    envs.reset(seed=0)
    roll(envs, 3, 0)
    before = text(envs.state_dict())
    with pytest.raises(EnvError) as error:
        envs.step(np.zeros(3, dtype=np.int64))
    line = next(i for i, row in enumerate(open(__file__), 1) if "no such road" in row)
    assert str(error.value) == (
        f"Walk-v0 (environment 0 of 3) failed in step 4 of its episode: KeyError: 'no such road' ({__file__}:{line})"
    )
    assert isinstance(error.value.__cause__, KeyError)
    assert text(envs.state_dict()) == before
