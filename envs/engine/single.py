"""One environment as gymnasium has it: a view of a batch of one."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding

from reinstate.envs.checks import check_choice
from reinstate.envs.engine.batch import BatchEnv
from reinstate.envs.engine.pcg64 import generator_to_words, set_generator


class SingleEnv(gym.Env[np.ndarray, Any]):
    """Plays a batch of one environment, without its autoreset, and draws it.

    A subclass sets `batch_class`, whose options it takes, and its docstring is the environment's page.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    batch_class: ClassVar[type[BatchEnv]]

    def __init__(self, render_mode: str | None = None, **options: Any):
        self.batch = self.batch_class(num_envs=1, **options)
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        self.render_mode = render_mode
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space
        self.layout, self.action_names = self.batch.layout, self.batch.action_names

    @property
    def np_random(self) -> np.random.Generator:
        """A generator in the state that the environment draws from next; drawing from it changes no episode."""
        rng = super().np_random
        if self.batch.is_seeded:
            set_generator(rng, self.batch.generators[0])
        return rng

    @np_random.setter
    def np_random(self, rng: np.random.Generator) -> None:
        self.batch.generators[0], self.batch.is_seeded = generator_to_words(rng), True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new episode."""
        observations, info = self.batch.reset(seed=None if seed is None else [seed])
        if seed is not None:
            self._np_random, self._np_random_seed = seeding.np_random(seed)
        self._np_random = self.np_random  # in the state after the draws of this episode
        return observations[0], info

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Play one action; see the class page."""
        if not self.action_space.contains(action):
            last = self.batch.single_action_space.n - 1
            raise ValueError(f"Unknown action {action!r}: pass an integer in 0..{last}.")
        observations, rewards, terminated, truncated, ended = self.batch.play(np.array([action]))
        info = {name: values[0].item() for name, values in self.batch.final_info().items()} if ended else {}
        return observations[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> np.ndarray | None:
        """A picture of the environment, [height, width, 3] uint8, or None without a render mode."""
        return None if self.render_mode is None else self.batch.draw(0)
