"""Registration, gymnasium's own checker and determinism, for every id."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from maze_play import ALL_IDS, ENDLESS_ID, GRID_IDS, PHASE_IDS, assert_same, sized

import envs
from envs.naming import keywords_of

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
    gym.register_envs(envs)


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_made_in_every_way(env_id: str) -> None:
    single = gym.make(env_id)
    size, default = ("delay", 90) if env_id in PHASE_IDS else ("length", 20 if env_id == ENDLESS_ID else 100)
    assert getattr(single.unwrapped.layout, size) == default
    batched = gym.make_vec(env_id, num_envs=2)
    assert type(batched).__name__ == type(single.unwrapped).__name__ + "Vector"
    assert batched.layout == single.unwrapped.layout
    if "Grid" in env_id:
        assert single.unwrapped.layout.distractors == (6 if "Crowded" in env_id else 0)
    assert getattr(gym.make(f"envs:{env_id}", **{size: 5}).unwrapped.layout, size) == 5
    assert getattr(gym.make_vec(f"envs:{env_id}", num_envs=2, **{size: 5}).layout, size) == 5


def test_module_prefix_registers_by_itself() -> None:
    code = "import gymnasium; print(gymnasium.make('envs:Reinstate/TMazePassive-v0').unwrapped.layout.length)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "100", done.stderr


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_gymnasiums_checker(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # the checker opens a window
    kinds = [{"observation": "symbolic"}, {"observation": "pixels"}] if env_id in [*GRID_IDS, ENDLESS_ID] else [{}]
    for options in kinds:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env(gym.make(env_id, render_mode="rgb_array", **sized(env_id, 4), **options).unwrapped)
        # pygame warns about fonts on some machines; gymnasium's own warnings begin with WARN.
        assert [str(w.message) for w in caught if "WARN" in str(w.message)] == []


@pytest.mark.parametrize("env_id", ALL_IDS)
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
