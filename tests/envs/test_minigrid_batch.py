"""MiniGrid in batches against MiniGrid's single environments, to the last bit."""

from __future__ import annotations

import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from minigrid.core.constants import DIR_TO_VEC
from minigrid.core.world_object import Ball
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import RGBImgPartialObsWrapper

import reinstate
from reinstate.envs.adapt import is_batched, make_single, make_vector
from reinstate.envs.engine.grid import BOX, DONE, EMPTY, LEFT, PICKUP
from reinstate.envs.engine.pcg64 import generator_to_words
from reinstate.envs.engine.pixels import TILE
from reinstate.envs.minigrid_batch import MAX_VIEW, MiniGridVector, has_rules, minigrid_class
from reinstate.envs.minigrid_rules import TASKS
from tests.envs.maze_play import assert_same
from tests.envs.minigrid_play import clever_action, random_action

MINIGRID_IDS = sorted(
    env_id for env_id, spec in gym.registry.items() if env_id.startswith("MiniGrid-") and "WFC" not in env_id
)
SUPPORTED_IDS = [env_id for env_id in MINIGRID_IDS if has_rules(gym.registry[env_id], {})]
# At least one for each way in which episodes end, with doors that are locked, boxes with keys inside, and lava. The
# other ids are played by the slow tests.
FAST_IDS = [
    f"MiniGrid-{name}-v0"
    for name in (
        *("MemoryS7", "RedBlueDoors-6x6", "Unlock", "ObstructedMaze-1Dlhb", "Fetch-5x5-N2", "GoToDoor-5x5"),
        *("PutNear-6x6-N2", "LavaGapS5", "DoorKey-5x5"),
    )
]
EVERY_ID = [env_id if env_id in FAST_IDS else pytest.param(env_id, marks=pytest.mark.slow) for env_id in SUPPORTED_IDS]
# Too large for the simple player, or without anything to win.
NEVER_WON = ("ObstructedMaze-Full", "Playground")


def singles_of(env_id: str, num_envs: int, **options) -> list[MiniGridEnv]:
    return [gym.make(gym.registry[env_id], disable_env_checker=True, **options).unwrapped for _ in range(num_envs)]


def assert_same_worlds(batch: MiniGridVector, singles: list[MiniGridEnv], which: list[int]) -> None:
    """The whole cells of some environments; what all have is compared on every step."""
    state = batch.get_state()
    for b, single in enumerate(singles):
        assert tuple(state["agent_pos"][b]) == tuple(single.agent_pos)
        assert state["agent_dir"][b] == single.agent_dir
        assert state["step_count"][b] == single.step_count
        hands = state["carrying"][b]
        carried = single.carrying.encode() if single.carrying else (EMPTY, 0, 0)
        assert (*hands[:2], 0 if hands[0] == BOX else hands[2]) == carried
        np.testing.assert_array_equal(state["generator"][b], generator_to_words(single.np_random))
    for b in which:
        cells = state["grid"][b]
        cells[cells[..., 0] == BOX, 2] = 0  # what is inside, which MiniGrid's encoding does not tell
        np.testing.assert_array_equal(cells, singles[b].grid.encode())


def play(
    env_id: str, num_envs: int, steps: int, clever: bool, observation: str = "symbolic", resets: int = 10**6, **options
) -> tuple[np.ndarray, int]:
    """Play batch and singles side by side, for so many steps or until each has ended `resets` episodes.

    Returns:
        Ended episodes [B], and how many of all were won.
    """
    batch = reinstate.make_vec(env_id, num_envs, observation=observation, **options)
    singles = singles_of(env_id, num_envs, **options)

    def image(b: int, view: dict) -> np.ndarray:
        return view["image"] if observation == "symbolic" else singles[b].get_frame(tile_size=TILE, agent_pov=True)

    rng = np.random.default_rng(num_envs)
    seeds = [1000 + 17 * b for b in range(num_envs)]
    observations, infos = batch.reset(seed=seeds)
    assert infos == {}
    for b, single in enumerate(singles):
        np.testing.assert_array_equal(observations[b], image(b, single.reset(seed=seeds[b])[0]))
    assert_same_worlds(batch, singles, list(range(num_envs)))
    ended, won = np.zeros(num_envs, dtype=int), 0
    for _ in range(steps):
        actions = [clever_action(s, b % 4 == 3, rng) if clever else random_action(rng) for b, s in enumerate(singles)]
        observations, rewards, terminated, truncated, infos = batch.step(actions)
        done = terminated | truncated
        ended += done
        assert bool(infos) == done.any()
        for b, single in enumerate(singles):
            view, reward, *flags, _ = single.step(actions[b])
            assert (rewards[b], terminated[b], truncated[b]) == (reward, *flags)
            if done[b]:
                np.testing.assert_array_equal(infos["final_obs"][b], image(b, view))
                assert infos["final_info"]["is_success"][b] == (reward > 0)
                won += int(reward > 0)
                view, _ = single.reset()
            np.testing.assert_array_equal(observations[b], image(b, view))
        assert_same_worlds(batch, singles, np.flatnonzero(done).tolist())
        if (ended >= resets).all():
            break
    assert_same_worlds(batch, singles, list(range(num_envs)))
    return ended, won


