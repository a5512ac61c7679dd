"""What an agent sees of an environment, whatever its observation space: a vector, an image, or MiniGrid's symbols."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import FullyObsWrapper, ImgObsWrapper, OneHotPartialObsWrapper, ViewSizeWrapper

from reinstate.envs.engine.grid import SYMBOLS, SymbolBox
from reinstate.envs.errors import IllegalReturn

LONGEST_VECTOR = 4_096  # numbers
LARGEST_BOARD = 1_024  # cells: a larger uint8 array of two axes is a picture in grey
MOST_CHANNELS = 4  # of an image that has them on its first axis
ADVICE = "make it shorter, or an image (uint8, [height, width, channels]), by a wrapper"


@dataclass(frozen=True)
class Observations:
    """An observation space, and what turns an environment's observation into a fresh array of it."""

    space: spaces.Box
    read: Callable[[Any], np.ndarray]


def observations_of(env: gym.Env, env_id: str) -> Observations:
    """How the observations of `env` are read.

    Raises:
        ValueError: the space cannot be made a vector or an image, or is too large.
    """
    space = getattr(env, "observation_space", None)
    if not isinstance(space, spaces.Space):
        raise ValueError(f"{env_id} has no observation space.")
    if isinstance(space, spaces.Dict) and "image" in space.spaces:
        left_out = [key for key in space.spaces if key != "image"]
        if left_out and not isinstance(env.unwrapped, MiniGridEnv):
            warnings.warn(f"{env_id}: the agent sees 'image' only, not {', '.join(map(repr, left_out))}.", stacklevel=2)
        inner = _observations_of(env, env_id, space["image"])
        return Observations(inner.space, lambda observation: inner.read(_entry(observation)))
    return _observations_of(env, env_id, space)


def _entry(observation: Any) -> Any:
    try:
        return observation["image"]
    except (TypeError, KeyError, IndexError):
        raise IllegalReturn("its observation has no 'image', which its space has") from None


def _observations_of(env: gym.Env, env_id: str, space: spaces.Space[Any]) -> Observations:
    if isinstance(space, spaces.Box) and space.dtype == np.uint8:
        if len(space.shape) == 3 and is_symbolic(env):
            return _symbols(space)
        is_empty = 0 in space.shape
        if not is_empty and (len(space.shape) == 3 or (len(space.shape) == 2 and np.prod(space.shape) > LARGEST_BOARD)):
            return _image(spaces.Box(0, 1, space.shape, np.uint8) if is_one_hot(env) else space)
    try:
        width = flatdim(space)
    except (ValueError, NotImplementedError):
        raise ValueError(
            f"{env_id} has the observation space {space}: only spaces are supported that gymnasium can flatten."
        ) from None
    if not 0 < width <= LONGEST_VECTOR:
        raise ValueError(
            f"{env_id} has observations of {width:,} numbers, and from 1 to {LONGEST_VECTOR:,} are supported: "
            + (ADVICE if width > 0 else "add one that is always 0 if nothing is seen")
            + "."
        )
    return Observations(_vector_space(space, width), lambda observation: _vector(space, width, observation))


# ---- vectors


def _vector_space(space: spaces.Space[Any], width: int) -> spaces.Box:
    """Bounds are kept where there are some; agents need none."""
    if isinstance(space, spaces.Box):
        with np.errstate(over="ignore"):
            low, high = (bound.astype(np.float32).reshape(-1) for bound in (space.low, space.high))
        return spaces.Box(low, high, dtype=np.float32)
    is_hot = isinstance(space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))
    return spaces.Box(0.0 if is_hot else -np.inf, 1.0 if is_hot else np.inf, (width,), np.float32)


def _vector(space: spaces.Space[Any], width: int, observation: Any) -> np.ndarray:
    """A fresh vector."""
    try:
        _check(space, observation, "")
        flat = np.asarray(observation if isinstance(space, spaces.Box) else flatten(space, observation))
        vector = _shorter(flat) if flat.dtype.itemsize > 4 else flat.astype(np.float32).reshape(-1)  # always a copy
    except IllegalReturn:
        raise
    except Exception as error:
        raise IllegalReturn(f"its observation {_shown(observation)} is not in its space {space}") from error
    if vector.shape != (width,):
        raise IllegalReturn(f"its observation {_shown(observation)} is not in its space {space}")
    return vector


def _shorter(flat: np.ndarray) -> np.ndarray:
    """Numbers of 64 bits as floats of 32."""
    with np.errstate(over="ignore"):
        vector = flat.astype(np.float32).reshape(-1)
    wrong = ~np.isfinite(vector)
    if wrong.any() and np.isfinite(flat.reshape(-1)[wrong]).any():
        raise IllegalReturn("its observation has numbers that 32-bit floats cannot hold: scale them down")
    return vector


