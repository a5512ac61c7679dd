"""Registration, gymnasium's own checker and determinism, for every id."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

import reinstate.envs
from reinstate.envs.naming import keywords_of
from tests.envs.maze_play import (
    ALL_IDS,
    CHAIN_IDS,
    ENDLESS_ID,
    EVERY_FAMILY,
    GRID_IDS,
    PHASE_IDS,
    TMAZE_IDS,
    assert_same,
    sized,
    slow_unless,
)

SECTIONS = [
    "Description",
    "Actions",
    "Observation",
    "Reward",
    "Termination and truncation",
    "Optimal return, memory lag, credit lag, chance level",
    "Registered ids",
]


def test_all_ids_are_registered() -> None:
    assert sorted(i for i in gym.registry if i.startswith("Reinstate/")) == sorted(ALL_IDS)
    gym.register_envs(reinstate.envs)


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_made_in_every_way(env_id: str) -> None:
    single = gym.make(env_id)
    size, default = ("delay", 90) if env_id in PHASE_IDS else ("length", 20 if env_id == ENDLESS_ID else 100)
    assert getattr(single.unwrapped.layout, size) == default
    batched = gym.make_vec(env_id, num_envs=2)
    assert type(batched).__name__ == type(single.unwrapped).__name__ + "Vector"
    np.testing.assert_equal(batched.layout._asdict(), single.unwrapped.layout._asdict())
    if "Grid" in env_id:
        assert single.unwrapped.layout.distractors == (6 if "Crowded" in env_id else 0)
    assert getattr(gym.make(f"reinstate:{env_id}", **{size: 5}).unwrapped.layout, size) == 5
    assert getattr(gym.make_vec(f"reinstate:{env_id}", num_envs=2, **{size: 5}).layout, size) == 5


def test_module_prefix_registers_by_itself() -> None:
    code = "import gymnasium; print(gymnasium.make('reinstate:Reinstate/TMazePassive-v0').unwrapped.layout.length)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "100", done.stderr


@pytest.mark.parametrize("env_id", slow_unless(EVERY_FAMILY))
def test_gymnasiums_checker(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # the checker opens a window
    kinds = [{"observation": "symbolic"}, {"observation": "pixels"}] if env_id in [*GRID_IDS, ENDLESS_ID] else [{}]
    for options in kinds:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env(gym.make(env_id, render_mode="rgb_array", **sized(env_id, 4), **options).unwrapped)
        # pygame warns about fonts on some machines; gymnasium's own warnings begin with WARN.
        assert [str(w.message) for w in caught if "WARN" in str(w.message)] == []


@pytest.mark.parametrize("env_id", slow_unless(EVERY_FAMILY))
def test_two_copies_agree(env_id: str) -> None:
    one, other = gym.make(env_id, **sized(env_id, 3)), gym.make(env_id, **sized(env_id, 3))
    rng = np.random.default_rng(0)
    for seed in (5, None, 6):
        left, right = one.reset(seed=seed), other.reset(seed=seed)
        ended = False
        while not ended:
            assert_same(left[0], right[0])
            assert left[1:] == right[1:]
            action = int(rng.integers(one.action_space.n))
            left, right = one.step(action), other.step(action)
            ended = left[2] or left[3]
        assert_same(left[0], right[0])
        assert left[1:] == right[1:]


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_the_docstring_is_a_page(env_id: str) -> None:
    environment = type(gym.make(env_id).unwrapped)
    first, *sections = re.split(r"^## ", inspect.getdoc(environment), flags=re.MULTILINE)
    page = {heading: text for heading, _, text in (section.partition("\n\n") for section in sections)}
    assert list(page) == SECTIONS
    assert first.strip().endswith(".") and len(first.strip().splitlines()) == 1
    assert all(len(text.split()) > 1 for text in page.values())

    for heading in ("Actions", "Observation", SECTIONS[5]):
        assert "\n|--" in page[heading], f"{heading} has a table"
    actions = [row.split("|")[1].strip() for row in page["Actions"].splitlines() if row.startswith("|")]
    assert actions[2:] == [str(number) for number in range(gym.make(env_id).action_space.n)]
    columns = page[SECTIONS[5]][page[SECTIONS[5]].index("|") :].splitlines()[0]
    for words in ("Optimal", "Best without memory", "Random", "Memory lag", "Credit lag"):
        assert words in columns
    assert "is_success" in page["Termination and truncation"]
    assert "erminated" in page["Termination and truncation"] and "runcated" in page["Termination and truncation"]

    same_class = [i for i in ALL_IDS if gym.registry[i].entry_point == gym.registry[env_id].entry_point]
    assert re.findall(r"`(Reinstate/[^`]+)`", page["Registered ids"]) == same_class
    for option in keywords_of(gym.registry[env_id]):
        assert re.search(rf"\b{option}\b", inspect.getdoc(environment)), f"{option} is explained"


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_the_spec_survives_json(env_id: str) -> None:
    spec = gym.make(env_id, **sized(env_id, 4)).spec
    restored = EnvSpec.from_json(spec.to_json())
    assert restored == spec and restored.kwargs[next(iter(sized(env_id, 4)))] == 4
    one, other = gym.make(spec), gym.make(restored)
    assert_same(one.reset(seed=1)[0], other.reset(seed=1)[0])
    for action in (0, 1, 0):
        left, right = one.step(action), other.step(action)
        assert_same(left[0], right[0])
        assert left[1:] == right[1:]


@pytest.mark.parametrize("env_id", slow_unless(EVERY_FAMILY))
def test_a_copy_in_mid_episode_continues_identically(env_id: str) -> None:
    """Through the end of the episode into the next, whose draw comes from the copied generator."""
    env = gym.make(env_id, **sized(env_id, 4))
    env.reset(seed=2)
    for action in (0, 1):
        env.step(action)
    twin = pickle.loads(pickle.dumps(env))
    rng = np.random.default_rng(0)
    ended = 0
    while ended < 2:
        action = int(rng.integers(env.action_space.n))
        left, right = env.step(action), twin.step(action)
        assert_same(left[0], right[0])
        assert left[1:] == right[1:]
        if left[2] or left[3]:
            ended += 1
            assert_same(env.reset()[0], twin.reset()[0])


# The last action does nothing on a grid and up is blocked in a corridor; elsewhere any action will do.
LENGTH = 5
EPISODE_STEPS = dict.fromkeys([*GRID_IDS, ENDLESS_ID], 3 * LENGTH + 60) | dict.fromkeys(PHASE_IDS, 15 + LENGTH + 15)
EPISODE_STEPS |= {TMAZE_IDS[0]: LENGTH + 1, TMAZE_IDS[1]: LENGTH + 3, CHAIN_IDS[0]: LENGTH + 1, CHAIN_IDS[1]: LENGTH}


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_who_does_nothing_meets_the_exact_end(env_id: str) -> None:
    env = gym.make(env_id, **sized(env_id, LENGTH))
    batch = gym.make_vec(env_id, num_envs=2, **sized(env_id, LENGTH))
    env.reset(seed=0), batch.reset(seed=0)
    idle = 1 if env_id in TMAZE_IDS else int(env.action_space.n) - 1
    for step in range(1, EPISODE_STEPS[env_id] + 1):
        flags = env.step(idle)[2:4]
        last = step == EPISODE_STEPS[env_id]
        truncates = env_id in [*GRID_IDS, ENDLESS_ID]
        assert flags == (last and not truncates, last and truncates), step
        _, _, terminated, truncated, _ = batch.step([idle, idle])
        assert (terminated == flags[0]).all() and (truncated == flags[1]).all(), step
