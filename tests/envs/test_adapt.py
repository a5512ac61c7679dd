"""Any environment for the trainer: spaces, names, options, seeds."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reinstate.envs.adapt import is_batched, make_single, make_vector
from reinstate.envs.seeds import spawn_seeds
from tests.envs.maze_play import ALL_IDS, sized


class Probe(gym.Env):
    """Observes samples of whatever space it is given; ends after three steps."""

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space | None = None):
        self.observation_space = observation_space
        self.action_space = action_space or spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        return self.observation_space.sample(), 0.0, self.steps == 3, False, {}


@pytest.fixture(autouse=True, scope="module")
def probe_id():
    gym.register("Probe-v0", entry_point=Probe)
    yield
    del gym.registry["Probe-v0"]


UINT8_IMAGE = spaces.Box(0, 255, (12, 12, 3), np.uint8)


@pytest.mark.parametrize(
    "space, shape, dtype, high",
    [
        (spaces.Box(-1.0, 2.0, (4,), np.float32), (4,), np.float32, 2),
        (spaces.Box(-1.0, 2.0, (4,), np.float64), (4,), np.float32, 2),
        (spaces.Box(0, 9, (4,), np.int64), (4,), np.float32, 9),
        (spaces.Box(0, 255, (128,), np.uint8), (128,), np.float32, 255),
        (UINT8_IMAGE, (12, 12, 3), np.uint8, 255),
        (spaces.Discrete(5), (5,), np.float32, 1),
        (spaces.Discrete(5, start=3), (5,), np.float32, 1),
        (spaces.MultiDiscrete([2, 3]), (5,), np.float32, 1),
        (spaces.Dict(image=UINT8_IMAGE, direction=spaces.Discrete(4)), (12, 12, 3), np.uint8, 255),
        (spaces.Dict(image=spaces.Discrete(3), text=spaces.Text(3)), (3,), np.float32, 1),
    ],
)
def test_observation_spaces(space: spaces.Space, shape: tuple[int, ...], dtype: type, high: float) -> None:
    for env in (make_single("Probe-v0", {"observation_space": space}),):
        assert isinstance(env.observation_space, spaces.Box)
        assert (env.observation_space.shape, env.observation_space.dtype) == (shape, dtype)
        assert (env.observation_space.high == high).all()
        for observation in (env.reset(seed=0)[0], env.step(0)[0]):
            assert observation.dtype == dtype and env.observation_space.contains(observation)
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        assert set(np.unique(observation)) == {0, 1}

    batch = make_vector("Probe-v0", 2, {"observation_space": space})
    assert batch.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    first, _ = batch.reset(seed=[0, 1])
    assert first.shape == (2, *shape) and first.dtype == dtype
    for _ in range(3):
        _, _, terminated, _, infos = batch.step(np.array([0, 1]))
    assert terminated.all() and infos["final_obs"][1].dtype == dtype and infos["final_obs"][1].shape == shape


@pytest.mark.parametrize(
    "space, says",
    [
        (spaces.Graph(spaces.Discrete(2), None), "the observation space Graph.*only spaces .* can flatten"),
        (spaces.Sequence(spaces.Discrete(2)), "the observation space Sequence.*only spaces .* can flatten"),
        (spaces.Dict(a=spaces.Discrete(2), b=spaces.Sequence(spaces.Discrete(2))), "only spaces .* can flatten"),
        (
            spaces.Box(0.0, 1.0, (84, 84, 3), np.float32),
            "21,168 numbers, .* make it shorter, or an image",
        ),
        (spaces.Discrete(1_000_000), "observations of 1,000,000 numbers, and from 1 to 4,096 are supported"),
        (spaces.Box(0.0, 1.0, (0,), np.float32), "observations of 0 numbers.* add one"),
        (spaces.Box(0, 255, (0, 4, 3), np.uint8), "observations of 0 numbers.* add one"),
    ],
)
def test_unsupported_observations_are_named(space: spaces.Space, says: str) -> None:
    for make in (lambda kwargs: make_vector("Probe-v0", 2, kwargs), lambda kwargs: make_single("Probe-v0", kwargs)):
        with pytest.raises(ValueError, match=f"^Probe-v0 has .*{says}"):
            make({"observation_space": space})


@pytest.mark.parametrize(
    "space, says",
    [
        (spaces.Box(-1.0, 1.0, (2,)), "continuous actions Box.*only discrete .* gymnasium.wrappers.DiscretizeAction"),
        (spaces.Text(3), "action space Text.*only Discrete, MultiDiscrete, MultiBinary, and Dict or Tuple of these"),
        (spaces.Tuple([spaces.Discrete(2), spaces.Box(0.0, 1.0)]), "action space Tuple.*only Discrete, MultiDiscrete"),
        (spaces.Discrete(100_000), "100,000 actions, and at most 32,767 are supported"),
        (spaces.MultiBinary(15), "32,768 combinations of actions, and at most 32,767"),
        (spaces.MultiBinary(10_000), "combinations of actions, and at most 32,767"),
    ],
)
def test_unsupported_actions_are_named(space: spaces.Space, says: str) -> None:
    with pytest.raises(ValueError, match=f"^Probe-v0 has .*{says}"):
        make_single("Probe-v0", {"observation_space": UINT8_IMAGE, "action_space": space})


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_own_environments_run_batched(env_id: str) -> None:
    env = make_vector(env_id, 3, sized(env_id, 4))
    assert is_batched(env_id) and type(env).__module__.startswith("reinstate.envs.")
    assert env.num_envs == 3 and 4 in (getattr(env.layout, "length", None), getattr(env.layout, "delay", None))
    single = make_single(env_id, sized(env_id, 4))
    assert single.observation_space == env.single_observation_space
    np.testing.assert_array_equal(single.reset(seed=8)[0], env.reset(seed=8)[0][0])
    assert is_batched(f"reinstate:{env_id}") and make_vector(f"reinstate:{env_id}", 1).num_envs == 1


def test_cartpole_runs_in_same_step_mode() -> None:
    """Gymnasium has a batched CartPole of its own, whose autoreset differs."""
    env = make_vector("CartPole-v1", 2)
    assert isinstance(env, SyncVectorEnv) and not is_batched("CartPole-v1")
    env.reset(seed=[1, 2])
    while True:
        observations, rewards, terminated, _, infos = env.step(np.array([1, 1]))
        assert (rewards == 1).all(), "no step is wasted on resetting"
        if terminated.any():
            break
    assert observations.dtype == np.float32
    assert abs(infos["final_obs"][np.argmax(terminated)][2]) > 0.2 > abs(observations[np.argmax(terminated), 2])


@pytest.mark.parametrize("env_id", ["MiniGrid-MemoryS7-v0", "MiniGrid-DoorKey-5x5-v0"])
def test_minigrid_is_known_as_symbolic(env_id: str) -> None:
    env, plain = make_single(env_id), gym.make(env_id)
    assert env.observation_space == spaces.Box(0, 10, (7, 7, 3), np.uint8)
    np.testing.assert_array_equal(env.reset(seed=3)[0], plain.reset(seed=3)[0]["image"])
    np.testing.assert_array_equal(env.step(2)[0], plain.step(2)[0]["image"])
    assert make_vector(env_id, 2).reset(seed=3)[0].shape == (2, 7, 7, 3)
    assert make_single(env_id, render_mode="rgb_array").reset() is not None


@pytest.mark.parametrize(
    "wrong, right",
    [
        ("GridTMazePasive", "Reinstate/GridTMazePassive-v0"),
        ("gridtmazeactive", "Reinstate/GridTMazeActive-v0"),
        ("Reinstate/GridTMazeCrowdedActiv-v0", "Reinstate/GridTMazeCrowdedActive-v0"),
        ("Reinstate/TMazePassive", "Reinstate/TMazePassive-v0"),
        ("Reinstate/TMazePassive-v7", "Reinstate/TMazePassive-v0"),
        ("Cartpole", "CartPole-v1"),
        ("CartPole-v2", "CartPole-v1"),
        ("MiniGrid-MemoryS7", "MiniGrid-MemoryS7-v0"),
        ("reinstate:TMazeActiv", "Reinstate/TMazeActive-v0"),
    ],
)
def test_near_miss_names(wrong: str, right: str) -> None:
    for make in (lambda: make_single(wrong), lambda: make_vector(wrong, 2)):
        with pytest.raises(ValueError) as error:
            make()
        assert str(error.value) == f"Unknown environment {wrong!r}. Did you mean {right!r}?"


def test_names_that_resemble_nothing() -> None:
    with pytest.raises(ValueError, match=r"Unknown environment 'xyzzy'\. See gymnasium\.pprint_registry"):
        make_single("xyzzy")
    with pytest.raises(ValueError, match="needs the module 'no_such_module'"):
        make_single("no_such_module:Thing-v0")


def test_wrong_options() -> None:
    for make in (
        lambda **options: make_single(**options),
        lambda **options: make_vector(num_envs=2, **options),
    ):
        with pytest.raises(ValueError, match=r"no option 'lenght'\. Did you mean 'length'\? It accepts: .*penalty"):
            make(env_id="Reinstate/GridTMazePassive-v0", env_kwargs={"lenght": 5})
        with pytest.raises(ValueError, match=r"no option 'max_step'\. Did you mean 'max_steps'\?"):
            make(env_id="MiniGrid-MemoryS7-v0", env_kwargs={"max_step": 5})
        with pytest.raises(ValueError, match=r"no option 'num_envs'"):
            make(env_id="Reinstate/GridTMazePassive-v0", env_kwargs={"num_envs": 5})
        with pytest.raises(ValueError, match="length=0"):
            make(env_id="Reinstate/GridTMazePassive-v0", env_kwargs={"length": 0})
    assert make_single("MiniGrid-MemoryS7-v0", {"max_steps": 5}).unwrapped.max_steps == 5


def test_spawned_seeds() -> None:
    everything = [spawn_seeds(seed, 300, stream) for seed in range(4) for stream in ("training", "evaluation")]
    flat = [seed for seeds in everything for seed in seeds]
    assert len(set(flat)) == len(flat), "no stream is shared between runs, or between training and evaluation"
    assert all(type(seed) is int and 0 <= seed < 2**32 for seed in flat)
    assert spawn_seeds(3, 20, "training") == spawn_seeds(3, 300, "training")[:20]
    assert {seed % 2 for seed in spawn_seeds(0, 50, "training")} == {0}
    assert {seed % 2 for seed in spawn_seeds(0, 50, "evaluation")} == {1}
    with pytest.raises(ValueError, match="'training', 'evaluation'"):
        spawn_seeds(0, 1, "test")
    env = make_vector("Reinstate/TMazePassive-v0", 3, {"length": 2})
    env.reset(seed=spawn_seeds(0, 3, "training"))
