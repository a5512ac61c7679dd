"""The T-Maze as a MiniGrid world: one environment. Its batched twin is in `grid_tmaze_vector.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from minigrid.core.actions import Actions
from minigrid.core.constants import IDX_TO_COLOR
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Box, Goal, Key, Wall
from minigrid.minigrid_env import MiniGridEnv

from reinstate.envs.checks import check_choice
from reinstate.envs.grid_engine import BALL, BOX, KEY, VIEW
from reinstate.envs.grid_pixels import TILE
from reinstate.envs.grid_tmaze_layout import (
    ARM_OF_CUE,
    HEIGHT,
    MIDDLE,
    OBSERVATIONS,
    draw_layout,
    make_layout,
    wall_mask,
)
from reinstate.envs.pixel_noise import add_noise, check_noise, draw_noise_seed

MISSION = "remember the green object and turn: key north, ball south"

_OBJECT_OF_KIND = {KEY: Key, BALL: Ball, BOX: Box}

# A maze of length 1000 would render 32,000 pixels wide; a window that follows the agent has the same size at
# any length.
RENDERED_COLUMNS = 25


def observation_space_of(observation: str, view: int = VIEW) -> spaces.Box:
    """The space of one observation of `view` cells a side: MiniGrid's symbols or 8-pixel tiles."""
    check_choice("observation", observation, OBSERVATIONS)
    if observation == "symbolic":
        return spaces.Box(low=0, high=10, shape=(view, view, 3), dtype=np.uint8)  # 10 is MiniGrid's last object
    return spaces.Box(low=0, high=255, shape=(view * TILE, view * TILE, 3), dtype=np.uint8)


class GridTMaze(MiniGridEnv):
    """What the passive and the active grid T-Maze have in common; see their pages."""

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
        self.layout = make_layout(self.active, length, distractors, penalty)
        self.observation = observation
        observation_space = observation_space_of(observation)
        self.noise = check_noise(noise, observation)
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        super().__init__(
            mission_space=MissionSpace(mission_func=lambda: MISSION),
            width=self.layout.width,
            height=HEIGHT,
            max_steps=self.layout.max_steps,
            see_through_walls=False,
            agent_view_size=VIEW,
            render_mode=render_mode,
        )
        self.observation_space = observation_space
        self._is_wall = wall_mask(self.layout)

    def _gen_grid(self, width: int, height: int) -> None:
        self.grid = Grid(width, height)
        for x, y in np.argwhere(self._is_wall):
            self.grid.set(x, y, Wall())
        for y in ARM_OF_CUE:
            self.grid.set(self.layout.junction_x, y, Goal())
        self.cue, objects = draw_layout(self.np_random, self.layout.distractors)
        for x, y, kind, colour in objects:
            self.grid.set(x, y, _OBJECT_OF_KIND[kind](IDX_TO_COLOR[colour]))
        self.agent_pos = (self.layout.start_x, MIDDLE)
        self.agent_dir = self.layout.start_dir
        self.farthest = self.layout.start_x
        if self.noise > 0:
            self.noise_seed = draw_noise_seed(self.np_random)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """MiniGrid's step with the reward of the T-Maze; see the class page."""
        if action == Actions.pickup:
            action = Actions.toggle
        observation, _, terminated, truncated, _ = super().step(action)
        x, y = self.agent_pos
        truncated = truncated and not terminated
        success = terminated and y == ARM_OF_CUE[self.cue]

        reward = float(success)
        on_the_way = self.farthest < self.layout.junction_x
        if on_the_way and x <= self.farthest and self.step_count > self.layout.grace:
            reward = 0.0 - self.layout.penalty  # never -0.0
        self.farthest = max(self.farthest, int(x))

        info = {"is_success": bool(success), "cue": self.cue} if terminated or truncated else {}
        return observation, reward, terminated, truncated, info

    def gen_obs(self) -> np.ndarray:
        """The agent's view alone: no direction and no mission, which would tell where it is going."""
        if self.observation == "pixels":
            image = self.get_frame(tile_size=TILE, agent_pov=True)
            if self.noise > 0:
                add_noise(image, self.noise_seed, self.step_count, self.noise)
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
    """T-Maze in a MiniGrid world; the cue is in view at the first step.

    ## Description

    A room, a corridor, and a junction with two arms that look alike. In the room lies a green key or a green
    ball: the key means the north arm, the ball the south arm. The agent starts in the room beside its exit,
    `length` cells from the junction and facing west, so that its first view shows the whole room; it must
    turn round, walk to the junction and take the arm that it remembers. All corridor cells look alike:
    neither position nor time is observed.

    Without distractors the cue lies at (1, 1), where it cannot be seen from outside the room. With
    `distractors=k` it lies at a random cell of columns 1 to 6 among k keys, balls and boxes of random colours
    (never a green key or ball), all redrawn every episode: a small memory must choose what to keep.

    ## Actions

    | Num | Name    | Effect                                              |
    |-----|---------|-----------------------------------------------------|
    | 0   | left    | turn left                                           |
    | 1   | right   | turn right                                          |
    | 2   | forward | move one cell                                       |
    | 3   | pickup  | the same as toggle                                  |
    | 4   | drop    | nothing: the agent never carries anything           |
    | 5   | toggle  | opens a box, which vanishes as it is empty          |
    | 6   | done    | nothing                                             |

    Picking up is disabled as in MiniGrid's own Memory environments: an agent that carries the cue sees it all
    the time and needs no memory.

    ## Observation

    | `observation=` | Space                           | Content                                           |
    |----------------|---------------------------------|---------------------------------------------------|
    | "symbolic"     | Box(0, 10, (7, 7, 3), uint8)    | MiniGrid's (object, colour, state) of 7x7 cells   |
    | "pixels"       | Box(0, 255, (56, 56, 3), uint8) | the same view as MiniGrid draws it, 8 pixels each |

    With `observation="pixels"`, `noise=p` gives each pixel a uniformly random colour with probability p (0 to 1,
    by default 0), drawn anew every step: distractors that an agent should not remember.

    ## Reward

    +1 for entering the right arm, 0 for the wrong one. Until the junction has been reached, every step after
    the first 12 that does not bring the agent to a new farthest column costs `penalty` (default 1 / length),
    so that memory is tested and not exploration; `penalty=0` makes it a hard-exploration task. Standing or
    turning at the junction costs nothing.

    ## Termination and truncation

    Terminated on entering an arm. Truncated at step 3 * length + 60 (never together with termination). The
    last step's info has `is_success` (bool) and `cue` (0 key, 1 ball).

    ## Optimal return, memory lag, credit lag, chance level

    | Optimal return | Best without memory | Random, length 100       | Memory lag | Credit lag  |
    |----------------|---------------------|--------------------------|------------|-------------|
    | 1.0            | 0.5 (success 1/2)   | about -3.47, success 0   | length + 2 | 1           |

    ## Registered ids

    - `Reinstate/GridTMazePassive-v0`
    - `Reinstate/GridTMazeCrowdedPassive-v0` (distractors=6)
    """

    active = False


