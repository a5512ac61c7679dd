"""Whatever is wrong with what an environment is made or reset with is said in one sentence, for every id."""

from __future__ import annotations

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reinstate.envs.adapt import make_single, make_vector
from tests.envs.maze_play import ALL_IDS, CHAIN_IDS, ENDLESS_ID, GRID_IDS, PHASE_IDS, TMAZE_IDS, assert_same, sized

# The least value of each option that is an integer.
INTEGERS: dict[str, dict[str, int]] = {
    **{env_id: {"length": 1, "distractors": 0} for env_id in GRID_IDS},
    ENDLESS_ID: {"length": 1, "corridors": 1, "distractors": 0},
    **{env_id: {"length": 1} for env_id in [*TMAZE_IDS, *CHAIN_IDS]},
    CHAIN_IDS[0]: {"length": 1, "bits": 1},
    **{env_id: {"delay": 0} for env_id in PHASE_IDS},
}
NUMBERS = {
    **{env_id: "penalty" for env_id in [*GRID_IDS, ENDLESS_ID]},
    **{env_id: "apple_reward" for env_id in PHASE_IDS},
}
CHOICES = {
    **{env_id: "observation" for env_id in [*GRID_IDS, ENDLESS_ID]},
    **{env_id: "penalty" for env_id in TMAZE_IDS},
    PHASE_IDS[0]: "preset",
}


def assert_refused(env_id: str, option: str, value: Any) -> None:
    """The sentence names option and value and says what to pass, for the single and the batched environment."""
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=re.escape(f"{option}={value!r} ")) as error:
            make(env_id, **{option: value})
        sentence = str(error.value)
        assert re.search(r": (pass|choose) ", sentence) and sentence.endswith(".") and len(sentence) < 160


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_integers(env_id: str) -> None:
    for option, least in INTEGERS[env_id].items():
        for value in (least - 1, -5, True, False, np.True_, 2.0, 2.5, np.float64(3), float("nan"), "3", None, [3]):
            assert_refused(env_id, option, value)
        for make in (gym.make, gym.make_vec):
            make(env_id, **{option: np.int32(least)})


@pytest.mark.parametrize("env_id, option", NUMBERS.items())
def test_numbers(env_id: str, option: str) -> None:
    for value in (True, np.True_, float("nan"), float("inf"), "1", [1.0], 1j):
        assert_refused(env_id, option, value)
    if option == "penalty":
        assert_refused(env_id, option, -0.5)
    for value in (None, 0, 2, np.float32(0.5), np.int64(1)):
        for make in (gym.make, gym.make_vec):
            make(env_id, **{option: value})


@pytest.mark.parametrize("env_id, option", CHOICES.items())
def test_choices(env_id: str, option: str) -> None:
    for value in ("rgb", "", None, 3, True):
        assert_refused(env_id, option, value)


@pytest.mark.filterwarnings("ignore::UserWarning")  # gymnasium warns about the mode as well
@pytest.mark.parametrize("env_id", ALL_IDS)
def test_render_modes(env_id: str) -> None:
    for mode in ("film", "ansi"):
        with pytest.raises(ValueError, match=f"render_mode='{mode}' is unknown: choose one of None, .*'rgb_array'"):
            gym.make(env_id, render_mode=mode)
    for mode in ("film", "rgb_array", "human"):
        with pytest.raises(
            ValueError, match=f"render_mode='{mode}' is not possible in a batch: leave it out, or watch"
        ):
            gym.make_vec(env_id, num_envs=2, render_mode=mode)


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_unknown_keywords(env_id: str) -> None:
    option = next(iter(sized(env_id, 1)))
    typo = option[:-2] + option[:-3:-1]
    for call in (lambda: make_single(env_id, {typo: 3}), lambda: make_vector(env_id, 2, {typo: 3})):
        with pytest.raises(
            ValueError, match=f"has no option '{typo}'. Did you mean '{option}'. It accepts: .*{option}"
        ):
            call()
    for make in (gym.make, gym.make_vec):  # Python's own words
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{typo}'"):
            make(env_id, **{typo: 3})


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_numbers_of_environments(env_id: str) -> None:
    for value in (0, -1, True, 2.0, "2", None):
        with pytest.raises(ValueError, match=f"num_envs={value!r} is not possible: pass an integer of at least 1"):
            gym.make_vec(env_id, num_envs=value)


@pytest.mark.parametrize(
    "seed, words",
    [
        (-1, "seed=-1 is not possible: pass an integer of at least 0"),
        (1.5, "seed=1.5 is not possible"),
        (True, "seed=True is not possible"),
        ([3, 4, -2], "seed=-2 is not possible"),
        ([3, 4, 2.0], "seed=2.0 is not possible"),
        ([3, 4], "2 seeds for 3 environments: pass one for each"),
    ],
)
def test_bad_seeds_change_nothing(seed: Any, words: str) -> None:
    env = gym.make_vec(CHAIN_IDS[1], num_envs=3)
    with pytest.raises(ValueError, match=words):
        env.reset(seed=seed)
    env.reset(seed=0)
    env.step([0, 1, 0])
    before = env.get_state()
    with pytest.raises(ValueError, match=words):
        env.reset(seed=seed)
    assert_same(env.get_state(), before)
