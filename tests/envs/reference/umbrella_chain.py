"""The Umbrella Chain of bsuite (Osband et al. 2020, arXiv 1908.03568), in plain Python.

The rules follow github.com/google-deepmind/bsuite, `environments/umbrella_chain.py`, with the 20 random bits
of its umbrella_length experiment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from reinstate.envs.checks import check_choice, check_integer

RANDOM_BITS = 20
OBSERVATION_SPACE = spaces.Box(low=0.0, high=1.0, shape=(3 + RANDOM_BITS,), dtype=np.float32)
ACTION_SPACE = spaces.Discrete(2)

_CELL = 12  # pixels


@dataclass(frozen=True)
class UmbrellaChainLayout:
    """All numbers of one Umbrella Chain. Build it with `make_layout`, which checks the options."""

    length: int


def make_layout(length: int) -> UmbrellaChainLayout:
    """Check the option of an Umbrella Chain.

    Raises:
        ValueError: it is out of range.
    """
    check_integer("length", length, low=1)
    return UmbrellaChainLayout(int(length))


def draw_start(rng: np.random.Generator) -> np.ndarray:
    """What is random at the start: [2 + RANDOM_BITS] int64 of 0 and 1: need, have, then the random bits."""
    return rng.integers(2, size=2 + RANDOM_BITS)


def draw_step(rng: np.random.Generator) -> np.ndarray:
    """What is random in a step: [1 + RANDOM_BITS] int64 of 0 and 1, drawn as the bits of one number.

    First the reward (0: -1, 1: +1), then the random bits.
    """
    return rng.integers(1 << (1 + RANDOM_BITS)) >> np.arange(1 + RANDOM_BITS) & 1


class UmbrellaChain(gym.Env):
    """Take an umbrella or not: a choice whose reward comes `length` steps later, under noise (bsuite)."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
    action_names: ClassVar[tuple[str, ...]] = ("leave", "take")

    def __init__(self, length: int = 100, render_mode: str | None = None):
        self.layout = make_layout(length)
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        self.render_mode = render_mode
        self.observation_space = OBSERVATION_SPACE
        self.action_space = ACTION_SPACE

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new episode."""
        super().reset(seed=seed)
        self.need, self.have, *self.random_bits = draw_start(self.np_random).tolist()
        self.step_count = 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take the umbrella or not at the first step, then let time pass; see the class page."""
        if not self.action_space.contains(action):
            raise ValueError(f"Unknown action {action!r}: pass an integer in 0..1.")
        self.step_count += 1
        if self.step_count == 1:
            self.have = int(action)
        good, *self.random_bits = draw_step(self.np_random).tolist()
        terminated = self.step_count == self.layout.length
        success = self.have == self.need
        reward = 1.0 if (success if terminated else good) else -1.0
        return self._observe(), reward, terminated, False, {"is_success": success} if terminated else {}

    def _observe(self) -> np.ndarray:
        time = 1 - self.step_count / self.layout.length
        return np.array([self.need, self.have, time, *self.random_bits], dtype=np.float32)

    def render(self) -> np.ndarray | None:
        """Need and have (blue if so, else grey), the random bits, and the time left as a bar; uint8."""
        if self.render_mode is None:
            return None
        picture = np.zeros((3, RANDOM_BITS, 3), dtype=np.uint8)
        for column, umbrella in ((0, self.need), (2, self.have)):
            picture[0, column] = (60, 60, 220) if umbrella else (90, 90, 90)
        picture[1, np.array(self.random_bits, dtype=bool)] = 255
        steps_left = self.layout.length - self.step_count
        picture[2, : -(-RANDOM_BITS * steps_left // self.layout.length)] = 90
        return picture.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
