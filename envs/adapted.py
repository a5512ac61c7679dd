"""The wrapper around an environment of others: what goes in and comes out is checked, and has one form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from reinstate.envs.errors import EnvError, IllegalReturn, cause_of, line_of_definition
from reinstate.envs.observations import Observations


class Adapted(gym.Wrapper[np.ndarray, Any, Any, Any]):
    """Observations are arrays of their own, actions 0..n-1, rewards floats and the two signals bools.

    Raises IllegalReturn where the environment returns what gymnasium's interface does not allow, or an observation that
    is not of its space.
    """

    def __init__(
        self,
        env: gym.Env,
        actions: tuple[spaces.Discrete, Callable[[int], Any] | None],
        observations: Observations,
    ) -> None:
        super().__init__(env)
        self.action_space, self._act = actions
        self.observation_space, self._read = observations.space, observations.read

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, Any]:
        """As in gymnasium."""
        found = self.env.reset(seed=seed, options=options)
        if not isinstance(found, tuple) or len(found) != 2:
            raise IllegalReturn(f"reset must return observation and info{self._place('reset')}")
        return self._seen(found[0], "reset"), found[1]

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, Any]:
        """As in gymnasium."""
        try:
            found: Any = self.env.step(action if self._act is None else self._act(action))
        except ValueError as error:
            # How a wrapper of gymnasium finds that there are 4 values.
            if "values to unpack" not in str(error) or not _is_in_gymnasium(error):
                raise
            found = None
        if not isinstance(found, tuple) or len(found) != 5:
            names = "observation, reward, terminated, truncated and info"
            raise IllegalReturn(f"step must return {names}{self._place('step')}")
        observation, reward, terminated, truncated, info = found
        return (
            self._seen(observation, "step"),
            reward if type(reward) is float else self._number(reward, "reward", "buif"),
            terminated if type(terminated) is bool else bool(self._number(terminated, "terminated", "bui")),
            truncated if type(truncated) is bool else bool(self._number(truncated, "truncated", "bui")),
            info,
        )

    def _seen(self, observation: Any, method: str) -> np.ndarray:
        try:
            return self._read(observation)
        except IllegalReturn as error:
            raise IllegalReturn(f"{error}{self._place(method)}") from error

    def _number(self, value: Any, name: str, kinds: str) -> float:
        """`value` as a number, also where it is in an array by itself."""
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in kinds:
            raise IllegalReturn(f"{name} must be one {'number' if 'f' in kinds else 'bool'}{self._place('step')}")
        return float(array.item())

    def _place(self, method: str) -> str:
        return line_of_definition(getattr(type(self.env.unwrapped), method))


class Named(gym.Wrapper[Any, Any, Any, Any]):
    """An environment whose failures in reset, step and render are an EnvError with its name."""

    def reset(self, **options: Any) -> Any:
        """As in gymnasium."""
        return self._try("reset", self.env.reset, **options)

    def step(self, action: Any) -> Any:
        """As in gymnasium."""
        return self._try("step", self.env.step, action)

    def render(self) -> Any:
        """As in gymnasium."""
        return self._try("render", self.env.render)

    def _try(self, name: str, method: Callable[..., Any], *given: Any, **options: Any) -> Any:
        try:
            return method(*given, **options)
        except Exception as error:
            env_id = self.spec.id if self.spec is not None else type(self.unwrapped).__name__
            raise EnvError(f"{env_id} failed in {name}: {cause_of(error)}") from error


def _is_in_gymnasium(error: BaseException) -> bool:
    """Whether the innermost frame is gymnasium's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("gymnasium.")
