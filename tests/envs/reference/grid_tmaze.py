"""The grid T-Mazes in plain Python, with MiniGrid's own objects: the oracle of the compiled rules.

    #########
    #.......#
    #.......#                      #
    #.......###############  ...  #G#
    #......P......A.......   ...   .#      P passive start (7, 4), facing west
    #.......###############  ...  #G#      A active start (14, 4), facing east
    #.......#                      #
    #.......#
    #########

Nothing here calls the product's rules: the map, the random draws, the rewards and the noise are written a second time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from minigrid.core.actions import Actions
from minigrid.core.constants import COLOR_TO_IDX, IDX_TO_COLOR, OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Box, Goal, Key, Wall
from minigrid.minigrid_env import MiniGridEnv

KEY, BALL, BOX = (OBJECT_TO_IDX[name] for name in ("key", "ball", "box"))
GREEN = COLOR_TO_IDX["green"]
TILE, VIEW = 8, 7

MISSION = "remember the green object and turn: key north, ball south"
HEIGHT = 9
MIDDLE = 4  # the row of the corridor
ROOM_SIDE = 7  # interior cells of the start room per side
CUE_KINDS = (KEY, BALL)  # cue 0 and cue 1
ARM_OF_CUE = (MIDDLE - 1, MIDDLE + 1)
SCATTER_COLUMNS = 6
LOOKS = [
    (kind, colour)
    for kind in (KEY, BALL, BOX)
    for colour in COLOR_TO_IDX.values()
    if (kind, colour) not in ((KEY, GREEN), (BALL, GREEN))
]
RENDERED_COLUMNS = 25
_OBJECT_OF_KIND = {KEY: Key, BALL: Ball, BOX: Box}


def draw_layout(rng: np.random.Generator, distractors: int) -> tuple[int, np.ndarray]:
    """What is random in an episode: the cue (0 key, 1 ball) and rows of (x, y, kind, colour), the cue first."""
    cue = int(rng.integers(2))
    objects = np.empty((1 + distractors, 4), dtype=np.int64)
    objects[0] = (1, 1, CUE_KINDS[cue], GREEN)
    if distractors:
        cells = rng.permutation(SCATTER_COLUMNS * ROOM_SIDE)[: 1 + distractors]
        objects[:, 0] = 1 + cells % SCATTER_COLUMNS
        objects[:, 1] = 1 + cells // SCATTER_COLUMNS
        objects[1:, 2:] = np.array(LOOKS)[rng.integers(len(LOOKS), size=distractors)]
    return cue, objects


def noise_of(image: np.ndarray, seed: int, step: int, noise: float) -> None:
    """SplitMix64 (Steele, Lea & Flood 2014) of seed, step and place, in numpy's integers, which wrap around."""
    golden = np.uint64(0x9E3779B97F4A7C15)

    def mix(numbers: np.ndarray) -> np.ndarray:
        numbers = (numbers ^ numbers >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ numbers >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return numbers ^ numbers >> np.uint64(31)

    start = mix(np.array([seed], dtype=np.uint64) + np.array([step], dtype=np.uint64) * golden)
    pixels = image.reshape(-1, 3)
    bits = mix(start + np.arange(1, len(pixels) + 1, dtype=np.uint64) * golden)
    noisy = bits >> np.uint64(32) < np.uint64(int(noise * 2**32))
    for channel in range(3):
        pixels[noisy, channel] = (bits[noisy] >> np.uint64(8 * channel)).astype(np.uint8)


class GridTMaze(MiniGridEnv):
    """What the passive, the active and the endless grid T-Maze have in common."""

    active: bool

    def __init__(
        self,
        length: int = 100,
        distractors: int = 0,
        penalty: float | None = None,
        observation: str = "symbolic",
        noise: float = 0.0,
        render_mode: str | None = None,
    ):
        self.length, self.distractors = length, distractors
        self.penalty = 1 / length if penalty is None else penalty
        self.observation, self.noise = observation, noise
        self.start_x = 2 * ROOM_SIDE if self.active else ROOM_SIDE
        self.grace = 24 if self.active else 12
        self.junction_x = self.start_x + length
        super().__init__(
            mission_space=MissionSpace(mission_func=lambda: MISSION),
            width=self.junction_x + 2,
            height=HEIGHT,
            max_steps=3 * length + 60,
            see_through_walls=False,
            agent_view_size=VIEW,
            render_mode=render_mode,
        )
        side, high = (VIEW, 10) if observation == "symbolic" else (VIEW * TILE, 255)
        self.observation_space = spaces.Box(low=0, high=high, shape=(side, side, 3), dtype=np.uint8)
        self._is_wall = np.ones((self.width, HEIGHT), dtype=bool)
        self._is_wall[1 : 1 + ROOM_SIDE, 1 : 1 + ROOM_SIDE] = False
        self._is_wall[1 : self.junction_x + 1, MIDDLE] = False
        self._is_wall[self.junction_x, list(ARM_OF_CUE)] = False

    def _gen_grid(self, width: int, height: int) -> None:
        self.grid = Grid(width, height)
        for x, y in np.argwhere(self._is_wall):
            self.grid.set(x, y, Wall())
        for y in ARM_OF_CUE:
            self.grid.set(self.junction_x, y, Goal())
        self.cue, objects = draw_layout(self.np_random, self.distractors)
        for x, y, kind, colour in objects:
            self.grid.set(x, y, _OBJECT_OF_KIND[kind](IDX_TO_COLOR[colour]))
        self.agent_pos = (self.start_x, MIDDLE)
        self.agent_dir = 0 if self.active else 2
        self.farthest = self.start_x
        if self.noise > 0:
            self.noise_seed = int(self.np_random.integers((1 << 63) - 1))

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """MiniGrid's step with the reward of the T-Maze."""
        if action == Actions.pickup:
            action = Actions.toggle
        observation, _, terminated, truncated, _ = super().step(action)
        x, y = self.agent_pos
        truncated = truncated and not terminated
        success = terminated and y == ARM_OF_CUE[self.cue]

        reward = float(success)
        on_the_way = self.farthest < self.junction_x
        if on_the_way and x <= self.farthest and self.step_count > self.grace:
            reward = 0.0 - self.penalty  # never -0.0
        self.farthest = max(self.farthest, int(x))

        info = {"is_success": bool(success), "cue": self.cue} if terminated or truncated else {}
        return observation, reward, terminated, truncated, info

    def gen_obs(self) -> np.ndarray:
        """The agent's view alone: no direction and no mission, which would tell where it is going."""
        if self.observation == "pixels":
            image = self.get_frame(tile_size=TILE, agent_pov=True)
            if self.noise > 0:
                noise_of(image, self.noise_seed, self.step_count, self.noise)
            return image
        grid, visible = self.gen_obs_grid()
        return grid.encode(visible)

    def get_full_render(self, highlight: bool, tile_size: int) -> np.ndarray:
        """MiniGrid's picture of the world: the columns around the agent if it is wider than the frame."""
        columns = min(RENDERED_COLUMNS, self.width)
        left = int(np.clip(self.agent_pos[0] - columns // 2, 0, self.width - columns))
        world = self.grid, self.agent_pos, self.width
        self.grid = self.grid.slice(left, 0, columns, self.height)
        self.agent_pos = (self.agent_pos[0] - left, self.agent_pos[1])
        self.width = columns
        try:
            return super().get_full_render(highlight, tile_size)
        finally:
            self.grid, self.agent_pos, self.width = world


class GridTMazePassive(GridTMaze):
    """The cue is in view at the first step."""

    active = False


class GridTMazeActive(GridTMaze):
    """The cue lies in a room behind the agent."""

    active = True


class GridTMazeEndless(GridTMaze):
    """Passive grid T-Mazes in a chain, each with a new cue."""

    active = False

    def __init__(
        self,
        length: int = 20,
        corridors: int = 10,
        distractors: int = 0,
        penalty: float | None = None,
        observation: str = "symbolic",
        noise: float = 0.0,
        render_mode: str | None = None,
    ):
        super().__init__(length, distractors, penalty, observation, noise, render_mode)
        self.corridors = int(corridors)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start at the first corridor."""
        self.turns = self.right_turns = 0
        return super().reset(seed=seed, options=options)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """A step in one of the corridors."""
        observation, reward, in_arm, truncated, info = super().step(action)
        if in_arm:
            self.turns += 1
            self.right_turns += int(info["is_success"])
            reward = 1.0 if info["is_success"] else -1.0
        terminated = self.turns == self.corridors
        if in_arm and not terminated:
            self._gen_grid(self.width, self.height)
            self.step_count = 0  # the pace and the limit are those of one corridor
            observation = self.gen_obs()
        success = self.right_turns == self.corridors
        info = {"is_success": success, "right_turns": self.right_turns} if terminated or truncated else {}
        return observation, reward, terminated, truncated, info