@pytest.mark.parametrize("env_id", EVERY_ID)
def test_random_play(env_id: str) -> None:
    """Three truncations of every environment at least; many of them are terminated as well."""
    ended, _ = play(env_id, 4, 50, clever=False, max_steps=16)
    assert (ended >= 3).all()


@pytest.mark.parametrize("env_id", EVERY_ID)
def test_clever_play(env_id: str) -> None:
    """Episodes of full length, some of which are won."""
    single = singles_of(env_id, 1)[0]
    _, won = play(env_id, 4, 200 if single.width * single.height > 150 else 120, clever=True)
    assert won > 0 or any(name in env_id for name in NEVER_WON)


@pytest.mark.slow
@pytest.mark.parametrize("clever, observation", [(True, "symbolic"), (True, "pixels"), (False, "pixels")])
@pytest.mark.parametrize("env_id", SUPPORTED_IDS)
def test_twenty_seeds(env_id: str, clever: bool, observation: str) -> None:
    """What the two tests above leave out: towards the goal from 20 seeds through 3 resets each, and all in pixels."""
    max_steps = 100 if clever else 16
    ended, _ = play(env_id, 20, 3 * max_steps, clever, observation, resets=3, max_steps=max_steps)
    assert (ended >= 3).all()


def test_what_is_supported() -> None:
    for name in (
        *("MemoryS7", "MemoryS9", "MemoryS11", "MemoryS13", "MemoryS13Random", "MemoryS17Random", "Empty-Random-6x6"),
        *("FourRooms", "DoorKey-16x16", "RedBlueDoors-8x8", "KeyCorridorS6R3", "LavaGapS7", "LavaCrossingS11N5"),
        *("SimpleCrossingS9N3", "Unlock", "UnlockPickup", "BlockedUnlockPickup", "MultiRoom-N6", "PutNear-8x8-N3"),
        *("GoToDoor-8x8", "GoToObject-8x8-N2", "Fetch-8x8-N3", "LockedRoom", "DistShift2", "ObstructedMaze-Full"),
    ):
        assert f"MiniGrid-{name}-v0" in SUPPORTED_IDS
    assert {minigrid_class(gym.registry[env_id]) for env_id in SUPPORTED_IDS} == set(TASKS)
    assert all("Dynamic" in env_id for env_id in set(MINIGRID_IDS) - set(SUPPORTED_IDS))
    fast = {TASKS[minigrid_class(gym.registry[env_id])].outcome for env_id in FAST_IDS}
    assert fast == {task.outcome for task in TASKS.values()}, "the fast tests play every rule"


@pytest.mark.parametrize("env_id", [env_id for env_id in SUPPORTED_IDS if "Memory" in env_id])
def test_memory_draws_what_minigrid_draws(env_id: str) -> None:
    """The worlds are drawn without MiniGrid's objects: same cells, same targets, same state of the generator."""
    batch, (single,) = reinstate.make_vec(env_id, 1), singles_of(env_id, 1)
    for episode in range(150):
        seed = 3 if episode == 0 else None
        np.testing.assert_array_equal(batch.reset(seed=seed)[0][0], single.reset(seed=seed)[0]["image"])
        assert_same_worlds(batch, [single], [0])
        assert tuple(batch.get_state()["task_numbers"][0]) == (*single.success_pos, *single.failure_pos)


