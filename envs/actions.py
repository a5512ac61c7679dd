"""The actions 0..n-1 of an environment, whatever its action space: each is one combination of its discrete choices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

MOST_ACTIONS = 32_767  # a slot keeps an action in 16 bits


def actions_of(env: gym.Env, env_id: str) -> tuple[spaces.Discrete, Callable[[int], Any] | None]:
    """The space of the actions 0..n-1, and what turns one into an action of `env`; None where they are the same.

    Raises:
        ValueError: some part of the space is not discrete, or there are too many combinations.
    """
    space = getattr(env, "action_space", None)
    if not isinstance(space, spaces.Space):
        raise ValueError(f"{env_id} has no action space.")
    if isinstance(space, spaces.Box):
        raise ValueError(
            f"{env_id} has the continuous actions {space}: only discrete ones are supported, so register it with a "
            "wrapper such as gymnasium.wrappers.DiscretizeAction, which makes them Discrete."
        )
    n = count(space)
    if n is None:
        raise ValueError(
            f"{env_id} has the action space {space}: only Discrete, MultiDiscrete, MultiBinary, and Dict or Tuple of "
            "these are supported."
        )
    if n > MOST_ACTIONS:
        kind = "actions" if isinstance(space, spaces.Discrete) else "combinations of actions"
        number = f"{n:,}" if n < 10**12 else "more than 10^12"
        raise ValueError(
            f"{env_id} has {number} {kind}, and at most {MOST_ACTIONS:,} are supported: give it fewer by a wrapper."
        )
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return space, None
    return spaces.Discrete(n), lambda number: combination(space, int(number))


def count(space: spaces.Space[Any]) -> int | None:
    """The number of actions in a discrete space; None for other spaces."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return math.prod(int(n) for n in space.nvec.flatten())
    if isinstance(space, spaces.MultiBinary):
        return int(2 ** math.prod(space.shape))
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        counts = [count(part) for part in parts_of(space)]
        return None if None in counts else math.prod(n for n in counts if n is not None)
    return None


def parts_of(space: spaces.Dict | spaces.Tuple[Any]) -> list[spaces.Space[Any]]:
    """The spaces within, in order."""
    return list(space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces)


def combination(space: spaces.Space[Any], number: int) -> Any:
    """The action that has this number; the last choice changes fastest.

    >>> [combination(spaces.MultiDiscrete([2, 3]), number).tolist() for number in (0, 1, 3)]
    [[0, 0], [0, 1], [1, 0]]
    """
    if isinstance(space, spaces.Discrete):
        return space.start + space.dtype.type(number)
    if isinstance(space, spaces.MultiDiscrete):
        digits = np.array(np.unravel_index(number, space.nvec.flatten().tolist()), dtype=space.dtype)
        return digits.reshape(space.nvec.shape) + space.start
    if isinstance(space, spaces.MultiBinary):
        size = math.prod(space.shape)
        bits = [number >> place & 1 for place in reversed(range(size))]
        return np.array(bits, dtype=space.dtype).reshape(space.shape)
    assert isinstance(space, (spaces.Dict, spaces.Tuple))
    chosen: list[Any] = []
    for part in reversed(parts_of(space)):
        number, rest = divmod(number, count(part) or 1)
        chosen.insert(0, combination(part, rest))
    return dict(zip(space.spaces, chosen, strict=True)) if isinstance(space, spaces.Dict) else tuple(chosen)