class GridTMazeActive(GridTMaze):
    """T-Maze in a MiniGrid world; the cue lies in a side room that the agent must choose to enter.

    ## Description

    The passive grid T-Maze's world with the start in the corridor, 7 cells further east and facing east,
    towards the junction `length` cells further on. The room with the cue is behind the agent and out of sight
    whichever way it turns. It must go back, look, return past its start and take the arm: key north, ball
    south.

    Without distractors the cue lies at (1, 1), seen only from inside the room. With `distractors=k` it lies
    at a random cell of columns 1 to 6 among k other objects, redrawn every episode; a cue near the opening is
    then seen from up to 6 cells away, outside the room.

    ## Actions

    | Num | Name    | Effect                                              |
    |-----|---------|-----------------------------------------------------|
    | 0   | left    | turn left                                           |
    | 1   | right   | turn right                                          |
    | 2   | forward | move one cell                                       |
    | 3   | pickup  | the same as toggle (see the passive environment)    |
    | 4   | drop    | nothing: the agent never carries anything           |
    | 5   | toggle  | opens a box, which vanishes as it is empty          |
    | 6   | done    | nothing                                             |

    ## Observation

    | `observation=` | Space                           | Content                                           |
    |----------------|---------------------------------|---------------------------------------------------|
    | "symbolic"     | Box(0, 10, (7, 7, 3), uint8)    | MiniGrid's (object, colour, state) of 7x7 cells   |
    | "pixels"       | Box(0, 255, (56, 56, 3), uint8) | the same view as MiniGrid draws it, 8 pixels each |

    With `observation="pixels"`, `noise=p` gives each pixel a uniformly random colour with probability p (0 to 1,
    by default 0), drawn anew every step: distractors that an agent should not remember.

    ## Reward

    +1 for entering the right arm, 0 for the wrong one. Until the junction has been reached, every step after
    the first 24 that does not bring the agent to a new farthest column (the start column counts as reached)
    costs `penalty` (default 1 / length; 0 turns it off). The detour to the cue takes 18 steps and is free.

    ## Termination and truncation

    Terminated on entering an arm. Truncated at step 3 * length + 60 (never together with termination). The
    last step's info has `is_success` (bool) and `cue` (0 key, 1 ball).

    ## Optimal return, memory lag, credit lag, chance level

    | Optimal return | Best without memory | Random, length 100       | Memory lag | Credit lag  |
    |----------------|---------------------|--------------------------|------------|-------------|
    | 1.0            | 0.5 (success 1/2)   | about -3.32, success 0   | length + 9 | length + 19 |

    The action that matters is to turn round at the start, which pays only at the end of the episode.

    ## Registered ids

    - `Reinstate/GridTMazeActive-v0`
    - `Reinstate/GridTMazeCrowdedActive-v0` (distractors=6)
    """

    active = True
