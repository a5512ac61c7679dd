"""The chain of grid T-Mazes: rewards, ends, cues and the numbers on its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reinstate.envs.engine.grid import DONE, FORWARD, LEFT, RIGHT
from tests.envs.maze_play import ENDLESS_ID, assert_same, seen_cue
from tests.envs.reference import make_reference
from tests.envs.reference.grid_tmaze import draw_layout


def single_player(seed: int, **options: Any) -> Callable[[int], tuple]:
    env = gym.make(ENDLESS_ID, **options)
    env.reset(seed=seed)
    return env.step


def batched_player(seed: int, **options: Any) -> Callable[[int], tuple]:
    """One of three environments, the others idle, reported as a single one would."""
    env = gym.make_vec(ENDLESS_ID, num_envs=3, **options)
    env.reset(seed=[0, seed, 1])

    def step(action: int) -> tuple:
        views, rewards, terminated, truncated, infos = env.step([DONE, action, DONE])
        view, info = views[1], {}
        if terminated[1] or truncated[1]:
            view = infos["final_obs"][1]
            info = {key: infos["final_info"][key][1] for key in ("is_success", "right_turns")}
        return view, rewards[1], terminated[1], truncated[1], info

    return step


BOTH = pytest.mark.parametrize("player", [single_player, batched_player])


def cues_of(seed: int, corridors: int) -> tuple[int, ...]:
    rng = np.random.Generator(np.random.PCG64(seed))
    return tuple(draw_layout(rng, 0)[0] for _ in range(corridors))


def seed_with_cues(*cues: int) -> int:
    return next(s for s in range(200) if cues_of(s, len(cues)) == cues)


def walk(length: int, turn: int) -> list[int]:
    """From the start of a corridor into an arm: LEFT is the arm of the key, RIGHT that of the ball."""
    return [LEFT, LEFT, *[FORWARD] * length, turn, FORWARD]


# Hand-written: (action, reward) with length 4, so a penalty of 0.25, from the start to the last step before an arm.
COSTS = -0.25
FIRST = [
    *[(DONE, 0.0)] * 12,  # grace
    (LEFT, COSTS),  # step 13
    (LEFT, COSTS),
    *[(FORWARD, 0.0)] * 4,  # the junction
    *[(DONE, 0.0)] * 3,  # free
    (LEFT, 0.0),
]
SECOND = [  # the pace begins anew: no column counts as reached, and the first 12 steps are free again
    (LEFT, 0.0),
    (LEFT, 0.0),
    (FORWARD, 0.0),
    *[(DONE, 0.0)] * 9,  # step 12
    (DONE, COSTS),
    *[(FORWARD, 0.0)] * 2,
    (DONE, COSTS),
    (FORWARD, 0.0),  # the junction
    (LEFT, 0.0),
]


@BOTH
@pytest.mark.parametrize("cues", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_two_corridors_step_by_step(player, cues: tuple[int, int]) -> None:
    step = player(seed_with_cues(*cues), length=4, corridors=2)
    for corridor, table in enumerate((FIRST, SECOND)):
        for number, (action, reward) in enumerate(table, start=1):
            view, *outcome = step(action)
            assert outcome == [reward, False, False, {}], f"corridor {corridor}, step {number}"
        view, reward, terminated, truncated, info = step(FORWARD)  # into the northern arm: right if the cue is a key
        assert reward == (1.0 if cues[corridor] == 0 else -1.0)
        assert not truncated
        if corridor == 0:
            assert not terminated and info == {}
            assert seen_cue(view) == cues[1], "the new cue is in view at once"
    assert terminated
    assert info == {"is_success": cues == (0, 0), "right_turns": cues.count(0)}


@BOTH
def test_every_corridor_has_its_own_limit(player) -> None:
    limit = 3 * 2 + 60
    step = player(seed_with_cues(0, 0, 1), length=2, corridors=3)
    plan = walk(2, LEFT)
    for action in [DONE] * (limit - len(plan)) + plan:  # enters the arm on the last step, which counts
        _, reward, *ends = step(action)
        assert ends == [False, False, {}]
    assert reward == 1.0
    for _ in range(limit - 1):
        assert step(DONE)[2:] == (False, False, {})
    _, reward, terminated, truncated, info = step(DONE)
    assert (reward, terminated, truncated) == (-0.5, False, True)
    assert info == {"is_success": False, "right_turns": 1}


@BOTH
def test_the_last_arm_on_the_last_step_terminates_only(player) -> None:
    step = player(seed_with_cues(1), length=2, corridors=1)
    plan = walk(2, RIGHT)
    for action in [DONE] * (66 - len(plan)) + plan:
        outcome = step(action)
    assert outcome[1:] == (1.0, True, False, {"is_success": True, "right_turns": 1})


@pytest.mark.parametrize("distractors", [0, 6])
def test_optimal_policy_attains_the_documented_return(distractors: int) -> None:
    length, corridors = 5, 4
    env = gym.make(ENDLESS_ID, length=length, corridors=corridors, distractors=distractors)
    seen = set()
    for seed in range(5):
        view, _ = env.reset(seed=seed)
        total, steps = 0.0, 0
        for _ in range(corridors):
            cue = seen_cue(view)
            assert cue is not None
            seen.add(cue)
            cue_seen_at = steps
            for action in walk(length, (LEFT, RIGHT)[cue]):
                view, reward, terminated, truncated, info = env.step(action)
                total, steps = total + reward, steps + 1
            assert steps - 2 - cue_seen_at == length + 2, "memory lag: the turn is chosen two steps before the arm"
        assert terminated and not truncated
        assert total == corridors
        assert steps == corridors * (length + 4)
        assert info == {"is_success": True, "right_turns": corridors}
    assert seen == {0, 1}


@BOTH
def test_one_wrong_arm_costs_two_and_the_chain_goes_on(player) -> None:
    cues = (0, 1, 1, 0)
    step = player(seed_with_cues(*cues), length=3, corridors=4)
    total = 0.0
    for corridor, cue in enumerate(cues):
        for action in walk(3, (LEFT, RIGHT)[cue if corridor != 1 else 1 - cue]):
            _, reward, terminated, _, info = step(action)
            total += reward
    assert total == 4 - 2
    assert terminated and info == {"is_success": False, "right_turns": 3}


def test_a_policy_that_keeps_the_first_cue_gets_half_of_the_later_turns() -> None:
    env = gym.make(ENDLESS_ID, length=1, corridors=2)
    later = []
    for seed in range(200):
        view, _ = env.reset(seed=seed)
        turn = (LEFT, RIGHT)[seen_cue(view)]
        for action in walk(1, turn) * 2:
            _, reward, _, _, info = env.step(action)
        assert info["right_turns"] == (2 if reward == 1 else 1)
        later.append(reward)
    assert abs(np.mean(later)) < 0.2


def test_random_policy_is_at_the_documented_level() -> None:
    num_envs = 300
    env = gym.make_vec(ENDLESS_ID, num_envs=num_envs)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    returns = np.zeros(num_envs)
    for _ in range(3 * 20 + 60):
        _, rewards, _, truncated, infos = env.step(rng.integers(7, size=num_envs))
        returns += rewards
    assert truncated.all()
    assert returns.mean() == pytest.approx(-5.37, abs=0.02)
    assert not infos["final_info"]["is_success"].any()


def test_nothing_tells_the_number_of_the_corridor() -> None:
    """With the same cue, the same actions show the same views in every corridor."""
    env = gym.make(ENDLESS_ID, length=9, corridors=12)
    view, _ = env.reset(seed=0)
    walks: dict[int, list[np.ndarray]] = {0: [], 1: []}
    for _ in range(11):
        cue, views = seen_cue(view), [view]
        for action in walk(9, LEFT):
            view = env.step(action)[0]
            views.append(view)
        walks[cue].append(np.stack(views[:-1]))
    for same in walks.values():
        assert len(same) > 1
        assert all((views == same[0]).all() for views in same)
    np.testing.assert_array_equal(walks[0][0][4:], walks[1][0][4:])  # past the room, the cue does not show either


def test_purposeful_batches_are_the_reference() -> None:
    """Whole episodes of walks into random arms, or idling until the limit, so that all the ends occur."""
    num_envs, options = 4, {"length": 2, "corridors": 3}
    batched = gym.make_vec(ENDLESS_ID, num_envs=num_envs, **options)
    single = gym.vector.SyncVectorEnv(
        [lambda: make_reference(ENDLESS_ID, **options)] * num_envs, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP
    )
    assert_same(batched.reset(seed=[1, 2, 3, 4])[0], single.reset(seed=[1, 2, 3, 4])[0])
    rng = np.random.default_rng(1)
    right_turns, failures = set(), 0
    plans: list[list[int]] = [[] for _ in range(num_envs)]
    for _ in range(600):
        actions = np.empty(num_envs, dtype=np.int64)
        for b in range(num_envs):
            idle = rng.random() < 0.03
            plans[b] = plans[b] or ([DONE] * 66 if idle else walk(2, rng.choice([LEFT, RIGHT])))
            actions[b] = plans[b].pop(0)
        outcome = batched.step(actions)
        for ours, theirs in zip(outcome, single.step(actions), strict=True):
            assert_same(ours, theirs)
        if "final_info" in outcome[4]:
            right_turns |= set(outcome[4]["final_info"]["right_turns"][outcome[2]].tolist())
            failures += int(outcome[3].sum())
    assert right_turns == {0, 1, 2, 3} and failures > 0


@pytest.mark.parametrize(
    "options, words",
    [
        ({"corridors": 0}, "corridors=0"),
        ({"corridors": 1.5}, "corridors=1.5"),
        ({"corridors": True}, "corridors=True"),
        ({"length": 0}, "length=0"),
        ({"penalty": -1}, "penalty=-1"),
        ({"distractors": 42}, "at most 41"),
        ({"observation": "rgb"}, "'symbolic', 'pixels'"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(options: dict[str, Any], words: str) -> None:
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=words) as error:
            make(ENDLESS_ID, **options)
        assert len(str(error.value)) < 160


def test_it_is_rendered_in_every_corridor() -> None:
    env = gym.make(ENDLESS_ID, length=40, corridors=2, render_mode="rgb_array")
    env.reset(seed=0)
    start = env.render()
    for action in walk(40, LEFT):
        env.step(action)
    assert env.render().shape == start.shape == (9 * 32, 25 * 32, 3)