def face(batch: MiniGridVector, single: MiniGridEnv, cell: tuple[int, int]) -> None:
    """Put both agents on a free cell beside this one, looking at it."""
    x, y = cell
    for direction, (dx, dy) in enumerate(DIR_TO_VEC):
        if single.grid.get(x - dx, y - dy) is None:
            single.agent_pos, single.agent_dir = (x - dx, y - dy), direction
            batch.state.world.agent_pos[0], batch.state.world.agent_dir[0] = (x - dx, y - dy), direction


def test_nothing_is_picked_up_in_memory() -> None:
    batch, (single,) = reinstate.make_vec("MiniGrid-MemoryS7-v0", 1), singles_of("MiniGrid-MemoryS7-v0", 1)
    batch.reset(seed=0), single.reset(seed=0)
    face(batch, single, (1, single.height // 2 - 1))
    view = single.step(PICKUP)[0]["image"]
    np.testing.assert_array_equal(batch.step([PICKUP])[0][0], view)
    assert_same_worlds(batch, [single], [0])


def test_full_hands_pick_up_no_wanted_thing() -> None:
    """What is held looks like what is wanted, which is no success."""
    env_id = "MiniGrid-ObstructedMaze-1Dlhb-v0"
    batch, (single,) = reinstate.make_vec(env_id, 1), singles_of(env_id, 1)
    batch.reset(seed=0), single.reset(seed=0)
    face(batch, single, tuple(single.obj.cur_pos))
    single.carrying = Ball("green")
    batch.state.world.carrying[0] = single.carrying.encode()
    for action in (PICKUP, DONE):
        view, reward, terminated, _, _ = single.step(action)
        observations, rewards, *ends, _ = batch.step([action])
        assert (rewards[0], ends[0][0]) == (reward, terminated) == (0, False)
        np.testing.assert_array_equal(observations[0], view["image"])


PIXEL_CASES = [
    ("MiniGrid-GoToObject-6x6-N2-v0", {}),
    ("MiniGrid-MemoryS7-v0", {"agent_view_size": 3}),
    ("MiniGrid-Fetch-5x5-N2-v0", {"agent_view_size": 9}),
    ("MiniGrid-MultiRoom-N2-S4-v0", {"agent_view_size": 5, "see_through_walls": True}),
]
PIXEL_CASES = [("MiniGrid-DoorKey-5x5-v0", {}), *[pytest.param(*case, marks=pytest.mark.slow) for case in PIXEL_CASES]]


@pytest.mark.parametrize("env_id, options", PIXEL_CASES)
def test_pixels(env_id: str, options: dict) -> None:
    options = {**options, "max_steps": 20}
    batch = make_vector(env_id, 3, {"observation": "pixels", **options})
    assert isinstance(batch, MiniGridVector)
    alone = make_single(env_id, {"observation": "pixels", **options})
    assert batch.single_observation_space == alone.observation_space
    singles = [RGBImgPartialObsWrapper(gym.make(env_id, **options), tile_size=8) for _ in range(3)]
    observations, _ = batch.reset(seed=5)
    np.testing.assert_array_equal(observations[0], alone.reset(seed=5)[0])
    for b, single in enumerate(singles):
        np.testing.assert_array_equal(observations[b], single.reset(seed=5 + b)[0]["image"])
    rng = np.random.default_rng(0)
    for _ in range(50):
        actions = [random_action(rng) for _ in singles]
        observations, _, terminated, truncated, infos = batch.step(actions)
        for b, single in enumerate(singles):
            view = single.step(actions[b])[0]["image"]
            if terminated[b] or truncated[b]:
                np.testing.assert_array_equal(infos["final_obs"][b], view)
                view = single.reset()[0]["image"]
            np.testing.assert_array_equal(observations[b], view)


@pytest.mark.parametrize("view", (3, 9, 17, MAX_VIEW))
def test_views_of_other_sizes(view: int) -> None:
    """In a world smaller or larger than the view, behind walls and doors and through them."""
    for through in (False, True):
        options = {"agent_view_size": view, "see_through_walls": through}
        play("MiniGrid-DoorKey-6x6-v0", 4, 40, clever=True, max_steps=30, **options)


@pytest.mark.slow
@pytest.mark.parametrize("view", (*range(3, 18, 2), MAX_VIEW))
def test_views_of_every_size(view: int) -> None:
    """In more worlds, with boxes too."""
    for name in ("MemoryS13Random", "KeyCorridorS3R3", "ObstructedMaze-1Dlh", "FourRooms", "Empty-5x5"):
        play(f"MiniGrid-{name}-v0", 4, 40, clever=True, max_steps=30, agent_view_size=view)
    for name in ("DoorKey-8x8", "FourRooms", "MultiRoom-N2-S4", "RedBlueDoors-6x6"):
        play(f"MiniGrid-{name}-v0", 4, 40, clever=True, max_steps=30, agent_view_size=view, see_through_walls=True)


def test_the_form_is_that_of_the_slow_way() -> None:
    """Types, spaces and infos equal those of gymnasium's SyncVectorEnv, with `is_success` in addition."""
    env_id, options = "MiniGrid-LavaGapS5-v0", {"max_steps": 12}
    batch = make_vector(env_id, 3, options)
    slow = SyncVectorEnv([lambda: make_single(env_id, options)] * 3, autoreset_mode=batch.metadata["autoreset_mode"])
    assert batch.single_observation_space == slow.single_observation_space
    assert batch.single_action_space == slow.single_action_space
    for seed in (7, [3, 2**40, 1], None):
        assert_same(batch.reset(seed=seed)[0], slow.reset(seed=seed)[0])
        rng = np.random.default_rng(0)
        for _ in range(40):
            actions = np.array([random_action(rng) for _ in range(3)])
            *ours, our_infos = batch.step(actions)
            *theirs, their_infos = slow.step(actions)
            for one, other in zip(ours, theirs, strict=True):
                assert_same(one, other)
            if our_infos:
                assert our_infos.pop("final_info").keys() == {"is_success", "_is_success"}
                assert their_infos.pop("final_info") == {}
            assert_same(our_infos, their_infos)


@pytest.mark.parametrize(
    "env_id", ["MiniGrid-MemoryS7-v0", "MiniGrid-ObstructedMaze-1Dlhb-v0", "MiniGrid-PutNear-6x6-N2-v0"]
)
def test_snapshot_in_mid_episode(env_id: str) -> None:
    def roll(env: MiniGridVector, steps: int, seed: int) -> list[tuple]:
        rng = np.random.default_rng(seed)
        return [env.step([random_action(rng) for _ in range(3)]) for _ in range(steps)]

    batch = reinstate.make_vec(env_id, 3, max_steps=30)
    batch.reset(seed=0)
    before = roll(batch, 40, 0)
    state = batch.get_state()
    continued = roll(batch, 70, 1)
    other = reinstate.make_vec(env_id, 3, max_steps=30)  # never reset
    np.testing.assert_array_equal(other.set_state(state), before[-1][0])
    for ours, theirs in zip(roll(other, 70, 1), continued, strict=True):
        for one, two in zip(ours, theirs, strict=True):
            assert_same(one, two)


@pytest.mark.parametrize(
    "env_id, options", [("MiniGrid-Dynamic-Obstacles-8x8-v0", {}), ("MiniGrid-Empty-5x5-v0", {"agent_view_size": 63})]
)
def test_others_run_slowly_with_one_warning(env_id: str, options: dict) -> None:
    for make in (make_vector, lambda env_id, num_envs, options: reinstate.make_vec(env_id, num_envs, **options)):
        with pytest.warns(UserWarning) as caught:
            env = make(env_id, 3, options)
        assert [str(warning.message) for warning in caught] == [
            f"{env_id} runs slowly, one environment after the other, because its rules are not in the engine."
        ]
        assert caught[0].filename == __file__, "the warning points to the caller"
    assert isinstance(env, SyncVectorEnv) and not is_batched(env_id, options)
    side = options.get("agent_view_size", 7)
    assert env.reset(seed=0)[0].shape == (3, side, side, 3)
    pixels = make_single(env_id, {**options, "observation": "pixels"})
    assert pixels.reset(seed=0)[0].shape == (8 * side, 8 * side, 3)


def test_supported_ids_run_batched_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make_vector("MiniGrid-MemoryS7-v0", 2)
    assert isinstance(env, MiniGridVector) and is_batched("MiniGrid-MemoryS7-v0")


def test_wrong_calls_are_named() -> None:
    for make in (reinstate.make_vec, lambda env_id, n, **options: make_vector(env_id, n, options)):
        with pytest.raises(ValueError, match="observation='rgb' is unknown: choose one of 'symbolic', 'pixels'"):
            make("MiniGrid-MemoryS7-v0", 2, observation="rgb")
        with pytest.raises(ValueError, match="Did you mean 'MiniGrid-MemoryS7-v0'"):
            make("MiniGrid-MemoryS7", 2)
        with pytest.raises(ValueError, match="Did you mean 'max_steps'"):
            make("MiniGrid-MemoryS7-v0", 2, max_step=3)
        for view in (1, 0, "7", 7.0):
            with pytest.raises(ValueError, match=f"agent_view_size={view!r} .* pass an integer of at least 3"):
                make("MiniGrid-MemoryS7-v0", 2, agent_view_size=view)
        with pytest.raises(ValueError, match="agent_view_size=6 is not possible: pass an odd integer"):
            make("MiniGrid-MemoryS7-v0", 2, agent_view_size=6)
        with pytest.raises(ValueError, match="MiniGrid-MemoryS7-v0 sets see_through_walls by itself: leave it out"):
            make("MiniGrid-MemoryS7-v0", 2, see_through_walls=True)
    with pytest.raises(AttributeError, match="no attribute 'make_vek'"):
        _ = reinstate.make_vek


def test_importing_envs_is_cheap() -> None:
    """Registering ids needs neither the compiler nor MiniGrid."""
    code = "import reinstate.envs, sys; assert not {'numba', 'minigrid', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def own_ids():
    """MiniGrid classes, and one of ours, under ids of a user's own with time limits and wrappers."""
    unlock, wrapper = "minigrid.envs:UnlockEnv", gym.wrappers.TransformReward.wrapper_spec(func=float)
    gym.register("Own/Short-v0", unlock, max_episode_steps=20)
    gym.register("Own/Long-v0", unlock, max_episode_steps=500, kwargs={"max_steps": 30})
    gym.register("Own/Unchecked-v0", unlock, max_episode_steps=7, order_enforce=False, disable_env_checker=True)
    gym.register("Own/Wrapped-v0", unlock, max_episode_steps=9, additional_wrappers=(wrapper,))
    maze = "reinstate.envs.tmaze:TMaze"
    gym.register("Own/Maze-v0", maze, vector_entry_point=f"{maze}Vector", max_episode_steps=3)
    yield
    for env_id in [env_id for env_id in gym.registry if env_id.startswith("Own/")]:
        del gym.registry[env_id]


@pytest.mark.parametrize(
    "name, limit, is_fast", [("Short", 20, True), ("Long", 30, True), ("Unchecked", 7, True), ("Wrapped", 9, False)]
)
def test_a_time_limit_of_the_registration_counts(own_ids: None, name: str, limit: int, is_fast: bool) -> None:
    """Step for step what `gymnasium.make` gives; the reward still knows MiniGrid's own limit."""
    env_id = f"Own/{name}-v0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if not is_fast else "error")
        batch = make_vector(env_id, 3)
    assert is_batched(env_id) is is_fast
    slow = SyncVectorEnv([lambda: gym.make(env_id)] * 3, autoreset_mode=batch.metadata["autoreset_mode"])
    batch.reset(seed=[2, 4, 6])
    slow.reset(seed=[2, 4, 6])
    rng, lengths, won = np.random.default_rng(0), [], 0
    singles, length = [env.unwrapped for env in slow.envs], np.zeros(3, dtype=int)
    for _ in range(120 if is_fast else limit):
        actions = np.array([LEFT, *(clever_action(single, False, rng) for single in singles[1:])])
        observations, *ours, _ = batch.step(actions)
        theirs_seen, *theirs, _ = slow.step(actions)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
        length += 1
        lengths += length[ours[2]].tolist()
        won += (ours[0] > 0).sum()
        length[ours[1] | ours[2]] = 0
        if is_fast:
            np.testing.assert_array_equal(observations, theirs_seen["image"])
    assert set(lengths) == {limit}, "truncated there, and nowhere else"
    assert won > 0 or limit < 10


def test_a_time_limit_of_one_of_ours_counts(own_ids: None) -> None:
    envs = make_vector("Own/Maze-v0", 2, {"length": 10})
    assert not is_batched("Own/Maze-v0")
    envs.reset(seed=0)
    assert [envs.step(np.array([0, 1]))[3].tolist() for _ in range(4)] == [
        [False] * 2,
        [False] * 2,
        [True] * 2,
        [False] * 2,
    ]
