"""Any environment for the trainer: spaces, names, options, seeds."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces.utils import flatten
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from minigrid.core.world_object import Ball
from minigrid.envs import EmptyEnv
from minigrid.wrappers import (
    FullyObsWrapper,
    ImgObsWrapper,
    OneHotPartialObsWrapper,
    RGBImgObsWrapper,
    RGBImgPartialObsWrapper,
    SymbolicObsWrapper,
    ViewSizeWrapper,
)

from reinstate.envs.adapt import is_batched, make_single, make_vector
from reinstate.envs.errors import EnvError
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import observation_spec
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


@pytest.mark.filterwarnings("ignore:Probe-v0. the agent sees 'image' only:UserWarning")
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


FLATTENED = [
    spaces.Box(-1.0, 1.0, (4, 3), np.float64),
    spaces.Box(-5, 5, (2, 2, 2), np.int16),
    spaces.Box(0, 255, (8, 8), np.uint8),
    spaces.Box(-1.0, 1.0, (), np.float32),
    spaces.MultiBinary([2, 3]),
    spaces.MultiDiscrete([[2, 3], [4, 5]]),
    spaces.Tuple([spaces.Discrete(2), spaces.Box(0, 255, (2, 2, 3), np.uint8)]),
    spaces.Dict(
        position=spaces.Discrete(2, start=-4), hand=spaces.Dict(open=spaces.MultiBinary(1), at=spaces.Box(0, 1))
    ),
    spaces.Text(5),
    spaces.OneOf([spaces.Discrete(3), spaces.Box(0.0, 1.0, (2,))]),
]


@pytest.mark.parametrize("space", FLATTENED, ids=str)
def test_what_gymnasium_can_flatten_is_a_vector(space: spaces.Space) -> None:
    """The numbers are those of `gymnasium.spaces.utils.flatten`."""
    env = make_single("Probe-v0", {"observation_space": space})
    seen = [env.reset(seed=3)[0], env.step(1)[0]]
    space.seed(3)
    for vector in seen:
        np.testing.assert_array_equal(vector, flatten(space, space.sample()).astype(np.float32))
        assert vector.dtype == np.float32 and env.observation_space.contains(vector)


@pytest.mark.parametrize(
    "space, shape, of_pixel",
    [
        (spaces.Box(0, 255, (9, 7, 1), np.uint8), (9, 7, 1), 1),
        (spaces.Box(0, 255, (9, 7, 4), np.uint8), (9, 7, 4), 1),
        (spaces.Box(0, 255, (9, 7, 12), np.uint8), (9, 7, 12), 1),
        (spaces.Box(0, 255, (40, 30), np.uint8), (40, 30, 1), 1),
        (spaces.Box(0, 10, (7, 7, 3), np.uint8), (7, 7, 3), 25),  # as MiniGrid's symbols, which it is not
        (spaces.Box(0, 1, (7, 7, 3), np.uint8), (7, 7, 3), 255),
        (spaces.Box(0, 99, (84, 84, 3), np.uint8), (84, 84, 3), 2),
    ],
    ids=str,
)
def test_arrays_of_bytes_are_images(space: spaces.Box, shape: tuple[int, ...], of_pixel: int) -> None:
    """Small numbers are spread over the range of a byte: encoders and the codec merge what differs by a grey level."""
    env = make_single("Probe-v0", {"observation_space": space})
    assert env.observation_space == spaces.Box(0, 255, shape, np.uint8)
    assert observation_spec(env.observation_space).kind == "image"
    seen = env.reset(seed=3)[0]
    space.seed(3)
    np.testing.assert_array_equal(seen, space.sample().reshape(shape) * of_pixel)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_on_the_first_axis_come_last(channels: int) -> None:
    space = spaces.Box(0, 255, (channels, 12, 9), np.uint8)
    env = make_single("Probe-v0", {"observation_space": space})
    seen = env.reset(seed=3)[0]
    space.seed(3)
    np.testing.assert_array_equal(seen, np.moveaxis(space.sample(), 0, 2))
    assert seen.shape == env.observation_space.shape == (12, 9, channels)


ACTING = [
    spaces.Discrete(3),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([3, 2, 4]),
    spaces.MultiDiscrete([[3, 1], [2, 2]], start=[[0, 5], [-1, 1]]),
    spaces.MultiBinary([2, 2]),
    spaces.Tuple([spaces.Discrete(2, start=1), spaces.MultiBinary(2)]),
    spaces.Dict(walk=spaces.Discrete(3), hand=spaces.Dict(grip=spaces.MultiDiscrete([2, 2]))),
]


@pytest.mark.filterwarnings("ignore:.*Getting the length:UserWarning")
@pytest.mark.parametrize("space", ACTING, ids=str)
def test_every_combination_of_choices_is_an_action(space: spaces.Space) -> None:
    acted = []

    class Acting(Probe):
        def step(self, action):
            assert self.action_space.contains(action), action
            acted.append(action)
            return super().step(action)

    gym.register("Acting-v0", Acting, kwargs={"observation_space": UINT8_IMAGE, "action_space": space})
    try:
        envs = make_vector("Acting-v0", 1)
    finally:
        del gym.registry["Acting-v0"]
    n = envs.single_action_space.n
    envs.reset(seed=0)
    for action in range(n):
        envs.step(np.array([action]))
    assert len({repr(action) for action in acted}) == n == len(acted)
    space.seed(0)
    assert {repr(space.sample()) for _ in range(60 * n)} <= {repr(action) for action in acted}, "and all that there are"


@pytest.mark.parametrize(
    "wrap, kind",
    [
        ((), "grid"),
        ((ImgObsWrapper,), "grid"),
        ((FullyObsWrapper, ImgObsWrapper), "grid"),
        ((partial(ViewSizeWrapper, agent_view_size=5),), "grid"),
        ((RGBImgPartialObsWrapper,), "image"),
        ((partial(RGBImgPartialObsWrapper, tile_size=2), ImgObsWrapper), "image"),  # 14 pixels a side
        ((partial(RGBImgObsWrapper, tile_size=1),), "image"),  # 5 pixels a side
        ((OneHotPartialObsWrapper,), "image"),
        ((SymbolicObsWrapper,), "vector"),  # numbers below 0
    ],
)
def test_symbols_are_what_minigrid_made_and_no_wrapper_changed(wrap: tuple, kind: str) -> None:
    def make(**options: Any) -> gym.Env:
        env = gym.make("MiniGrid-Empty-5x5-v0", **options)
        for wrapper in wrap:
            env = wrapper(env)
        return env

    gym.register("Wrapped-v0", make)
    try:
        env = make_single("Wrapped-v0")
    finally:
        del gym.registry["Wrapped-v0"]
    assert observation_spec(env.observation_space).kind == kind
    assert env.reset(seed=0)[0].shape == env.observation_space.shape


def test_one_hot_views_use_the_whole_range_of_a_byte() -> None:
    """MiniGrid declares them as numbers up to 255, but they are 0 and 1."""

    def make(**options: Any) -> gym.Env:
        return OneHotPartialObsWrapper(gym.make("MiniGrid-Empty-5x5-v0", **options))

    gym.register("OneHot-v0", make)
    try:
        seen = make_single("OneHot-v0").reset(seed=0)[0]
    finally:
        del gym.registry["OneHot-v0"]
    assert seen.shape == (7, 7, 20) and np.unique(seen).tolist() == [0, 255]


@pytest.mark.parametrize("view", [3, 5, 7, 17, 63])
def test_symbols_of_every_size(view: int) -> None:
    env = make_single("MiniGrid-Dynamic-Obstacles-5x5-v0", {"agent_view_size": view})
    assert observation_spec(env.observation_space).kind == "grid" and env.reset(seed=0)[0].shape == (view, view, 3)


class Painted(EmptyEnv):
    """A MiniGrid environment that shows pictures of its own, as small as its symbols would be."""

    def gen_obs(self):
        return super().gen_obs() | {"image": np.full((7, 7, 3), 200, np.uint8)}


class PaintedLarger(EmptyEnv):
    def __init__(self, **options: Any):
        super().__init__(**options)
        self.observation_space["image"] = spaces.Box(0, 255, (9, 9, 3), np.uint8)

    def reset(self, **options: Any):
        seen, info = super().reset(**options)
        return seen | {"image": np.full((9, 9, 3), 200, np.uint8)}, info


@pytest.mark.parametrize("painted", [Painted, PaintedLarger])
def test_pictures_of_a_minigrid_class_of_ones_own_are_images(painted: type[EmptyEnv]) -> None:
    gym.register("Painted-v0", painted)
    try:
        env = make_single("Painted-v0")
    finally:
        del gym.registry["Painted-v0"]
    assert observation_spec(env.observation_space).kind == "image" and env.reset(seed=0)[0].max() == 200


def test_symbols_that_minigrid_does_not_have_are_refused() -> None:
    class Teal(Ball):
        def encode(self):
            return 11, 0, 0

    class Own(EmptyEnv):
        def _gen_grid(self, width, height):
            super()._gen_grid(width, height)
            self.grid.set(2, 1, Teal())

    gym.register("Own-v0", Own)
    try:
        with pytest.warns(UserWarning, match="its rules are not in the engine"):
            envs = make_vector("Own-v0", 2)
        with pytest.raises(EnvError, match="kinds, colours or states .* pass --env-kwargs observation=pixels"):
            envs.reset(seed=0)
        with pytest.warns(UserWarning, match="its rules are not in the engine"):
            assert make_vector("Own-v0", 2, {"observation": "pixels"}).reset(seed=0)[0].shape == (2, 56, 56, 3)
    finally:
        del gym.registry["Own-v0"]


def test_a_dict_with_an_image_says_what_the_agent_does_not_see() -> None:
    space = spaces.Dict(image=UINT8_IMAGE, compass=spaces.Discrete(4))
    with pytest.warns(UserWarning, match="^Probe-v0: the agent sees 'image' only, not 'compass'.$"):
        make_single("Probe-v0", {"observation_space": space})


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
