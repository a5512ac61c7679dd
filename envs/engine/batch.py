"""What all batched environments share: seeding, autoreset on the same step, final infos, snapshots."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from reinstate.envs.checks import check_integer
from reinstate.envs.engine.loops import Loops
from reinstate.envs.engine.pcg64 import WORDS, generator_to_words

ZERO = np.zeros((), dtype=np.int64)  # a number in the state of one environment


def _repeat(one: Any, num_envs: int) -> Any:
    """num_envs rows of an array, or of each part of a NamedTuple."""
    if isinstance(one, tuple):
        return type(one)(*(_repeat(part, num_envs) for part in one))
    return np.repeat(one[np.newaxis], num_envs, axis=0)


def _arrays_of(state: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Names and arrays of a state; those of a tuple within it have names of their own."""
    for name, part in state._asdict().items():
        if isinstance(part, tuple):
            yield from _arrays_of(part)
        else:
            yield name, part


class BatchEnv(VectorEnv):
    """B environments in arrays, each with its own random generator; finished ones are reset within the step.

    The step that ends an episode returns its reward and flags together with the first observation of the next
    episode; the last observation is in `infos["final_obs"]` and the last info in `infos["final_info"]`, in
    the form of gymnasium's SyncVectorEnv.

    Who owns the arrays: all that `step` and `reset` return is fresh and yours. After `env.copy = False`,
    observations, rewards and flags belong to the environment and are overwritten by the next `step`, `reset` or
    `set_state`: copy what you keep. `infos` and its `final_obs` are yours in either case.

    A family sets `action_names` and `loops`, calls `super().__init__`, and implements `final_info` and `draw`.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}
    action_names: ClassVar[tuple[str, ...]]
    single_observation_space: spaces.Box
    single_action_space: spaces.Discrete
    loops: Loops

    def __init__(
        self,
        num_envs: int,
        layout: Any,
        state_of_one: Any,
        observation_space: spaces.Box,
        action_space: spaces.Discrete,
        render_mode: str | None = None,
    ):
        """A batch that must be reset.

        Args:
            layout: what the rules take as `layout` (`loops.py`).
            state_of_one: the state of one environment before its first episode: a NamedTuple of arrays (`ZERO` for a
                number) and of tuples of the same kind. `self.state` gets num_envs rows of it.
            render_mode: None. A batch has no picture.
        """
        if render_mode is not None:
            raise ValueError(
                f"render_mode={render_mode!r} is not possible in a batch: leave it out, "
                "or watch a single environment made with gymnasium.make."
            )
        check_integer("num_envs", num_envs, low=1)
        self.num_envs = num_envs
        self.layout = layout
        self.state = _repeat(state_of_one, num_envs)
        self.single_observation_space = observation_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.single_action_space = action_space
        self.action_space = batch_space(action_space, num_envs)
        self.copy = True
        self.generators = np.zeros((num_envs, WORDS), dtype=np.uint64)  # see pcg64.py
        self._state_of_one = dict(_arrays_of(_repeat(state_of_one, 1)))
        self._arrays = dict(_arrays_of(self.state)) | {"generator": self.generators}  # all that changes
        self._everyone = np.arange(num_envs)
        self._num_actions = int(action_space.n)
        self._actions = np.zeros(num_envs, dtype=np.int64)
        observations = np.empty((num_envs, *observation_space.shape), observation_space.dtype)
        flags = np.empty(num_envs, dtype=bool), np.empty(num_envs, dtype=bool)
        self._buffers = observations, np.empty(num_envs), *flags  # what is returned if not `copy`
        self.is_seeded = False

    @abstractmethod
    def final_info(self) -> dict[str, np.ndarray]:
        """Arrays [B] of what info holds on the last step; rows of unfinished episodes are ignored."""

    def draw(self, b: int) -> np.ndarray:
        """A picture of environment b, [height, width, 3] uint8, for people; every family with a single view has it."""
        raise NotImplementedError

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
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, dtype=bool)))
        if mask.shape != (self.num_envs,) or mask.dtype != bool:
            raise ValueError(f"reset_mask must be bool of shape ({self.num_envs},), not {mask.dtype} of {mask.shape}.")
        if not mask.all() and not self.is_seeded:
            raise ValueError("Call reset() for all environments once before resetting some of them.")
        which = np.flatnonzero(mask)
        seeds = self._seed_list(seed)
        for b in which.tolist():
            if seeds[b] is not None or not self.is_seeded:
                rng, _ = seeding.np_random(seeds[b])
                self.generators[b] = generator_to_words(rng)
                for name, array in self._state_of_one.items():  # nothing of an episode before the seed is left
                    self._arrays[name][b] = array[0]
        self.is_seeded = True
        self._start_episodes(which)
        return self._observe_all(), {}

    def _start_episodes(self, which: np.ndarray) -> None:
        """Start episodes in the environments `which` [N], each drawn from its own generator."""
        self.loops.reset(self.state, self.layout, self.generators, which)

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
        observations, rewards, terminated, truncated, any_ended = self.play(actions)
        infos = self._end_episodes(terminated | truncated, observations) if any_ended else {}
        return observations, rewards, terminated, truncated, infos

    def play(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, bool]:
        """A step that starts no new episodes, and last whether any episode ended."""
        if not self.is_seeded:
            raise ValueError("Call reset() before the first step().")
        actions = self._checked(actions)
        out, rewards, terminated, truncated = self._buffers
        if self.copy:
            out, rewards = np.empty_like(out), np.empty_like(rewards)
            terminated, truncated = np.empty_like(terminated), np.empty_like(truncated)
        state, layout, generators = self.state, self.layout, self.generators
        wrong, any_ended = self.loops.step(
            state, layout, generators, self._num_actions, self._actions, rewards, terminated, truncated, out
        )
        if wrong >= 0:
            raise ValueError(
                f"Got action {actions[wrong]} for environment {wrong}: all must lie in 0..{self._num_actions - 1}."
            )
        return out, rewards, terminated, truncated, any_ended

    def _checked(self, actions: Any) -> np.ndarray:
        """The actions as an array [B] of integers, copied into `_actions`, so that compiled code sees one type.

        Raises:
            ValueError: the actions are not B integers.
        """
        given = np.asarray(actions)
        if given.shape != (self.num_envs,):
            raise ValueError(f"Got actions of shape {given.shape}: pass ({self.num_envs},), one per environment.")
        if given.dtype.kind not in "iu":
            raise ValueError(f"Got actions of type {given.dtype}: pass integers.")
        np.copyto(self._actions, given)  # what an int64 cannot hold becomes negative
        return given

    def _observe_all(self) -> np.ndarray:
        out = np.empty_like(self._buffers[0]) if self.copy else self._buffers[0]
        self.loops.observe(self.state, self.layout, self._everyone, out)
        return out

    def _end_episodes(self, done: np.ndarray, observations: np.ndarray) -> dict[str, Any]:
        """Reset where done [B], rewrite those rows of the observations; the infos of the ended episodes."""
        finished = np.flatnonzero(done)
        final_obs = np.full(self.num_envs, None, dtype=object)
        final_obs[finished] = np.fromiter(observations[finished], dtype=object, count=len(finished))
        final_info = {}
        for name, values in self.final_info().items():
            final_info[name] = np.where(done, values, np.zeros_like(values))
            final_info[f"_{name}"] = done.copy()
        self._start_episodes(finished)
        self.loops.observe(self.state, self.layout, finished, observations)
        return {"final_obs": final_obs, "_final_obs": done.copy(), "final_info": final_info, "_final_info": done.copy()}

    def get_state(self) -> dict[str, np.ndarray]:
        """A copy of everything that a continuation needs: plain numeric arrays, one row per environment."""
        if not self.is_seeded:
            raise ValueError("Call reset() before get_state().")
        return {name: array.copy() for name, array in self._arrays.items()}

    def set_state(self, state: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from what `get_state` returned, in an environment made with the same options.

        Returns:
            The observations [B, ...] of that moment.
        """
        wanted = {name: array.shape for name, array in self._arrays.items()}
        found = {name: np.shape(array) for name, array in state.items()}
        if wanted != found:
            raise ValueError(
                f"This state is of another environment: it holds {found}, and {wanted} was expected. "
                "Make the environment with the same id, options and number of environments."
            )
        for name, array in self._arrays.items():
            array[...] = state[name]
        self.is_seeded = True
        return self._observe_all()
