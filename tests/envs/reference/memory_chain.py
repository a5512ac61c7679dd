"""The Memory Chain of bsuite (Osband et al. 2020, arXiv 1908.03568), in plain Python.

The rules follow github.com/google-deepmind/bsuite, `environments/memory_chain.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from reinstate.envs.checks import check_choice, check_integer

ACTION_SPACE = spaces.Discrete(2)

RENDERED_COLUMNS = 40
_CELL = 12  # pixels


@dataclass(frozen=True)
class MemoryChainLayout:
    """All numbers of one Memory Chain. Build it with `make_layout`, which checks the options."""

    length: int
    bits: int

    @property
    def episode_steps(self) -> int:
        return self.length + 1


def make_layout(length: int, bits: int) -> MemoryChainLayout:
    """Check the options of a Memory Chain.

    Raises:
        ValueError: an option is out of range.
    """
    check_integer("length", length, low=1)
    check_integer("bits", bits, low=1)
    return MemoryChainLayout(int(length), int(bits))


def observation_space_of(layout: MemoryChainLayout) -> spaces.Box:
    """The space of [time, query, context...]."""
    return spaces.Box(low=-1.0, high=max(1.0, layout.bits - 1.0), shape=(2 + layout.bits,), dtype=np.float32)


def draw_episode(rng: np.random.Generator, bits: int) -> tuple[np.ndarray, int]:
    """Everything that is random in an episode: the context, [bits] int64 of 0 and 1, and the bit asked for."""
    return rng.integers(2, size=bits), int(rng.integers(bits))


class MemoryChain(gym.Env):
    """Repeat a bit that was shown `length` steps ago (bsuite's memory_len and memory_size)."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
    action_names: ClassVar[tuple[str, ...]] = ("-1", "+1")

    def __init__(self, length: int = 100, bits: int = 1, render_mode: str | None = None):
        self.layout = make_layout(length, bits)
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        self.render_mode = render_mode
        self.observation_space = observation_space_of(self.layout)
        self.action_space = ACTION_SPACE

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new episode."""
        super().reset(seed=seed)
        self.context, self.query = draw_episode(self.np_random, self.layout.bits)
        self.step_count = 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Let time pass; the last action is the answer. See the class page."""
        if not self.action_space.contains(action):
            raise ValueError(f"Unknown action {action!r}: pass an integer in 0..1.")
        self.step_count += 1
        terminated = self.step_count == self.layout.episode_steps
        if not terminated:
            return self._observe(), 0.0, False, False, {}
        success = bool(action == self.context[self.query])
        return self._observe(), 1.0 if success else -1.0, True, False, {"is_success": success}

    def _observe(self) -> np.ndarray:
        clock = max(0, self.step_count - 1)
        observation = np.zeros(self.observation_space.shape, dtype=np.float32)
        observation[0] = 1 - clock / self.layout.length
        if clock == self.layout.length - 1:
            observation[1] = self.query
        if clock == 0:
            observation[2:] = 2 * self.context - 1
        return observation

    def render(self) -> np.ndarray | None:
        """The bits (green +1, red -1; at most 40), a mark under the one asked for, the time left; uint8."""
        if self.render_mode is None:
            return None
        picture = np.zeros((3, RENDERED_COLUMNS, 3), dtype=np.uint8)
        for bit, sign in enumerate(self.context[:RENDERED_COLUMNS]):
            picture[0, bit] = (0, 160, 0) if sign else (160, 0, 0)
        if self.query < RENDERED_COLUMNS:
            picture[1, self.query] = 255
        steps_left = self.layout.episode_steps - self.step_count
        picture[2, : -(-RENDERED_COLUMNS * steps_left // self.layout.episode_steps)] = 90
        return picture.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