def _check(space: spaces.Space[Any], observation: Any, where: str) -> None:
    """Raises IllegalReturn where gymnasium would flatten an observation that is not in its space to something else."""
    if isinstance(space, spaces.Box):
        shape = np.shape(observation)
        if shape != space.shape:
            raise IllegalReturn(f"its observation{where} has the shape {shape}, and its space {space.shape}")
    elif isinstance(space, spaces.Discrete):
        if not 0 <= observation - space.start < space.n:
            raise IllegalReturn(f"its observation{where} {_shown(observation)} is not in {space}")
    elif isinstance(space, spaces.MultiDiscrete):
        below = np.asarray(observation) - space.start
        if below.shape != space.shape or (below < 0).any() or (below >= space.nvec).any():
            raise IllegalReturn(f"its observation{where} {_shown(observation)} is not in {space}")
    elif isinstance(space, spaces.Dict) and isinstance(observation, dict):
        for key, part in space.spaces.items():
            if key not in observation:
                raise IllegalReturn(f"its observation{where} has no {key!r}, which its space has")
            _check(part, observation[key], f"{where} {key!r}")
    elif isinstance(space, spaces.Tuple) and isinstance(observation, (tuple, list)):
        for i, (part, value) in enumerate(zip(space.spaces, observation, strict=False)):
            _check(part, value, f"{where} [{i}]")


def _shown(observation: Any) -> str:
    text = " ".join(repr(observation).split())
    return text if len(text) <= 60 else text[:57] + "..."


# ---- images


def _image(space: spaces.Box) -> Observations:
    """A uint8 image. Its channels come last, and its largest value uses the whole range of a byte.

    Pictures that two axes hold have one channel. Where the first axis is as short as channels are and the last is not,
    it has the channels.
    """
    shape, high = space.shape, int(space.high.max())
    is_channels_first = len(shape) == 3 and shape[0] <= MOST_CHANNELS < shape[2]
    factor = 255 // high if high > 0 else 1  # the nets and the codec tell values apart that differ by some grey levels
    final = (*shape, 1) if len(shape) == 2 else (*shape[1:], shape[0]) if is_channels_first else shape

    def read(observation: Any) -> np.ndarray:
        pixels = _bytes(observation, shape)
        if factor > 1:
            if pixels.max() > high:
                raise IllegalReturn(f"its observation has the value {pixels.max()}, and its space ends at {high}")
            pixels = pixels * np.uint8(factor)
        return np.moveaxis(pixels, 0, -1).copy() if is_channels_first else pixels.reshape(final)

    return Observations(spaces.Box(0, 255, final, np.uint8), read)


def _bytes(observation: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A fresh array of bytes."""
    array = np.array(observation)
    if array.shape != shape:
        raise IllegalReturn(f"its observation has the shape {array.shape}, and its space {shape}")
    if array.dtype == np.uint8:
        return array
    as_bytes = array.astype(np.uint8) if array.dtype.kind in "buif" else None
    if as_bytes is None or not (as_bytes == array).all():
        raise IllegalReturn(
            "its observation has values that are not whole numbers from 0 to 255, and its space is uint8"
        )
    return as_bytes


# ---- MiniGrid's symbols


def is_symbolic(env: gym.Env) -> bool:
    """Whether the image of `env` is made of MiniGrid's symbols: MiniGrid made it, and no wrapper made another of it."""
    if isinstance(env.observation_space, SymbolBox):
        return True
    while isinstance(env, gym.Wrapper):
        shows_its_own = env.observation_space is not env.env.observation_space
        if shows_its_own and not isinstance(env, (ViewSizeWrapper, FullyObsWrapper, ImgObsWrapper)):
            return False
        env = env.env
    if not isinstance(env, MiniGridEnv) or type(env).gen_obs is not MiniGridEnv.gen_obs:
        return False
    shown = env.observation_space
    size = env.agent_view_size
    return isinstance(shown, spaces.Dict) and shown["image"].shape == (size, size, 3)


def is_one_hot(env: gym.Env) -> bool:
    """Whether MiniGrid's wrapper made 0 and 1 of the symbols: its space says that they go up to 255."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, OneHotPartialObsWrapper):
            return True
        env = env.env
    return False


def _symbols(space: spaces.Box) -> Observations:
    """The same observation, declared as symbols."""
    categories = np.array(SYMBOLS)

    def read(observation: Any) -> np.ndarray:
        symbols = _bytes(observation, space.shape)
        if (symbols >= categories).any():
            raise IllegalReturn(
                "its view has kinds, colours or states that MiniGrid itself does not have: pass "
                "--env-kwargs observation=pixels"
            )
        return symbols

    return Observations(SymbolBox(space.shape), read)
