"""The grid T-Maze: map, cue, rewards, ends, picture, and the numbers on its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reinstate.envs.engine.grid import (
    BALL,
    BOX,
    DONE,
    DROP,
    EAST,
    EMPTY,
    FORWARD,
    GOAL,
    GREEN,
    KEY,
    LEFT,
    PICKUP,
    RIGHT,
    TOGGLE,
    WALL,
    WEST,
    GridState,
)
from reinstate.envs.grid_tmaze import DISTRACTOR_LOOKS
from tests.envs.maze_play import GRID_IDS, play_optimally, seen_cue
from tests.envs.reference import make_reference
from tests.envs.reference.grid_tmaze import draw_layout

PASSIVE, ACTIVE = "Reinstate/GridTMazePassive-v0", "Reinstate/GridTMazeActive-v0"


def single_player(env_id: str, seed: int, **options: Any) -> Callable[[int], tuple]:
    env = gym.make(env_id, **options)
    env.reset(seed=seed)
    return env.step


def batched_player(env_id: str, seed: int, **options: Any) -> Callable[[int], tuple]:
    """One of three environments, the others idle, reported as a single one would."""
    env = gym.make_vec(env_id, num_envs=3, **options)
    env.reset(seed=[0, seed, 1])

    def step(action: int) -> tuple:
        _, rewards, terminated, truncated, infos = env.step([DONE, action, DONE])
        info = {}
        if terminated[1] or truncated[1]:
            info = {key: infos["final_info"][key][1] for key in ("is_success", "cue")}
        return None, rewards[1], terminated[1], truncated[1], info

    return step


BOTH = pytest.mark.parametrize("player", [single_player, batched_player])


def cue_of(env: gym.Env) -> int:
    return int(env.unwrapped.batch.state.cue[0])


def world_of(env: gym.Env) -> GridState:
    """The world of one environment, in arrays of one row; what is written there changes the environment."""
    return env.unwrapped.batch.state.world


def put_agent(env: gym.Env, x: int, y: int, direction: int) -> None:
    world_of(env).agent_pos[0], world_of(env).agent_dir[0] = (x, y), direction


def seed_with_cue(cue: int) -> int:
    return next(s for s in range(50) if draw_layout(np.random.Generator(np.random.PCG64(s)), 0)[0] == cue)


@pytest.mark.parametrize("env_id", GRID_IDS)
def test_optimal_policy_attains_the_documented_return_for_either_cue(env_id: str) -> None:
    length = 12
    env = gym.make(env_id, length=length)
    cues = set()
    for seed in range(10):
        log = play_optimally(env, length, seed)
        assert log["return"] == 1.0
        assert log["rewards"][:-1] == [0.0] * (len(log["rewards"]) - 1)
        assert log["terminated"] and not log["truncated"]
        assert log["info"]["is_success"] is True
        assert log["info"]["cue"] == cue_of(env)
        cues.add(log["info"]["cue"])

        steps = len(log["actions"])
        views = log["observations"]
        last_seen = max(t for t, view in enumerate(views) if seen_cue(view) is not None)
        decision = steps - 2  # the observation at the junction, on which the turn into the arm is chosen
        if "Active" in env_id:
            assert steps - 1 == length + 19, "credit lag: from the first turn to the reward"
        if "Crowded" not in env_id:  # in a crowd the cue can stay in view for longer
            assert decision - last_seen == (length + 9 if "Active" in env_id else length + 2), "memory lag"
    assert cues == {0, 1}


@pytest.mark.parametrize("env_id", GRID_IDS)
def test_a_policy_without_memory_gets_half(env_id: str) -> None:
    env = gym.make(env_id, length=3)
    turn_round = [LEFT, LEFT] if "Passive" in env_id else []
    outcomes = []
    for seed in range(100):
        env.reset(seed=seed)
        for action in [*turn_round, FORWARD, FORWARD, FORWARD, LEFT, FORWARD]:
            _, reward, terminated, _, info = env.step(action)
        assert terminated
        assert reward == info["is_success"] == (info["cue"] == 0)  # it always goes north, where the key sends it
        outcomes.append(reward)
    assert 0.35 < np.mean(outcomes) < 0.65


@pytest.mark.parametrize("env_id, documented", list(zip(GRID_IDS, [-3.47, -3.32, -3.47, -3.32], strict=True)))
def test_random_policy_is_at_the_documented_level(env_id: str, documented: float) -> None:
    num_envs = 300
    env = gym.make_vec(env_id, num_envs=num_envs, length=100)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    returns = np.zeros(num_envs)
    for _ in range(360):
        _, rewards, _, truncated, infos = env.step(rng.integers(7, size=num_envs))
        returns += rewards
    assert truncated.all()
    assert returns.mean() == pytest.approx(documented, abs=0.01)
    assert not infos["final_info"]["is_success"].any()


# Hand-written: (action, reward) with length 10 and so a penalty of 0.1.
IDLE = (DONE, 0.0)
COSTS = -0.1
PASSIVE_TABLE = [
    *[IDLE] * 12,  # grace
    (DONE, COSTS),  # step 13
    (LEFT, COSTS),
    (LEFT, COSTS),
    (FORWARD, 0.0),  # x = 8, the opening: a new farthest column
    (FORWARD, 0.0),  # 9
    (LEFT, COSTS),
    (LEFT, COSTS),
    (FORWARD, COSTS),  # back to 8
    (RIGHT, COSTS),
    (RIGHT, COSTS),
    (FORWARD, COSTS),  # 9 again is not new
    (FORWARD, 0.0),  # 10
    *[(FORWARD, 0.0)] * 7,  # 17: the junction
    (FORWARD, 0.0),  # against the wall: the junction has been reached, nothing costs any more
    (DONE, 0.0),
    (LEFT, 0.0),
    (LEFT, 0.0),
    (FORWARD, 0.0),  # back into the corridor, still free
    (DONE, 0.0),
    (LEFT, 0.0),
    (LEFT, 0.0),
    (FORWARD, 0.0),  # the junction again
    (LEFT, 0.0),
]
ACTIVE_TABLE = [
    *[IDLE] * 24,
    (DONE, COSTS),  # step 25
    (FORWARD, 0.0),  # x = 15
    (TOGGLE, COSTS),
    *[(FORWARD, 0.0)] * 9,  # 24: the junction
    (DONE, 0.0),
    (LEFT, 0.0),
]
EARLY_TABLE = [  # progress within the grace period counts: column 15 is reached in step 1 and is not new later
    (FORWARD, 0.0),
    (LEFT, 0.0),
    (LEFT, 0.0),
    (FORWARD, 0.0),
    (LEFT, 0.0),
    (LEFT, 0.0),
    *[IDLE] * 18,
    (FORWARD, COSTS),  # step 25, x = 15 for the second time
    *[(FORWARD, 0.0)] * 9,
    (LEFT, 0.0),
]


@BOTH
@pytest.mark.parametrize("cue", [0, 1])
@pytest.mark.parametrize("env_id, table", [(PASSIVE, PASSIVE_TABLE), (ACTIVE, ACTIVE_TABLE), (ACTIVE, EARLY_TABLE)])
def test_reward_step_by_step(player, env_id: str, table: list[tuple[int, float]], cue: int) -> None:
    step = player(env_id, seed_with_cue(cue), length=10)
    for number, (action, reward) in enumerate(table, start=1):
        outcome = step(action)
        assert outcome[1] == reward, f"step {number}"
        assert not outcome[2] and not outcome[3] and outcome[4] == {}
    _, reward, terminated, truncated, info = step(FORWARD)  # facing north: the arm of the key
    assert (reward, terminated, truncated) == (1.0 if cue == 0 else 0.0, True, False)
    assert info == {"is_success": cue == 0, "cue": cue}


@BOTH
@pytest.mark.parametrize("env_id", [PASSIVE, ACTIVE])
@pytest.mark.parametrize("penalty, cost", [(0, 0.0), (0.25, -0.25), (None, -0.5)])
def test_penalty_option(player, env_id: str, penalty: float | None, cost: float) -> None:
    step = player(env_id, 0, length=2, penalty=penalty)
    grace = 12 if env_id == PASSIVE else 24
    rewards = [step(DONE)[1] for _ in range(grace + 2)]
    assert rewards == [0.0] * grace + [cost] * 2
    assert not np.signbit(rewards[:grace]).any()
    assert np.signbit(rewards[-1]) == (cost < 0), "no negative zero"


@BOTH
@pytest.mark.parametrize("env_id", [PASSIVE, ACTIVE])
def test_truncation_is_exact(player, env_id: str) -> None:
    step = player(env_id, 0, length=5)
    for number in range(1, 75):
        outcome = step(DONE)
        assert not outcome[2] and not outcome[3] and outcome[4] == {}, number
    _, reward, terminated, truncated, info = step(DONE)  # 3 * 5 + 60 = 75
    assert (reward, terminated, truncated) == (-0.2, False, True)
    assert not info["is_success"]
    assert info["cue"] in (0, 1)


@BOTH
def test_arriving_on_the_last_step_terminates_only(player) -> None:
    step = player(ACTIVE, seed_with_cue(1), length=2)
    plan = [DONE] * (66 - 4) + [FORWARD, FORWARD, RIGHT, FORWARD]  # ends on step 3 * 2 + 60
    for action in plan[:-1]:
        assert not step(action)[2]
    _, reward, terminated, truncated, info = step(plan[-1])
    assert (reward, terminated, truncated, info["is_success"]) == (1.0, True, False, True)


@pytest.mark.parametrize("env_id", GRID_IDS)
def test_the_cue_cannot_be_carried_along(env_id: str) -> None:
    """Walk up to the cue, try to pick it up, walk on: it stays where it is and out of sight."""
    env = gym.make(env_id, length=9, distractors=0)
    env.reset(seed=0)
    before = world_of(env).grid.copy()
    put_agent(env, 2, 1, WEST)  # in front of the cue at (1, 1)
    for action in (PICKUP, DROP, TOGGLE, PICKUP):
        env.step(action)
        assert world_of(env).carrying[0].tolist() == [EMPTY, 0, 0]
    np.testing.assert_array_equal(world_of(env).grid, before)
    put_agent(env, 12, 4, EAST)
    assert seen_cue(env.step(DROP)[0]) is None


def test_pickup_opens_boxes_and_they_are_empty() -> None:
    env = gym.make(PASSIVE, length=3, distractors=41)  # every cell of columns 1..6 holds something
    env.reset(seed=0)
    cells = world_of(env).grid[0]
    x, y = next((x, y) for x, y in np.argwhere(cells[..., 0] == BOX) if x > 1)
    cells[x - 1, y] = (EMPTY, 0, 0)
    put_agent(env, x - 1, y, EAST)
    env.step(PICKUP)
    assert cells[x, y].tolist() == world_of(env).carrying[0].tolist() == [EMPTY, 0, 0]


PASSIVE_MAP = """
############
#.......####
#.......####
#.......##G#
#......<...#
#.......##G#
#.......####
#.......####
############
"""
ACTIVE_MAP = """
###################
#.......###########
#.......###########
#.......#########G#
#.............>...#
#.......#########G#
#.......###########
#.......###########
###################
"""


@pytest.mark.parametrize("env_id, drawing", [(PASSIVE, PASSIVE_MAP), (ACTIVE, ACTIVE_MAP)])
def test_map(env_id: str, drawing: str) -> None:
    env = gym.make(env_id, length=3, distractors=0)
    env.reset(seed=0)
    kinds = world_of(env).grid[0, ..., 0].copy()
    assert kinds[1, 1] == (KEY, BALL)[cue_of(env)]
    kinds[1, 1] = EMPTY
    symbols = {EMPTY: ".", WALL: "#", GOAL: "G"}
    rows = [[symbols[kind] for kind in row] for row in kinds.T]
    x, y = world_of(env).agent_pos[0]
    rows[y][x] = ">v<^"[world_of(env).agent_dir[0]]
    assert "\n".join("".join(row) for row in rows) == drawing.strip()


def views_from(env: gym.Env, x: int, y: int) -> list[np.ndarray]:
    """The views in all four directions from a cell."""
    views = []
    for direction in range(4):
        put_agent(env, x, y, direction)
        views.append(env.unwrapped.batch.view(0))
    return views


@pytest.mark.parametrize("env_id", [i for i in GRID_IDS if "Active" in i])
def test_active_start_sees_nothing_of_the_room_whichever_way_it_turns(env_id: str) -> None:
    env = gym.make(env_id, length=9)
    for seed in range(20):
        view, _ = env.reset(seed=seed)
        for _ in range(5):
            assert not np.isin(view[..., 0], (KEY, BALL, BOX)).any()
            view = env.step(LEFT)[0]


def test_the_plain_cue_is_seen_from_the_room_only() -> None:
    env = gym.make(ACTIVE, length=9)
    env.reset(seed=0)
    for x in range(8, 24):
        assert all(seen_cue(view) is None for view in views_from(env, x, 4)), x
    assert seen_cue(views_from(env, 7, 4)[2]) == cue_of(env)


@pytest.mark.parametrize("env_id", [i for i in GRID_IDS if "Passive" in i])
def test_passive_start_sees_the_cue_at_once(env_id: str) -> None:
    env = gym.make(env_id, length=9)
    for seed in range(20):
        view, _ = env.reset(seed=seed)
        assert seen_cue(view) == cue_of(env)
        objects = np.isin(view[..., 0], (KEY, BALL, BOX)).sum()
        assert objects == 1 + env.unwrapped.layout.distractors


def test_corridor_and_arms_tell_nothing() -> None:
    env = gym.make(PASSIVE, length=40)
    junctions = []
    for seed in (seed_with_cue(0), seed_with_cue(1)):
        env.reset(seed=seed)
        east = [views_from(env, x, 4)[0] for x in range(8, 41)]
        assert all((view == east[0]).all() for view in east), "every corridor cell looks alike"
        junctions.append(np.stack(views_from(env, 47, 4)))
        assert (junctions[-1][..., 0] == GOAL).any()
    np.testing.assert_array_equal(*junctions)


def test_what_is_drawn() -> None:
    draws, distractors = 4000, 6
    batch = gym.make_vec(PASSIVE, num_envs=draws, length=1, distractors=distractors)
    batch.reset(seed=0)
    cells = batch.state.world.grid  # [B, W, H, 3]
    is_object = np.isin(cells[..., 0], (KEY, BALL, BOX))
    assert (is_object.sum(axis=(1, 2)) == 1 + distractors).all(), "distinct cells"
    is_cue = is_object & (cells[..., 0] != BOX) & (cells[..., 1] == GREEN)
    assert (is_cue.sum(axis=(1, 2)) == 1).all(), "no distractor looks like a cue"
    np.testing.assert_array_equal(cells[is_cue][:, 0], np.array([KEY, BALL])[batch.state.cue])
    assert 0.46 < batch.state.cue.mean() < 0.54
    for where, number in ((is_cue, 1), (is_object, 1 + distractors)):
        count = where.sum(axis=0)
        assert count.sum() == count[1:7, 1:8].sum(), "columns 1..6, rows 1..7"
        assert 0 < count[1:7, 1:8].min() and count[1:7, 1:8].max() < 2 * number * draws / 42
    looks = np.zeros((11, 6))
    np.add.at(looks, tuple(cells[is_object & ~is_cue][:, :2].T), 1)
    drawn = looks[tuple(DISTRACTOR_LOOKS.T)]
    assert len(drawn) == 16 and drawn.sum() == distractors * draws
    assert drawn.min() > 0.8 * distractors * draws / 16


def test_episodes_are_redrawn() -> None:
    env = gym.make("Reinstate/GridTMazeCrowdedPassive-v0", length=3)
    first = env.reset(seed=3)[0]
    assert any((env.reset()[0] != first).any() for _ in range(3))
    np.testing.assert_array_equal(env.reset(seed=3)[0], first)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"length": 0}, "length=0"),
        ({"length": 2.5}, "length=2.5"),
        ({"length": True}, "length=True"),
        ({"length": "ten"}, "length='ten'"),
        ({"distractors": -1}, "distractors=-1"),
        ({"distractors": 42}, "at most 41"),
        ({"penalty": -1}, "penalty=-1"),
        ({"penalty": float("nan")}, "penalty=nan"),
        ({"penalty": "alt"}, "penalty='alt'"),
        ({"observation": "rgb"}, "'symbolic', 'pixels'"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(options: dict[str, Any], words: str) -> None:
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=words) as error:
            make(PASSIVE, **options)
        assert len(str(error.value)) < 160


@pytest.mark.filterwarnings("ignore::UserWarning")  # gymnasium warns about the mode as well
def test_bad_render_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="choose one of None, 'rgb_array'"):
        gym.make(PASSIVE, render_mode="film")
    with pytest.raises(ValueError, match="not possible in a batch"):
        gym.make_vec(PASSIVE, num_envs=2, render_mode="rgb_array")


@pytest.mark.parametrize("env_id, length", [(ACTIVE, 1000), (PASSIVE, 1)])
def test_the_picture_is_minigrids_and_follows_the_agent(env_id: str, length: int) -> None:
    env = gym.make(env_id, length=length, distractors=3, render_mode="rgb_array")
    reference = make_reference(env_id, length=length, distractors=3, render_mode="rgb_array")
    env.reset(seed=0), reference.reset(seed=0)
    for x, direction in ((1, 0), (7, 1), (length + 6, 2), (length + 7, 3), (length // 2 + 7, 0)):
        put_agent(env, x, 4, direction)
        reference.agent_pos, reference.agent_dir = (x, 4), direction
        frame = env.render()
        assert frame.shape == (9 * 32, min(25, length + 9 + 7 * (env_id == ACTIVE)) * 32, 3)
        np.testing.assert_array_equal(frame, reference.render())
