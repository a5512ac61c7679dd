"""The T-Maze with vector observations of Ni et al. 2023 (arXiv 2307.03864), in plain Python.

The rules follow the authors' published code (github.com/twni2016/Memory-RL); "alt" is AMAGO's variant of the
reward (github.com/UT-Austin-RPL/amago).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from reinstate.envs.checks import check_choice, check_integer

PENALTIES = ("classic", "alt")
RIGHT, UP, LEFT, DOWN = range(4)
OBSERVATION_SPACE = spaces.Box(low=-1.0, high=1.0, shape=(2,), dtype=np.float32)
ACTION_SPACE = spaces.Discrete(4)

RENDERED_COLUMNS = 41  # a window that follows the agent, so that frames have one size at any length
_CELL = 12  # pixels


@dataclass(frozen=True)
class TMazeLayout:
    """All numbers of one T-Maze. Build it with `make_layout`, which checks the options."""

    length: int
    penalty: str
    start_x: int  # cells between the oracle at x = 0 and the start

    @property
    def junction_x(self) -> int:
        return self.start_x + self.length

    @property
    def episode_steps(self) -> int:
        return self.length + 2 * self.start_x + 1


def make_layout(active: bool, length: int, penalty: str) -> TMazeLayout:
    """Check the options of a T-Maze and work out its numbers.

    Raises:
        ValueError: an option is out of range.
    """
    check_integer("length", length, low=1)
    check_choice("penalty", penalty, PENALTIES)
    return TMazeLayout(int(length), penalty, start_x=1 if active else 0)


def draw_cue(rng: np.random.Generator) -> int:
    """Everything that is random in an episode: cue 0 puts the goal at y = -1 and cue 1 at y = +1."""
    return int(rng.integers(2))


class TMaze(gym.Env):
    """What the passive and the active T-Maze have in common; see their pages."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
    action_names: ClassVar[tuple[str, ...]] = ("right", "up", "left", "down")
    active: bool

    def __init__(self, length: int = 100, penalty: str = "classic", render_mode: str | None = None):
        self.layout = make_layout(self.active, length, penalty)
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        self.render_mode = render_mode
        self.observation_space = OBSERVATION_SPACE
        self.action_space = ACTION_SPACE

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new episode."""
        super().reset(seed=seed)
        self.cue = draw_cue(self.np_random)
        self.goal_y = 2 * self.cue - 1
        self.x, self.y = self.layout.start_x, 0
        self.step_count = 0
        self.oracle_visited = False
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move, unless a wall is in the way; see the class page."""
        if not self.action_space.contains(action):
            raise ValueError(f"Unknown action {action!r}: pass an integer in 0..3.")
        self.step_count += 1
        if self.y == 0 and action in (RIGHT, LEFT):
            self.x = min(max(self.x + (1 if action == RIGHT else -1), 0), self.layout.junction_x)
        elif self.x == self.layout.junction_x and action in (UP, DOWN):
            self.y = min(max(self.y + (1 if action == UP else -1), -1), 1)

        terminated = self.step_count == self.layout.episode_steps
        steps_after_oracle = self.step_count - self.layout.start_x
        if terminated:
            reward = float(self.y == self.goal_y)
        elif self.layout.penalty == "classic":
            reward = -1 / self.layout.length if self.x < steps_after_oracle else 0.0
        else:
            reward = -1 / self.layout.length if action != RIGHT and steps_after_oracle > 0 else 0.0
        info = {"is_success": self.y == self.goal_y, "cue": self.cue} if terminated else {}
        return self._observe(), reward, terminated, False, info

    def _observe(self) -> np.ndarray:
        if self.x == self.layout.junction_x:
            return np.array([1, self.y], dtype=np.float32)
        if self.x == 0 and not self.oracle_visited:
            self.oracle_visited = True
            return np.array([0, self.goal_y], dtype=np.float32)
        return np.zeros(2, dtype=np.float32)

    def render(self) -> np.ndarray | None:
        """The cells around the agent: blue oracle, green goal, red wrong arm, white agent; uint8."""
        if self.render_mode is None:
            return None
        width = self.layout.junction_x + 1
        picture = np.zeros((3, max(width, RENDERED_COLUMNS), 3), dtype=np.uint8)
        picture[1, :width] = 90
        picture[1, 0] = (60, 60, 220)
        picture[1 - self.goal_y, width - 1] = (0, 160, 0)
        picture[1 + self.goal_y, width - 1] = (160, 0, 0)
        picture[1 - self.y, self.x] = 255
        left = int(np.clip(self.x - RENDERED_COLUMNS // 2, 0, picture.shape[1] - RENDERED_COLUMNS))
        window = picture[:, left : left + RENDERED_COLUMNS]
        return window.repeat(_CELL, axis=0).repeat(_CELL, axis=1)


class TMazePassive(TMaze):
    """T-Maze with the cue in the first observation (Ni et al. 2023)."""

    active = False


class TMazeActive(TMaze):
    """T-Maze whose cue must be fetched first (Ni et al. 2023)."""

    active = True
