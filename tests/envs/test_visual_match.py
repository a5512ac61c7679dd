"""Visual Match, passive and active: pictures and boundaries by hand, and the numbers on its pages."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reinstate.envs import three_phases
from reinstate.envs.adapt import make_single, make_vector
from tests.envs.maze_play import VISUAL_MATCH_IDS
from tests.envs.phase_play import (
    MOVES,
    NORTH,
    World,
    chance_level,
    drawn,
    path_between,
    play_twins,
    seed_where,
    walk,
    wander_towards,
)

PASSIVE, ACTIVE = VISUAL_MATCH_IDS
COLOUR_LETTERS = dict(zip(three_phases.SQUARES, "RGB", strict=True))
REWARD_VIEW = ["     ", "#   #", "# + #", "#####", "     "]
TO_SQUARE = {0: "nnwnnww", 1: "nnnn", 2: "nnennee"}  # from the start of the third phase; 0 is the western one


def colours_in(view: np.ndarray) -> set[str]:
    return set("".join(drawn(view))) & set("RGB")


def squares(env: gym.Env) -> list[int]:
    """The cell codes of the three squares from west to east."""
    return [int(code) for code in World(env).boards[2, 1, [2, 5, 8]]]


def test_the_closed_room() -> None:
    env = gym.make(PASSIVE, delay=5)
    places, letters = set(), set()
    for seed in range(120):
        view, _ = env.reset(seed=seed)
        (letter,) = colours_in(view)
        assert letter == COLOUR_LETTERS[World(env).target]
        text = "".join(drawn(view))
        places.add(text.index(letter))
        letters.add(letter)
        assert text.replace(letter, "#") == "      ###  #+#  ###      "
        for move in "nswe":
            seen, paid, *_ = walk(env, move)
            np.testing.assert_array_equal(seen, view)
            assert paid == 0.0
    assert letters == set("RGB") and places == {6, 7, 8, 11, 13, 16, 17, 18}


def test_the_two_rooms() -> None:
    env = gym.make(ACTIVE, delay=5)
    places, letters, starts = set(), set(), set()
    for seed in range(400):
        env.reset(seed=seed)
        board = World(env).board
        (cell,) = np.argwhere(np.isin(board, three_phases.SQUARES))
        places.add(tuple(cell.tolist()))
        letters.add(COLOUR_LETTERS[int(board[tuple(cell)])])
        starts.add(World(env).position)
        rows = ["".join("# "[int(code == three_phases.BACKGROUND)] for code in row) for row in board]
        assert rows == ["  #######  ", *["  #     #  "] * 2, "  ##   ##  ", *["  #     #  "] * 2, "  #######  "]
    assert len(places) == 26 and letters == set("RGB")
    assert starts == {(row, column) for row in (4, 5) for column in range(3, 8)}


def test_the_colour_is_a_wall_in_the_first_phase() -> None:
    env = gym.make(ACTIVE, delay=5)
    seed = seed_where(env, lambda e: e.position == (5, 4) and e.board[6, 4] in three_phases.SQUARES)
    view, _ = env.reset(seed=seed)
    seen, paid, *_ = walk(env, "ss")
    np.testing.assert_array_equal(seen, view)
    assert paid == 0.0 and len(colours_in(seen)) == 1


@pytest.mark.parametrize("env_id", VISUAL_MATCH_IDS)
@pytest.mark.parametrize("delay", [0, 1, 30, 90])
def test_the_phases_begin_and_end_on_their_steps(env_id: str, delay: int) -> None:
    env = gym.make(env_id, delay=delay)
    env.reset(seed=0)
    walk(env, "s" * 14)
    assert World(env).phase == 0
    seen, *_ = walk(env, "s")  # the 15th step returns the next phase's first picture
    if delay:
        assert "".join(drawn(seen)).replace("a", " ") == " " * 12 + "+" + " " * 2 + "#####" + " " * 5
        before = walk(env, "s" * (delay - 1))[0] if delay > 1 else seen
        assert drawn(before) != REWARD_VIEW
        seen, *_ = walk(env, "s")
    assert drawn(seen) == REWARD_VIEW
    _, paid, terminated, truncated, info = walk(env, "s" * 14)
    assert (paid, terminated, truncated, info) == (0.0, False, False, {})
    _, paid, terminated, truncated, info = walk(env, "s")
    assert (paid, terminated, truncated) == (0.0, True, False)
    assert info == {"is_success": False, "last_phase_reward": 0.0}


@pytest.mark.parametrize("env_id", VISUAL_MATCH_IDS)
@pytest.mark.parametrize("touched", [0, 1, 2])
def test_touching_one_square_removes_all(env_id: str, touched: int) -> None:
    env = gym.make(env_id, delay=0)
    seen_success = set()
    for seed in range(40):
        env.reset(seed=seed)
        walk(env, "s" * 15)
        right = squares(env)[touched] == World(env).target
        path = TO_SQUARE[touched]
        before, paid, *_ = walk(env, path[:-1])
        assert paid == 0.0 and COLOUR_LETTERS[squares(env)[touched]] in colours_in(before)
        seen, paid, *_ = walk(env, path[-1])
        assert paid == (10.0 if right else 0.0)
        assert colours_in(seen) == set() and not np.isin(World(env).board, three_phases.SQUARES).any()
        # Along the row of the squares that were: none pays any more.
        rest = ("we" * 15)[: 15 - len(path)]
        _, paid, terminated, _, info = walk(env, rest)
        assert (paid, terminated) == (0.0, True)
        assert info == {"is_success": right, "last_phase_reward": 10.0 if right else 0.0}
        seen_success.add(right)
    assert seen_success == {True, False}


def test_the_last_step_counts() -> None:
    env = gym.make(PASSIVE, delay=0)
    env.reset(seed=seed_where(env, lambda e: e.boards[2, 1, 5] == e.target))
    walk(env, "s" * 15 + "s" * 11 + "nnn")
    _, paid, terminated, _, info = walk(env, "n")
    assert (paid, terminated, info) == (10.0, True, {"is_success": True, "last_phase_reward": 10.0})


def test_the_squares_come_in_any_order() -> None:
    env = gym.make(PASSIVE, delay=0)
    drawn_episodes = set()
    for seed in range(300):
        env.reset(seed=seed)
        drawn_episodes.add((World(env).target, *squares(env)))
    assert len(drawn_episodes) == 3 * 6


def find_colour(env: gym.Env, view: np.ndarray) -> str:
    """Walk past all walls until the colour is in view: the lower room, then the upper one; 15 steps are enough."""
    row, column = World(env).position
    nearer, farther = (4, 6) if column <= 5 else (6, 4)
    turning_points = [(row, nearer), (row, farther), (2, farther), (2, nearer)]
    at, path = (row, column), ""
    for point in turning_points:
        path += path_between(at, point)
        at = point
    assert len(path) <= 15
    for move in path:
        if colours_in(view):
            break
        view, *_ = env.step(MOVES[move])
    (letter,) = colours_in(view)
    return letter


@pytest.mark.parametrize("env_id", VISUAL_MATCH_IDS)
@pytest.mark.parametrize("delay", [0, 7])
def test_optimal_policy_attains_the_documented_return(env_id: str, delay: int) -> None:
    """Colours are read off the views alone; the first cell and the phase are looked up."""
    env = gym.make(env_id, delay=delay, apple_reward=0)
    for seed in range(60):
        view, _ = env.reset(seed=seed)
        letter = find_colour(env, view) if env_id == ACTIVE else colours_in(view).pop()
        while World(env).phase != 2:
            env.step(NORTH)
        view, *_ = walk(env, "nn")  # the middle square is in view
        path = "nn"
        if letter not in colours_in(view):
            view, *_ = walk(env, "w")  # so is the western one
            path = "nnww" if letter in colours_in(view) else "eeeenn"
        _, total, *_ = walk(env, path)
        assert total == 10.0
        terminated = False
        while not terminated:
            _, reward, terminated, _, info = env.step(NORTH)
            assert reward == 0.0
        assert info == {"is_success": True, "last_phase_reward": 10.0}


@pytest.mark.parametrize("env_id", VISUAL_MATCH_IDS)
def test_without_memory_a_third(env_id: str) -> None:
    env = gym.make(env_id, delay=0)
    successes = []
    for seed in range(300):
        env.reset(seed=seed)
        walk(env, "n" * 15)
        successes.append(walk(env, "n" * 15)[4]["is_success"])
    assert np.mean(successes) == pytest.approx(1 / 3, abs=0.11)  # four deviations


@pytest.mark.parametrize("env_id", VISUAL_MATCH_IDS)
def test_chance_level(env_id: str) -> None:
    """The exact chance of touching the right square first, from the Markov chain of the hall: 5.12 %."""
    share, mean = chance_level(env_id, 3000, delay=0)
    assert share == pytest.approx(0.0512, abs=0.016)  # four deviations
    assert mean == pytest.approx(10 * share)


@pytest.mark.parametrize("env_id", VISUAL_MATCH_IDS)
@pytest.mark.parametrize("options", [{"delay": 30}, {"delay": 0, "apple_reward": 0.1}])
def test_batched_equals_single(env_id: str, options: dict[str, Any]) -> None:
    def policy(env: Any, rng: np.random.Generator) -> int:
        goals = three_phases.APPLE if env.phase == 1 else three_phases.SQUARES
        return wander_towards(env, np.argwhere(np.isin(env.board, goals)), rng)

    assert {True, False} <= set(play_twins(env_id, options, policy))


@pytest.mark.parametrize("env_id", VISUAL_MATCH_IDS)
def test_snapshot_in_every_phase(env_id: str) -> None:
    options = {"num_envs": 4, "delay": 10}
    actions = np.random.default_rng(0).integers(4, size=(120, 4))
    env = gym.make_vec(env_id, **options)
    env.reset(seed=0)
    outcomes = [env.step(row) for row in actions]
    for stop in (1, 15, 20, 25, 33, 39, 40, 41):
        env.reset(seed=0)
        for row in actions[:stop]:
            last = env.step(row)
        other = gym.make_vec(env_id, **options)
        np.testing.assert_array_equal(other.set_state(env.get_state()), last[0])
        for row, outcome in zip(actions[stop:], outcomes[stop:], strict=True):
            for ours, theirs in zip(other.step(row)[:4], outcome[:4], strict=True):
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("env_id", VISUAL_MATCH_IDS)
@pytest.mark.parametrize(
    "options, words",
    [
        ({"delay": -1}, "delay=-1 is not possible: pass an integer of at least 0"),
        ({"delay": True}, "delay=True is not possible"),
        ({"apple_reward": "1"}, "apple_reward='1' is not a reward: pass a finite number, or None"),
    ],
)
def test_bad_options_are_refused(env_id: str, options: dict[str, Any], words: str) -> None:
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=words):
            make(env_id, **options)


@pytest.mark.parametrize("env_id", VISUAL_MATCH_IDS)
def test_unknown_keywords_are_refused(env_id: str) -> None:
    for call in (lambda: make_single(env_id, {"preset": "tvt"}), lambda: make_vector(env_id, 2, {"preset": "tvt"})):
        with pytest.raises(ValueError, match="no option 'preset'.* It accepts: active, apple_reward, delay"):
            call()


def test_rendering() -> None:
    env = gym.make(ACTIVE, delay=2, render_mode="rgb_array")
    view, _ = env.reset(seed=0)
    for _ in range(32):
        frame = env.render()
        assert frame.shape == (112, 176, 3) and frame.dtype == np.uint8
        row, column = World(env).position
        around = np.pad(frame[::16, ::16], ((2, 2), (2, 2), (0, 0)), constant_values=204)
        np.testing.assert_array_equal(around[row : row + 5, column : column + 5], view)
        view, _, terminated, _, _ = env.step(NORTH)
    assert terminated
