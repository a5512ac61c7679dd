"""What all batched environments share: seeding, autoreset on the same step, final infos, snapshots."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import Space
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numba import njit

from reinstate.envs.checks import check_integer
from reinstate.envs.engine.pcg64 import WORDS, generator_to_words


# Compiled, because numpy takes a microsecond for each such question, and one environment alone steps in five.
@njit(cache=True)
def _first_outside(actions: np.ndarray, num_actions: int) -> int:
    """The first b whose action is not in 0..num_actions - 1, or -1."""
    for b in range(len(actions)):
        if actions[b] < 0 or actions[b] >= num_actions:
            return b
    return -1


@njit(cache=True)
def _any_ended(terminated: np.ndarray, truncated: np.ndarray) -> bool:
    for b in range(len(terminated)):
        if terminated[b] or truncated[b]:
            return True
    return False


class SameStepVectorEnv(VectorEnv):
    """B environments in arrays, each with its own random generator; finished ones are reset within the step.

    The step that ends an episode returns its reward and flags together with the first observation of the next
    episode; the last observation is in `infos["final_obs"]` and the last info in `infos["final_info"]`, in
    the form of gymnasium's SyncVectorEnv.

    Who owns the arrays: all that `step` and `reset` return is fresh and yours. After `env.copy = False`,
    observations, rewards and flags belong to the environment and are overwritten by the next `step`, `reset` or
    `set_state`: copy what you keep. `infos` and its `final_obs` are yours in either case.

    A subclass calls `super().__init__`, then keeps its state in arrays and implements the abstract methods.
    """

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}

    def __init__(self, num_envs: int, observation_space: Space, action_space: Space, render_mode: str | None):
        if render_mode is not None:
            raise ValueError(
                f"render_mode={render_mode!r} is not possible in a batch: leave it out, "
                "or watch a single environment made with gymnasium.make."
            )
        check_integer("num_envs", num_envs, low=1)
        self.num_envs = num_envs
        self.single_observation_space = observation_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.single_action_space = action_space
        self.action_space = batch_space(action_space, num_envs)
        self.copy = True
        self._everyone = np.arange(num_envs)
        self._num_actions = int(action_space.n)
        self._actions = np.zeros(num_envs, dtype=np.int64)
        # What is returned if not `copy`.
        self._observation_buffer = np.empty((num_envs, *observation_space.shape), observation_space.dtype)
        self._outcome_buffers = np.empty(num_envs), np.empty(num_envs, dtype=bool), np.empty(num_envs, dtype=bool)
        self._generators = np.zeros((num_envs, WORDS), dtype=np.uint64)  # see envs/pcg64.py
        self._is_seeded = False

    @abstractmethod
    def _begin(self, which: np.ndarray) -> None:
        """Start new episodes in the environments `which` [N], each drawn from its own row of `_generators`."""

    @abstractmethod
    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step all environments; rewards [B] float64, terminated [B] bool, truncated [B] bool."""

    @abstractmethod
    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        """Write the observations of the environments `which` [N] into those rows of `out` [B, ...]."""

    @abstractmethod
    def _final_info(self) -> dict[str, np.ndarray]:
        """Arrays [B] of what info holds on the last step; rows of unfinished episodes are ignored."""

    @abstractmethod
    def _state_arrays(self) -> dict[str, np.ndarray]:
        """All arrays that change, by name and by reference."""

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new episodes everywhere, or where `options["reset_mask"]` [B] bool says so.

        Args:
            seed: an integer s seeds environment i with s + i; a list gives each its own; None continues.
            options: may hold `reset_mask`.

        Returns:
            Observations [B, ...] and an empty info.
        """
        mask = np.ones(self.num_envs, dtype=bool)
        if options is not None and "reset_mask" in options:
            mask = np.asarray(options["reset_mask"])
            if mask.shape != (self.num_envs,) or mask.dtype != bool:
                raise ValueError(
                    f"reset_mask must be bool of shape ({self.num_envs},), not {mask.dtype} of {mask.shape}."
                )
            if not mask.all() and not self._is_seeded:
                raise ValueError("Call reset() for all environments once before resetting some of them.")
        which = np.flatnonzero(mask)
        seeds = self._seed_list(seed)
        for b in which:
            if seeds[b] is not None or not self._is_seeded:
                rng, _ = seeding.np_random(seeds[b])
                self._generators[b] = generator_to_words(rng)
        self._is_seeded = True
        self._begin(which)
        return self._observe_all(), {}

    def _seed_list(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        """The seed of each environment, checked before anything changes; None where its generator continues."""
        if seed is None:
            return [None] * self.num_envs
        if not isinstance(seed, (Sequence, np.ndarray)):
            check_integer("seed", seed, low=0)
            return [int(seed) + b for b in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"Got {len(seed)} seeds for {self.num_envs} environments: pass one for each.")
        for one in seed:
            if one is not None:
                check_integer("seed", one, low=0)
        return [None if one is None else int(one) for one in seed]

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every environment and start the next episode where one has ended.

        Args:
            actions: [B] integers.

        Returns:
            Observations [B, ...], rewards [B] float64, terminated [B], truncated [B], infos.
        """
        actions = self._checked(actions)
        if not self._is_seeded:
            raise ValueError("Call reset() before the first step().")
        observations, rewards, terminated, truncated = self._play(actions)
        infos = {}
        if _any_ended(terminated, truncated):
            infos = self._end_episodes(terminated | truncated, observations)
        return observations, rewards, terminated, truncated, infos

    def _play(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Step and observe all environments; a subclass may do both in one compiled call."""
        outcome = self._advance(actions)
        return self._observe_all(), *outcome

    def _checked(self, actions: Any) -> np.ndarray:
        """The actions as [B] int64 in an array of our own: whatever is passed, the compiled code sees one type.

        Raises:
            ValueError: the actions are not B integers that the environment has.
        """
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,):
            raise ValueError(f"Got actions of shape {actions.shape}: pass ({self.num_envs},), one per environment.")
        if actions.dtype.kind not in "iu":
            raise ValueError(f"Got actions of type {actions.dtype}: pass integers.")
        np.copyto(self._actions, actions)  # what an int64 cannot hold becomes negative
        wrong = _first_outside(self._actions, self._num_actions)
        if wrong >= 0:
            raise ValueError(
                f"Got action {actions[wrong]} for environment {wrong}: all must lie in 0..{self._num_actions - 1}."
            )
        return self._actions

    def _observations(self) -> np.ndarray:
        """Where all observations [B, ...] may be written."""
        return np.empty_like(self._observation_buffer) if self.copy else self._observation_buffer

    def _outcome(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where `_advance` may write rewards [B] float64, terminated [B] bool and truncated [B] bool."""
        rewards, terminated, truncated = self._outcome_buffers
        if not self.copy:
            return rewards, terminated, truncated
        return np.empty_like(rewards), np.empty_like(terminated), np.empty_like(truncated)

    def _observe_all(self) -> np.ndarray:
        out = self._observations()
        self._observe(self._everyone, out)
        return out

    def _end_episodes(self, done: np.ndarray, observations: np.ndarray) -> dict[str, Any]:
        """Reset where done [B], rewrite those rows of the observations; the infos of the ended episodes."""
        finished = np.flatnonzero(done)
        final_obs = np.full(self.num_envs, None, dtype=object)
        final_obs[finished] = np.fromiter(observations[finished], dtype=object, count=len(finished))
        final_info = {}
        for name, values in self._final_info().items():
            final_info[name] = np.where(done, values, np.zeros_like(values))
            final_info[f"_{name}"] = done.copy()
        self._begin(finished)
        self._observe(finished, observations)
        return {
            "final_obs": final_obs,
            "_final_obs": done.copy(),
            "final_info": final_info,
            "_final_info": done.copy(),
        }

    def get_state(self) -> dict[str, np.ndarray]:
        """A copy of everything that a continuation needs: plain numeric arrays, one row per environment."""
        if not self._is_seeded:
            raise ValueError("Call reset() before get_state().")
        state = {name: array.copy() for name, array in self._state_arrays().items()}
        state["generator"] = self._generators.copy()
        return state

    def set_state(self, state: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from what `get_state` returned, in an environment made with the same options.

        Returns:
            The observations [B, ...] of that moment.
        """
        arrays = self._state_arrays()
        wanted = {name: array.shape for name, array in arrays.items()} | {"generator": self._generators.shape}
        found = {name: np.shape(array) for name, array in state.items()}
        if wanted != found:
            raise ValueError(
                f"This state is of another environment: it holds {found}, and {wanted} was expected. "
                "Make the environment with the same id, options and number of environments."
            )
        for name, array in arrays.items():
            array[...] = state[name]
        self._generators[...] = state["generator"]
        self._is_seeded = True
        return self._observe_all()
