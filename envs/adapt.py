"""Any gymnasium environment in the form the trainer takes: one array per observation, actions 0..n-1.

What an agent then sees is one of three observation spaces: a float32 vector, a uint8 image of three axes, or
MiniGrid's symbols, which are a uint8 image whose `high` is 10.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import FlattenObservation, TransformObservation
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import RGBImgPartialObsWrapper

from reinstate.envs.checks import check_choice, check_view_size
from reinstate.envs.engine.grid import VIEW
from reinstate.envs.engine.pixels import OBSERVATIONS, TILE
from reinstate.envs.minigrid_batch import MAX_VIEW, MiniGridVector, has_rules, minigrid_class
from reinstate.envs.naming import check_options, find_spec, keywords_of, make_from

SUPPORTED_OBSERVATIONS = (
    "a one-dimensional Box, a uint8 Box of three axes, Discrete, MultiDiscrete, or a Dict with one of these as 'image'"
)


def make_single(env_id: str, env_kwargs: dict[str, Any] | None = None, render_mode: str | None = None) -> gym.Env:
    """One environment with an adapted observation.

    Args:
        env_id: a registered id, or "module:id".
        env_kwargs: keywords of the environment; those of MiniGrid also take `observation`, "symbolic" or "pixels".
        render_mode: as in `gymnasium.make`.

    Raises:
        ValueError: the id or a keyword is unknown, a value is refused, or a space is not supported.
    """
    spec = find_spec(env_id)
    observation, env_kwargs = _split_observation(spec, env_kwargs or {})
    check_options(spec, env_kwargs)
    # Some environments take no render_mode at all, so it is passed only where one is asked for.
    rendering = {} if render_mode is None else {"render_mode": render_mode}
    env = make_from(spec, **rendering, **env_kwargs)
    try:
        _check_action_space(env.action_space, spec.id)
        if observation == "pixels":
            env = RGBImgPartialObsWrapper(env, tile_size=TILE)  # type: ignore[no-untyped-call]
        return _adapt_observation(env, spec.id)
    except ValueError:
        env.close()
        raise


def make_vector(env_id: str, num_envs: int, env_kwargs: dict[str, Any] | None = None) -> VectorEnv:
    """A batch of adapted environments that reset finished ones within the step (`AutoresetMode.SAME_STEP`).

    Environments of this package and those of MiniGrid whose rules are in the engine run batched, all others one
    after the other in a SyncVectorEnv.

    Raises:
        ValueError: as in `make_single`.
    """
    return _make_batch(env_id, num_envs, env_kwargs or {})


def make_vec(env_id: str, num_envs: int, **env_kwargs: Any) -> VectorEnv:
    """`make_vector` with the environment's keywords written out."""
    return _make_batch(env_id, num_envs, env_kwargs)


def _make_batch(env_id: str, num_envs: int, env_kwargs: dict[str, Any]) -> VectorEnv:
    spec = find_spec(env_id)
    observation, options = _split_observation(spec, env_kwargs)
    check_options(spec, options)
    if _has_own_batch(spec):
        return gym.make_vec(spec, num_envs=num_envs, **options)
    if has_rules(spec, options):
        return MiniGridVector(spec, num_envs, observation, **options)
    if minigrid_class(spec) is not None:
        warnings.warn(
            f"{env_id} runs slowly, one environment after the other, because its rules are not in the engine.",
            stacklevel=3,  # whoever called the caller
        )
    # Wrapped one by one: gymnasium's vector observation wrappers refuse SAME_STEP.
    make = partial(make_single, env_id, env_kwargs)
    return SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


def is_batched(env_id: str, env_kwargs: dict[str, Any] | None = None) -> bool:
    """Whether this runs in a batched form of this package: fast, and saved with `get_state`."""
    spec = find_spec(env_id)
    return _has_own_batch(spec) or has_rules(spec, env_kwargs or {})


def _has_own_batch(spec: EnvSpec) -> bool:
    # Others' vector entry points (CartPole has one) may autoreset differently.
    return str(spec.vector_entry_point).startswith("reinstate.envs.")


def _split_observation(spec: EnvSpec, env_kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The keyword `observation`, which MiniGrid's environments take here but not by themselves, and the others."""
    options = dict(env_kwargs)
    observation = "symbolic"
    if minigrid_class(spec) is not None and "observation" not in (keywords_of(spec) or ()):
        observation = options.pop("observation", observation)
        check_choice("observation", observation, OBSERVATIONS)
        check_view_size(options.get("agent_view_size", VIEW))
    return observation, options


def _check_action_space(space: spaces.Space[Any], env_id: str) -> None:
    if not isinstance(space, spaces.Discrete) or space.start != 0:
        raise ValueError(f"{env_id} has the action space {space}: only Discrete spaces that start at 0 are supported.")


def _adapt_observation(env: gym.Env, env_id: str) -> gym.Env:
    original = env.observation_space
    if isinstance(original, spaces.Dict) and "image" in original.spaces:
        env = TransformObservation(env, lambda observation: observation["image"], original["image"])
    if isinstance(env.observation_space, (spaces.Discrete, spaces.MultiDiscrete)):
        env = FlattenObservation(env)
    space = env.observation_space
    if isinstance(space, spaces.Box):
        if len(space.shape) == 1:
            return env if space.dtype == np.float32 else _as_float32(env, space)
        if len(space.shape) == 3 and space.dtype == np.uint8:
            return _as_symbols(env, space) if _is_symbolic(env, space) else env
    raise ValueError(f"{env_id} has the observation space {original}: supported are {SUPPORTED_OBSERVATIONS}.")


def _as_float32(env: gym.Env, space: spaces.Box) -> gym.Env:
    float_space = spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)
    return TransformObservation(env, lambda observation: observation.astype(np.float32), float_space)


def _is_symbolic(env: gym.Env, space: spaces.Box) -> bool:
    return (
        isinstance(env.unwrapped, MiniGridEnv)
        and space.shape[2] == 3
        and max(space.shape) <= MAX_VIEW
        and bool((space.high == 255).all())
    )


def _as_symbols(env: gym.Env, space: spaces.Box) -> gym.Env:
    """The same observation declared with the largest number that MiniGrid's encoding has."""
    symbols = spaces.Box(low=0, high=max(OBJECT_TO_IDX.values()), shape=space.shape, dtype=np.uint8)
    return TransformObservation(env, lambda observation: observation, symbols)
