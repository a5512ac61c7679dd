"""From options to environments and agents; every random stream is spawned from the one seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Discrete
from gymnasium.vector import VectorEnv

from reinstate.agents.build import KINDS
from reinstate.agents.interface import Agent
from reinstate.agents.memory_agent import MemoryAgent
from reinstate.agents.networks import ObservationSpec
from reinstate.envs.adapt import make_vector
from reinstate.envs.engine.grid import SymbolBox
from reinstate.envs.errors import EnvError, one_line
from reinstate.envs.others import OthersVector
from reinstate.experiment.errors import UserError
from reinstate.experiment.options import RunOptions, parse_env_kwargs
from reinstate.memory.slots import bytes_per_slot

MAX_SLOT_BYTES = 256
REFUSALS = (EnvError, ValueError, TypeError, AssertionError, gym.error.Error)  # some environments assert
STREAMS = ("parameters", "actions", "learning", "evaluation", "stagger")


def streams(seed: int) -> dict[str, int]:
    """One seed for each use of randomness except the environments', by name."""
    spawned = np.random.SeedSequence(seed).spawn(len(STREAMS))
    return {name: int(s.generate_state(1, np.uint64)[0] >> 1) for name, s in zip(STREAMS, spawned, strict=True)}


def generator(seed: int) -> torch.Generator:
    """A generator of random numbers with this seed."""
    return torch.Generator().manual_seed(seed)


def check_device(device: str) -> None:
    """Raises UserError for devices that the agents do not run on yet."""
    if device == "cuda":
        there = "" if torch.cuda.is_available() else ", and this machine has no CUDA device"
        raise UserError(f"--device cuda is not supported yet{there}: choose --device cpu or leave it out")


def build_envs(options: RunOptions, num_envs: int) -> VectorEnv:
    """`num_envs` environments, stepped together; raises UserError for an unknown id or keyword, and for what cannot be
    made."""
    try:
        return make_vector(options.env, num_envs, parse_env_kwargs(options.env_kwargs))
    except REFUSALS as error:
        raise UserError(refusal(error, options.env, options.env_kwargs)) from error


def refusal(error: Exception, env: str, env_kwargs: Sequence[str]) -> str:
    """What is said where an environment cannot be made."""
    return one_line(error) or f"{env} refuses --env-kwargs {' '.join(env_kwargs)}"


def observation_spec(space: gym.Space[Any]) -> ObservationSpec:
    """The kind and shape of observations: MiniGrid's symbols, images [H, W, channels] uint8, or vectors; `build_envs`
    gives no others."""
    assert isinstance(space, gym.spaces.Box)
    if isinstance(space, SymbolBox):
        return ObservationSpec("grid", space.shape)
    return ObservationSpec("image" if space.dtype == np.uint8 else "vector", space.shape)


def count_actions(space: gym.Space[Any]) -> int:
    """The number of actions; `build_envs` lets only discrete ones through."""
    assert isinstance(space, Discrete)
    return int(space.n)


def build_agent(options: RunOptions, observation: gym.Space[Any], actions: int) -> Agent[Any]:
    """The agent, its parameters drawn from the run's seed; raises UserError for options that do not fit."""
    spec = observation_spec(observation)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(streams(options.seed)["parameters"])
        try:
            agent = KINDS[options.agent].make(spec, actions, options.memory)
        except ValueError as error:
            raise UserError(str(error)) from error
    if isinstance(agent, MemoryAgent):
        check_slot_size(agent)
    return agent


def check_slot_size(agent: MemoryAgent) -> None:
    """Raises UserError if a slot takes too many bytes; true observations, kept for diagnosis, do not count."""
    memory = agent.initial_state(1).memory
    memory.observation = None
    size = bytes_per_slot(memory)
    if size > MAX_SLOT_BYTES:
        raise UserError(
            f"a slot would take {size} bytes, more than {MAX_SLOT_BYTES}: lower --embedding-width or --code-bits"
        )


def untrained(options: RunOptions) -> Agent[Any]:
    """The agent that a run of these options starts with.

    Raises UserError where an environment of others fails in its first reset or step: nothing has been written yet.
    """
    envs = build_envs(options, 1)
    try:
        if isinstance(envs, OthersVector):
            try_out(envs)
        return build_agent(options, envs.single_observation_space, count_actions(envs.single_action_space))
    finally:
        envs.close()


def try_out(envs: OthersVector) -> None:
    """Raises UserError where a reset or a step fails."""
    try:
        envs.reset(seed=0)
        envs.step(np.zeros(envs.num_envs, dtype=np.int64))
    except EnvError as error:
        raise UserError(str(error)) from error
