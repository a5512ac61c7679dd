"""Key-to-Door: pictures and boundaries by hand, and the numbers on its page."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reinstate.envs import three_phases
from reinstate.envs.adapt import make_single, make_vector
from tests.envs.maze_play import state_of
from tests.envs.phase_play import (
    EAST,
    KEY_COLOUR,
    NORTH,
    SOUTH,
    WALL,
    WEST,
    World,
    chance_level,
    drawn,
    path_to_key,
    play_twins,
    seed_where,
    walk,
    wander_towards,
)

ID = "Reinstate/KeyToDoor-v0"
HALL = ["a a a", " a a ", "a + a", "#####", "     "]  # around the start of the second phase, if no apple is missing
DOOR_ROOM = ["##d##", "#   #", "# + #", "#   #", "#####"]


def start(env: gym.Env, row: int, column: int, key: tuple[int, int]) -> np.ndarray:
    """Reset to an episode with this start and this key; the first picture."""
    seed = seed_where(env, lambda e: e.position == (row, column) and e.board[key] == three_phases.KEY)
    return env.reset(seed=seed)[0]


def is_hall(view: np.ndarray) -> bool:
    """Whether a view is the first one of the second phase: any of its apples may be missing."""
    return all(
        seen in (wanted, " ") if wanted == "a" else seen == wanted
        for seen, wanted in zip("".join(drawn(view)), "".join(HALL), strict=True)
    )


def test_the_first_phase_picture_by_picture() -> None:
    env = gym.make(ID, delay=30)
    # Row 3 of the board is the passage, columns 4 to 6; the key lies in a corner of the upper room.
    assert drawn(start(env, 4, 5, key=(2, 7))) == ["    k", "#   #", "  +  ", "     ", "#####"]
    table = [
        ("n", ["     ", "    k", "# + #", "     ", "     "]),
        ("n", ["#####", "     ", "  + k", "#   #", "     "]),
        ("e", ["#####", "    #", "  +k#", "   ##", "    #"]),
        ("e", ["i### ", "   # ", "  +# ", "  ## ", "   # "]),  # the key is taken: the top wall blinks
        ("e", ["#### ", "   # ", "  +# ", "  ## ", "   # "]),  # against the wall; the blink is over
        ("s", ["#### ", "   # ", "  +# ", "  ## ", "   # "]),  # (3, 7) is a wall as well
    ]
    for move, view in table:
        seen, paid, terminated, truncated, info = walk(env, move)
        assert (drawn(seen), paid, terminated, truncated, info) == (view, 0.0, False, False, {})


@pytest.mark.parametrize(
    "options, hall_at, door_at, ends_at",
    [
        ({"delay": 30}, 15, 45, 60),
        ({"delay": 1}, 15, 16, 31),
        ({"delay": 0}, None, 15, 30),
        ({"delay": 60, "preset": "ni2023"}, 15, 75, 85),
        ({}, 15, 105, 120),
    ],
)
def test_the_phases_begin_and_end_on_their_steps(
    options: dict[str, Any], hall_at: int | None, door_at: int, ends_at: int
) -> None:
    env = gym.make(ID, **options)
    env.reset(seed=0)
    halls, doors, ends = [], [], []
    for step in range(1, ends_at + 1):
        seen, _, terminated, truncated, info = env.step(NORTH if step > door_at else WEST)
        if is_hall(seen):
            halls.append(step)
        if drawn(seen) == DOOR_ROOM:
            doors.append(step)
        if terminated:
            ends.append(step)
        assert not truncated and bool(info) == terminated
    assert (halls[:1], doors[:1], ends) == ([] if hall_at is None else [hall_at], [door_at], [ends_at])
    assert info == {"is_success": False, "last_phase_reward": 0.0}


@pytest.mark.parametrize("preset, final", [("tvt", 10.0), ("ni2023", 5.0)])
def test_key_and_door(preset: str, final: float) -> None:
    env = gym.make(ID, delay=0, preset=preset)
    start(env, 4, 5, key=(2, 7))
    seen, paid, *_ = walk(env, "nnee" + "e" * 11)
    assert drawn(seen) == DOOR_ROOM and paid == 0.0
    seen, paid, *_ = walk(env, "n")
    assert drawn(seen) == ["     ", "##d##", "# + #", "#   #", "#   #"] and paid == 0.0
    seen, paid, *_ = walk(env, "n")
    assert drawn(seen) == ["     ", "     ", "##d##", "#   #", "#   #"], "the door hides the player"
    assert paid == final
    seen, paid, *_ = walk(env, "nn")  # out, and against the edge of the board
    assert drawn(seen) == ["     ", "     ", "  +  ", "##d##", "#   #"] and paid == 0.0
    seen, paid, *_ = walk(env, "ss")  # back in: the door stays open and pays no more
    assert drawn(seen) == ["     ", "##d##", "# + #", "#   #", "#   #"] and paid == 0.0
    _, paid, terminated, _, info = walk(env, "n" + "s" * (8 if preset == "tvt" else 3))
    assert (paid, terminated) == (0.0, True)
    assert info == {"is_success": True, "last_phase_reward": final}


def test_the_door_is_shut_without_the_key() -> None:
    env = gym.make(ID, delay=0)
    start(env, 4, 5, key=(2, 7))
    walk(env, "s" * 15)
    seen, paid, terminated, _, info = walk(env, "n" * 15)
    assert drawn(seen) == ["     ", "##d##", "# + #", "#   #", "#   #"]
    assert (paid, terminated, info) == (0.0, True, {"is_success": False, "last_phase_reward": 0.0})


def test_a_key_has_its_price() -> None:
    env = gym.make(ID, delay=0, key_reward=-1)
    start(env, 4, 5, key=(2, 7))
    paid = [walk(env, step)[1] for step in "nneewe"]  # and once more over the same cell
    assert paid == [0.0, 0.0, 0.0, -1.0, 0.0, 0.0]


def test_a_yoked_door_opens_to_who_took_the_key_in_the_episode_before() -> None:
    env = gym.make(ID, delay=0, yoked=True)

    def play(first_room: str) -> tuple[float, dict[str, Any]]:
        """What the door paid, and the last info."""
        env.reset()
        board = World(env).board
        board[board == three_phases.KEY] = three_phases.BACKGROUND
        board[2, 7], state_of(env).position[:] = three_phases.KEY, (4, 5)
        walk(env, first_room + "s" * (15 - len(first_room)))
        _, paid, terminated, _, info = walk(env, "n" * 15)
        assert terminated
        return paid, info

    fetch = "nnee"
    assert play(fetch) == (0.0, {"is_success": True, "last_phase_reward": 0.0})  # nothing came before
    assert play(fetch) == (10.0, {"is_success": True, "last_phase_reward": 10.0})
    assert play("") == (10.0, {"is_success": False, "last_phase_reward": 10.0})
    assert play(fetch) == (0.0, {"is_success": True, "last_phase_reward": 0.0})
    env.reset(seed=3)  # forgets
    assert play("") == (0.0, {"is_success": False, "last_phase_reward": 0.0})


def test_a_yoked_batch_forgets_where_it_is_seeded_and_not_where_an_episode_is_cut_short() -> None:
    env = gym.make_vec(ID, num_envs=3, delay=0, yoked=True)
    env.reset(seed=0)
    env.unwrapped.state.has_key[:] = 1
    for _ in range(30):
        ended = env.step(np.full(3, SOUTH))[2]
    assert ended.all() and env.unwrapped.state.took_before.tolist() == [1, 1, 1]
    env.step(np.full(3, SOUTH))
    env.reset(options={"reset_mask": np.array([True, False, False])})  # in the middle, without the key
    assert env.unwrapped.state.took_before.tolist() == [1, 1, 1]
    env.reset(seed=[4, None, 4], options={"reset_mask": np.array([True, True, False])})
    assert env.unwrapped.state.took_before.tolist() == [0, 1, 1]


def test_a_snapshot_of_a_yoked_batch_knows_the_episodes_before() -> None:
    env, other = (gym.make_vec(ID, num_envs=2, delay=0, yoked=True) for _ in range(2))
    env.reset(seed=0)
    env.unwrapped.state.took_before[:] = [1, 0]
    other.reset(seed=1)
    other.set_state(env.get_state())
    door = np.full(2, NORTH)
    paid = sum(
        np.stack([other.step(np.full(2, SOUTH))[1] for _ in range(15)] + [other.step(door)[1] for _ in range(15)])
    )
    assert paid.tolist() == [10.0, 0.0]


def test_the_last_step_of_a_phase_counts() -> None:
    env = gym.make(ID, delay=0)
    start(env, 5, 5, key=(2, 7))
    seen, *_ = walk(env, "s" * 11 + "nnne")  # one step short of the key when time is up
    assert drawn(seen) == DOOR_ROOM and not World(env).has_key
    start(env, 5, 5, key=(2, 7))
    seen, *_ = walk(env, "s" * 10 + "nnnee")
    assert drawn(seen) == DOOR_ROOM and World(env).has_key
    _, paid, terminated, *_ = walk(env, "s" * 12 + "nn")
    assert (paid, terminated) == (0.0, False)
    _, paid, terminated, *_ = walk(env, "n")
    assert (paid, terminated) == (10.0, True)


def test_apples_come_back() -> None:
    """An apple taken at frame 2 is in the picture of frame 23 and can be taken at frame 24."""
    env = gym.make(ID, delay=60, apple_reward=3)
    seed = seed_where(env, lambda e: e.boards[1, 5, 3] == three_phases.APPLE)

    def play(path: str) -> tuple[list[int], list[str]]:
        """The frames with a reward, and the cell to the west of the player in every frame."""
        env.reset(seed=seed)
        walk(env, "s" * 15)
        outcomes = [walk(env, move) for move in path]
        assert {outcome[1] for outcome in outcomes} <= {0.0, 3.0}
        paid_at = [frame for frame, outcome in enumerate(outcomes, 1) if outcome[1]]
        return paid_at, [drawn(outcome[0])[2][1] for outcome in outcomes]

    assert play("ww" + "s" * 55)[0] == [2, 24, 46], "it grows under the player, who stays by walking into the wall"
    paid_at, west = play("wwe" + "s" * 20 + "w")
    assert paid_at == [2, 24]
    assert west[2:23] == [" "] * 20 + ["a"], "frames 3 to 23"
    assert play("wwe" + "s" * 19 + "ws")[0] == [2, 24], "entering at frame 23 is too early; it grows then"


def test_ten_apples_of_one_price() -> None:
    env = gym.make(ID)
    prices, cells = set(), set()
    for seed in range(60):
        env.reset(seed=seed)
        apples = np.argwhere(World(env).boards[1] == three_phases.APPLE)
        assert len(apples) == 10 and all((row + column) % 2 == 0 for row, column in apples)
        cells |= set(map(tuple, apples))
        rng = np.random.default_rng(seed)
        rewards = {env.step(int(rng.integers(4)))[1] for _ in range(105)} - {0.0}
        assert len(rewards) <= 1
        prices |= rewards
    assert prices == {1.0, 10.0}
    assert cells == {(r, c) for r in range(1, 6) for c in range(1, 10) if (r + c) % 2 == 0} - {(5, 5)}
    assert gym.make(ID, preset="ni2023").unwrapped.layout.apple_rewards.tolist() == [1.0]


def test_the_start_is_drawn_from_all_cells() -> None:
    env = gym.make(ID)
    keys, starts = set(), set()
    for seed in range(200):
        env.reset(seed=seed)
        board = World(env).board
        (key,) = np.argwhere(board == three_phases.KEY)
        keys.add(tuple(key.tolist()))
        starts.add(World(env).position)
    assert keys == {(r, c) for r in (1, 2) for c in range(3, 8)}
    assert starts == {(r, c) for r in (4, 5) for c in range(3, 8)}


@pytest.mark.parametrize("preset, final", [("tvt", 10.0), ("ni2023", 5.0)])
@pytest.mark.parametrize("delay", [0, 7])
def test_optimal_policy_attains_the_documented_return(preset: str, final: float, delay: int) -> None:
    env = gym.make(ID, delay=delay, apple_reward=0, preset=preset)
    for seed in range(40):
        env.reset(seed=seed)
        path = path_to_key(World(env))
        assert len(path) <= 15
        steps = env.unwrapped.layout.episode_steps
        path += "n" * (15 - len(path) + delay) + "nn"
        _, total, terminated, _, info = walk(env, path + "n" * (steps - len(path)))
        assert terminated and total == final and info == {"is_success": True, "last_phase_reward": final}


def without_memory(view: np.ndarray) -> int:
    """An action from one view: to a key in the same row, else to the middle between the walls, else north."""
    middle = [tuple(cell) for cell in view[2].tolist()]
    if KEY_COLOUR in middle:
        return EAST if middle.index(KEY_COLOUR) > 2 else WEST
    wall_west, wall_east = WALL in middle[:2], WALL in middle[3:]
    if wall_west != wall_east:
        return EAST if wall_west else WEST
    return NORTH


def test_a_policy_without_memory_is_enough() -> None:
    env = gym.make(ID, delay=5)
    for seed in range(60):
        seen, _ = env.reset(seed=seed)
        terminated = False
        while not terminated:
            seen, _, terminated, _, info = env.step(without_memory(seen))
        assert info["is_success"]


@pytest.mark.parametrize("preset, success, final", [("tvt", 0.0281, 10), ("ni2023", 0.0201, 5)])
def test_chance_level(preset: str, success: float, final: float) -> None:
    """The exact chances, from the Markov chains of the two rooms: 10.28 % for the key, 27.4 % (19.6 %) for the door."""
    share, mean = chance_level(ID, 3000, delay=0, preset=preset)
    assert share == pytest.approx(success, abs=0.012)  # four deviations
    assert mean == pytest.approx(final * share)


@pytest.mark.parametrize(
    "options",
    [
        {"delay": 30},
        {"delay": 0, "preset": "ni2023"},
        {"delay": 40, "apple_reward": 0.1},
        {"delay": 2, "yoked": True, "key_reward": -1},
    ],
)
def test_batched_equals_single(options: dict[str, Any]) -> None:
    goals = (three_phases.KEY, three_phases.APPLE, three_phases.DOOR)
    successes = play_twins(ID, options, lambda e, rng: wander_towards(e, np.argwhere(e.board == goals[e.phase]), rng))
    assert {True, False} <= set(successes)


def test_snapshot_in_every_phase() -> None:
    options = {"num_envs": 4, "delay": 30}
    rng = np.random.default_rng(0)
    actions = rng.integers(4, size=(200, 4))
    env = gym.make_vec(ID, **options)
    env.reset(seed=0)
    outcomes = [env.step(row) for row in actions]
    for stop in (1, 14, 15, 16, 40, 45, 59, 60, 61):
        env.reset(seed=0)
        for row in actions[:stop]:
            last = env.step(row)
        other = gym.make_vec(ID, **options)
        np.testing.assert_array_equal(other.set_state(env.get_state()), last[0])
        for row, outcome in zip(actions[stop:], outcomes[stop:], strict=True):
            again = other.step(row)
            for ours, theirs in zip(again[:4], outcome[:4], strict=True):
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"delay": -1}, "delay=-1 is not possible: pass an integer of at least 0"),
        ({"delay": 1.5}, "delay=1.5 is not possible"),
        ({"preset": "atari"}, "preset='atari' is unknown: choose one of 'tvt', 'ni2023'"),
        ({"apple_reward": "big"}, "apple_reward='big' is not a reward: pass a finite number, or None"),
        ({"apple_reward": float("nan")}, "apple_reward=nan"),
        ({"apple_reward": (1, 10)}, "apple_reward="),
        ({"key_reward": "dear"}, "key_reward='dear' is not a reward: pass a finite number"),
        ({"yoked": 1}, "yoked=1 is not possible: pass True or False"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=words):
            make(ID, **options)


def test_unknown_keywords_and_actions_are_refused() -> None:
    for call in (lambda: make_single(ID, {"delays": 3}), lambda: make_vector(ID, 2, {"delays": 3})):
        with pytest.raises(ValueError, match="no option 'delays'. Did you mean 'delay'"):
            call()
    env = gym.make(ID, disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"pass an integer in 0\.\.3"):
        env.step(4)


def test_rendering() -> None:
    env = gym.make(ID, delay=2, render_mode="rgb_array")
    view, _ = env.reset(seed=0)
    for _ in range(32):
        frame = env.render()
        assert frame.shape == (112, 176, 3) and frame.dtype == np.uint8
        cells = frame[::16, ::16]  # [7, 11, 3]
        row, column = World(env).position
        around = np.pad(cells, ((2, 2), (2, 2), (0, 0)), constant_values=204)[row : row + 5, column : column + 5]
        np.testing.assert_array_equal(around, view)
        view, _, terminated, _, _ = env.step(NORTH)
    assert terminated
    assert gym.make(ID).unwrapped.render() is None
