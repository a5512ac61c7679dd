"""Any gymnasium environment in the form the trainer takes: one array per observation, actions 0..n-1.

What an agent then sees is one of three observation spaces: a float32 vector, a uint8 image [H, W, channels], or
MiniGrid's symbols, which are a `SymbolBox`.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorEnv
from minigrid.wrappers import RGBImgPartialObsWrapper

from reinstate.envs.actions import actions_of
from reinstate.envs.adapted import Adapted
from reinstate.envs.checks import check_choice, check_view_size
from reinstate.envs.engine.grid import VIEW
from reinstate.envs.engine.pixels import OBSERVATIONS, TILE
from reinstate.envs.minigrid_batch import MiniGridVector, has_rules, minigrid_class
from reinstate.envs.naming import check_options, find_spec, keywords_of, make_from
from reinstate.envs.observations import observations_of
from reinstate.envs.others import OthersVector


def make_single(env_id: str, env_kwargs: dict[str, Any] | None = None, render_mode: str | None = None) -> gym.Env:
    """One environment with adapted observations and actions.

    Args:
        env_id: a registered id, or "module:id".
        env_kwargs: keywords of the environment; those of MiniGrid also take `observation`, "symbolic" or "pixels".
        render_mode: as in `gymnasium.make`.

    Raises:
        ValueError: the id or a keyword is unknown, a value is refused, or a space is not supported.
        EnvError: making the environment failed.
    """
    spec = find_spec(env_id)
    observation, env_kwargs = _split_observation(spec, env_kwargs or {})
    check_options(spec, env_kwargs)
    # Some environments take no render_mode at all, so it is passed only where one is asked for.
    rendering = {} if render_mode is None else {"render_mode": render_mode}
    env = make_from(spec, disable_env_checker=True, **rendering, **env_kwargs)  # `Adapted` checks more, and refuses
    try:
        if observation == "pixels":
            env = RGBImgPartialObsWrapper(env, tile_size=TILE)  # type: ignore[no-untyped-call]
        return Adapted(env, actions_of(env, spec.id), observations_of(env, spec.id))
    except ValueError:
        env.close()
        raise


def make_vector(env_id: str, num_envs: int, env_kwargs: dict[str, Any] | None = None) -> VectorEnv:
    """A batch of adapted environments that reset finished ones within the step (`AutoresetMode.SAME_STEP`).

    Environments of this package and those of MiniGrid whose rules are in the engine run batched, all others one
    after the other (`OthersVector`).

    Raises:
        ValueError, EnvError: as in `make_single`.
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
    return OthersVector(spec.id, partial(make_single, env_id, env_kwargs), num_envs)


def is_batched(env_id: str, env_kwargs: dict[str, Any] | None = None) -> bool:
    """Whether this runs in a batched form of this package: fast, and saved with `get_state`."""
    spec = find_spec(env_id)
    return _has_own_batch(spec) or has_rules(spec, env_kwargs or {})


def _has_own_batch(spec: EnvSpec) -> bool:
    # Others' vector entry points (CartPole has one) may autoreset differently. A time limit of the registration and
    # additional wrappers are for single environments.
    is_ours = str(spec.vector_entry_point).startswith("reinstate.envs.")
    return is_ours and spec.max_episode_steps is None and not spec.additional_wrappers


def _split_observation(spec: EnvSpec, env_kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The keyword `observation`, which MiniGrid's environments take here but not by themselves, and the others."""
    options = dict(env_kwargs)
    observation = "symbolic"
    if minigrid_class(spec) is not None and "observation" not in (keywords_of(spec) or ()):
        observation = options.pop("observation", observation)
        check_choice("observation", observation, OBSERVATIONS)
        check_view_size(options.get("agent_view_size", VIEW))
    return observation, options
