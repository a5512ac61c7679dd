"""Other people's environments, stepped one after the other, with all that a batch of this package has.

Each episode is reset with a seed of its own. So a run is saved as the seed of each episode and the actions since its
reset, and restored by playing these actions again.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reinstate.envs.errors import EnvError, cause_of

LONGEST_REPLAY = 65_536  # steps; the actions of longer episodes are not kept


def success_of(info: Any) -> bool | None:
    """`info["is_success"]` where it is a bool or a number 0 or 1; None is "not reported".

    >>> success_of({"is_success": True}), success_of({"is_success": "False"}), success_of({})
    (True, None, None)
    """
    value = info.get("is_success") if isinstance(info, Mapping) else None
    is_number = isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating))
    return bool(value) if is_number and value in (0, 1) else None


def cue_of(info: Any) -> int | None:
    """`info["cue"]` where it is an integer; others may mean anything by it."""
    value = info.get("cue") if isinstance(info, Mapping) else None
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        return None
    return int(value) if abs(int(value)) < 2**63 else None


def episode_seed(base: int, episode: int) -> int:
    """The seed of an environment's episode: the first one has the seed that `reset` was given.

    Training's seeds are even and evaluation's odd (`seeds.py`); this goes for later episodes too.
    """
    if episode == 0:
        return base
    (word,) = np.random.SeedSequence(base, spawn_key=(episode,)).generate_state(1, np.uint32).tolist()
    return int(word) >> 1 & ~1 | base & 1


class OthersVector(SyncVectorEnv):
    """B environments of one id that are not batched, made by `make`; finished ones are reset within the step.

    Of `info` only `is_success` and `cue` of an episode's last step are kept. `make` gives environments whose
    observations are arrays of their own, and whose actions are Discrete from 0 (`adapt.py`).

    A step or a reset that fails is an EnvError. The state is then still that of before the call.
    """

    def __init__(self, env_id: str, make: Callable[[], gym.Env], num_envs: int) -> None:
        self.env_id = env_id
        try:
            super().__init__([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
        except RuntimeError as error:
            if isinstance(error, EnvError):
                raise
            raise ValueError(f"{env_id} makes environments whose spaces differ: make them all alike.") from error
        assert isinstance(self.single_action_space, spaces.Discrete)
        self.bases: list[int] = []  # the seed that `reset` gave to each environment
        self.episodes = np.zeros(num_envs, dtype=np.int64)  # since then
        self.lengths = np.zeros(num_envs, dtype=np.int64)
        self.checksums = [0] * num_envs  # of what was seen and paid in the episode
        self._actions = np.zeros((num_envs, 64), dtype=np.int16)  # since the reset

    @property
    def observations(self) -> np.ndarray:
        """The last observations [B, ...], a copy."""
        return np.array(self._observations)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts new episodes everywhere, or where `options["reset_mask"]` [B] bool says so.

        Args:
            seed: an integer s seeds environment i with s + i; a list gives each its own; None continues.
            options: other options than `reset_mask` go to the environments.
        """
        options = dict(options or {})
        mask = np.asarray(options.pop("reset_mask", np.ones(self.num_envs, dtype=bool)))
        if mask.shape != (self.num_envs,) or mask.dtype != bool:
            raise ValueError(f"reset_mask must be bool of shape ({self.num_envs},), not {mask.dtype} of {mask.shape}.")
        if not mask.all() and not self.bases:
            raise ValueError("Call reset() for all environments once before resetting some of them.")
        seeds = self._seed_list(seed)
        bases, episodes = list(self.bases) or [0] * self.num_envs, self.episodes.copy()
        observations = self.observations
        for b in np.flatnonzero(mask).tolist():
            given = seeds[b]
            if given is None and self.bases:
                episodes[b] += 1
            else:
                drawn = int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
                bases[b], episodes[b] = drawn if given is None else given, 0
            observations[b] = self._begin(b, episode_seed(bases[b], int(episodes[b])), options or None)
        self.bases, self.episodes = bases, episodes
        self._began(np.flatnonzero(mask), observations)
        return self.observations, {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Steps all environments with `actions` [B] and starts the next episode where one has ended."""
        B = self.num_envs
        actions = np.asarray(actions)
        seen = np.empty_like(self._observations)
        rewards, terminated, truncated = np.zeros(B), np.zeros(B, dtype=bool), np.zeros(B, dtype=bool)
        infos: list[Any] = [None] * B
        for b in range(B):
            seen[b], rewards[b], terminated[b], truncated[b], infos[b] = self._step_one(b, actions[b])
        done = terminated | truncated
        if not done.any():
            self._went_on(actions, seen, rewards)
            return self.observations, rewards, terminated, truncated, {}
        ended = np.flatnonzero(done)
        final_obs = np.full(B, None, dtype=object)
        for b in ended.tolist():
            final_obs[b] = seen[b].copy()
            seen[b] = self._begin(b, episode_seed(self.bases[b], int(self.episodes[b]) + 1))
        self.episodes[ended] += 1
        self._went_on(actions, seen, rewards)
        self._began(ended, seen)
        return self.observations, rewards, terminated, truncated, final_infos(done, final_obs, infos)

    def _begin(self, b: int, seed: int, options: dict[str, Any] | None = None) -> np.ndarray:
        """Resets one environment; the rest of the state is not touched."""
        try:
            observation, _ = self.envs[b].reset(seed=seed, options=options)
        except Exception as error:
            raise self._failed(b, "reset", error) from error
        return np.asarray(observation)

    def _step_one(self, b: int, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, Any]:
        try:
            return self.envs[b].step(action)  # type: ignore[return-value]
        except Exception as error:
            raise self._failed(b, f"step {self.lengths[b] + 1:,} of its episode", error) from error

    def _failed(self, b: int, where: str, error: Exception) -> EnvError:
        return EnvError(f"{self.env_id} (environment {b} of {self.num_envs}) failed in {where}: {cause_of(error)}")

    def _began(self, which: np.ndarray, observations: np.ndarray) -> None:
        """Episodes began in the environments `which` [N]; all show `observations` [B, ...] now."""
        self._observations = observations
        self.lengths[which] = 0
        for b in which:
            self.checksums[b] = zlib.crc32(observations[b].tobytes())

    def _went_on(self, actions: np.ndarray, observations: np.ndarray, rewards: np.ndarray) -> None:
        """All took a step."""
        room = self._actions.shape[1]
        kept = np.flatnonzero(self.lengths < LONGEST_REPLAY)
        if len(kept) > 0 and int(self.lengths[kept].max()) >= room:
            self._actions = np.concatenate([self._actions, np.zeros_like(self._actions)], axis=1)
        self._actions[kept, self.lengths[kept]] = actions[kept]
        self.lengths += 1
        self._observations = observations
        B = self.num_envs
        seen = np.ascontiguousarray(observations).reshape(B, -1).view(np.uint8)
        rows = np.concatenate([rewards.reshape(B, 1).view(np.uint8), seen], axis=1)
        self.checksums = [zlib.crc32(row, checksum) for row, checksum in zip(rows, self.checksums, strict=True)]

    def _seed_list(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, (int, np.integer)):
            return [int(seed) + b for b in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"Got {len(seed)} seeds for {self.num_envs} environments: pass one for each.")
        return [None if one is None else int(one) for one in seed]

    def state_dict(self) -> dict[str, Any]:
        """Seeds, and the actions since each reset; none for an episode that is too long to be played again."""
        rows = [self._actions[b, :length] for b, length in enumerate(self.lengths) if length <= LONGEST_REPLAY]
        return {
            "bases": list(self.bases),
            "episodes": self.episodes.tolist(),
            "lengths": self.lengths.tolist(),
            "checksums": list(self.checksums),
            "actions": np.concatenate([np.zeros(0, dtype=np.int16), *rows]),
            "observations": self.observations,
        }

    def load_state_dict(self, state: dict[str, Any]) -> list[int]:
        """Plays the actions of `state_dict` again.

        Returns:
            The environments that are not where they were: what they showed or paid differed, or the episode was too
            long. There a new episode has begun; `observations` has its first observation.

        Raises:
            ValueError: the state is of other environments.
            EnvError: an environment fails in the reset of a new episode.
        """
        lengths, actions = np.array(state["lengths"], dtype=np.int64), np.asarray(state["actions"])
        kept = np.where(lengths <= LONGEST_REPLAY, lengths, 0)
        assert isinstance(self.single_action_space, spaces.Discrete)
        fits = (
            {len(state[name]) for name in ("bases", "episodes", "lengths", "checksums")} == {self.num_envs}
            and np.shape(state["observations"]) == self._observations.shape
            and actions.shape == (kept.sum(),)
            and lengths.min() >= 0
            and (len(actions) == 0 or 0 <= actions.min() <= actions.max() < self.single_action_space.n)
        )
        if not fits:
            raise ValueError(f"This state is not of {self.num_envs} environments of {self.env_id}.")
        self.bases = [int(base) for base in state["bases"]]
        self.episodes, self.lengths = np.array(state["episodes"], dtype=np.int64), lengths
        self.checksums = [int(checksum) for checksum in state["checksums"]]
        self._observations = np.array(state["observations"], dtype=self._observations.dtype)
        self._actions = np.zeros((self.num_envs, max(64, int(kept.max()))), dtype=np.int16)
        changed, end = [], 0
        for b in range(self.num_envs):
            begin, end = end, end + int(kept[b])
            self._actions[b, : kept[b]] = actions[begin:end]
            if lengths[b] > LONGEST_REPLAY or not self._replay(b, actions[begin:end]):
                changed.append(b)
        observations = self.observations
        for b in changed:
            self.episodes[b] += 1
            observations[b] = self._begin(b, episode_seed(self.bases[b], int(self.episodes[b])))
        self._began(np.array(changed, dtype=np.int64), observations)
        return changed

    def _replay(self, b: int, actions: np.ndarray) -> bool:
        """Whether the episode, played again, shows and pays what it did."""
        try:
            observation = self._begin(b, episode_seed(self.bases[b], int(self.episodes[b])))
            checksum = zlib.crc32(observation.tobytes())
            for action in actions.astype(np.int64):
                observation, reward, terminated, truncated, _ = self._step_one(b, action)
                if terminated or truncated:
                    return False
                checksum = zlib.crc32(
                    np.asarray(observation).tobytes(), zlib.crc32(struct.pack("=d", reward), checksum)
                )
        except EnvError:
            return False
        return checksum == self.checksums[b]

    def close_extras(self, **kwargs: Any) -> None:
        """Closes all environments; one that fails at that is only warned about, as its work is done."""
        for env in getattr(self, "envs", []):
            try:
                env.close()
            except Exception as error:
                warnings.warn(f"{self.env_id} failed in close: {cause_of(error)}", stacklevel=2)


def final_infos(done: np.ndarray, final_obs: np.ndarray, infos: Sequence[Any]) -> dict[str, Any]:
    """The infos of the episodes that ended, in the form of gymnasium's SyncVectorEnv."""
    final: dict[str, np.ndarray] = {}
    for key, read, dtype in (("is_success", success_of, bool), ("cue", cue_of, np.int64)):
        values = {b: read(infos[b]) for b in np.flatnonzero(done).tolist()}
        found = {b: value for b, value in values.items() if value is not None}
        if found:
            final[key], final[f"_{key}"] = np.zeros(len(done), dtype=dtype), np.zeros(len(done), dtype=bool)
            final[key][list(found)], final[f"_{key}"][list(found)] = list(found.values()), True
    return {"final_obs": final_obs, "_final_obs": done.copy(), "final_info": final, "_final_info": done.copy()}
