"""The batched grid T-Maze: the same task as `grid_tmaze.py`, step for step, in compiled loops over arrays."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from numba import njit

from reinstate.envs.grid_engine import (
    EMPTY,
    ENTERED_GOAL,
    GOAL,
    GREEN,
    GREY,
    NUM_ACTIONS,
    PICKUP,
    TOGGLE,
    VIEW,
    WALL,
    GridState,
    act,
    empty_state,
    write_views,
)
from reinstate.envs.grid_pixels import draw_views
from reinstate.envs.grid_tmaze import observation_space_of
from reinstate.envs.grid_tmaze_layout import (
    ARM_OF_CUE,
    CUE_KINDS,
    DISTRACTOR_LOOKS,
    HEIGHT,
    MIDDLE,
    NUM_SCATTER_CELLS,
    PLAIN_CUE_CELL,
    SCATTER_COLUMNS,
    make_layout,
    wall_mask,
)
from reinstate.envs.pcg64 import integers, permutation
from reinstate.envs.pixel_noise import add_noise_to_all, check_noise, draw_noise_seeds
from reinstate.envs.vector_base import SameStepVectorEnv


@njit(cache=True)
def _scatter_cell(number: int) -> tuple[int, int]:
    """The (x, y) of one of the cells that distractors lie on."""
    return 1 + number % SCATTER_COLUMNS, 1 + number // SCATTER_COLUMNS


@njit(cache=True)
def _begin(
    world: GridState,
    generators: np.ndarray,  # [B, 6]
    which: np.ndarray,  # [N]
    template: np.ndarray,  # [W, H, 3] the maze without objects
    distractors: int,
    start_x: int,
    start_dir: int,
    cue: np.ndarray,  # [B] out
    right_arm: np.ndarray,  # [B] out
    farthest: np.ndarray,  # [B] out
) -> None:
    """`draw_layout` for the worlds `which`, whose grids are made anew, and the start."""
    for b in which:
        world.agent_pos[b, 0], world.agent_pos[b, 1] = start_x, MIDDLE
        world.agent_dir[b] = start_dir
        world.step_count[b] = 0
        farthest[b] = start_x
        for x in range(template.shape[0]):  # loops, as numba takes seconds to compile `world.grid[b] = template`
            for y in range(HEIGHT):
                for part in range(3):
                    world.grid[b, x, y, part] = template[x, y, part]
        cue[b] = integers(generators[b], 0, 2)
        right_arm[b] = ARM_OF_CUE[cue[b]]
        x, y = PLAIN_CUE_CELL
        if distractors > 0:
            cells = permutation(generators[b], NUM_SCATTER_CELLS)
            x, y = _scatter_cell(cells[0])
            for i in range(distractors):
                look = DISTRACTOR_LOOKS[integers(generators[b], 0, len(DISTRACTOR_LOOKS))]
                distractor = world.grid[b][_scatter_cell(cells[1 + i])]
                distractor[0], distractor[1] = look
        world.grid[b, x, y, 0], world.grid[b, x, y, 1] = CUE_KINDS[cue[b]], GREEN


@njit(cache=True)
def _advance(
    world: GridState,
    actions: np.ndarray,  # [B]
    right_arm: np.ndarray,  # [B] row of the arm that pays
    farthest: np.ndarray,  # [B] largest column so far, updated
    junction_x: int,
    grace: int,
    penalty: float,
    max_steps: int,
    rewards: np.ndarray,  # [B] out
    terminated: np.ndarray,  # [B] out
    truncated: np.ndarray,  # [B] out
) -> None:
    for b in range(len(actions)):
        action = TOGGLE if actions[b] == PICKUP else actions[b]
        in_arm = act(world, b, action) == ENTERED_GOAL
        x, y = world.agent_pos[b]
        step = world.step_count[b]
        terminated[b] = in_arm
        truncated[b] = step >= max_steps and not in_arm
        if in_arm:
            rewards[b] = 1.0 if y == right_arm[b] else 0.0
        elif farthest[b] < junction_x and x <= farthest[b] and step > grace:
            rewards[b] = 0.0 - penalty  # never -0.0
        else:
            rewards[b] = 0.0
        farthest[b] = max(farthest[b], x)


class GridTMazeVector(SameStepVectorEnv):
    """B grid T-Mazes. Options and rules are on the pages of `GridTMazePassive` and `GridTMazeActive`."""

    active: bool

    def __init__(
        self,
        num_envs: int = 1,
        length: int = 100,
        distractors: int = 0,
        penalty: float | None = None,
        observation: str = "symbolic",
        noise: float = 0.0,
        render_mode: str | None = None,
    ):
        self.layout = make_layout(self.active, length, distractors, penalty)
        super().__init__(num_envs, observation_space_of(observation), spaces.Discrete(NUM_ACTIONS), render_mode)
        self.observation = observation
        self.noise = check_noise(noise, observation)
        self._world = empty_state(num_envs, self.layout.width, HEIGHT)
        self._farthest = np.zeros(num_envs, dtype=np.int64)
        self._cue = np.zeros(num_envs, dtype=np.int64)
        self._noise_seed = np.zeros(num_envs, dtype=np.int64)
        self._right_arm = np.zeros(num_envs, dtype=np.int64)
        self._views = np.empty((num_envs, VIEW, VIEW, 3), dtype=np.uint8)  # scratch of the pixel observation
        self._template = np.zeros((self.layout.width, HEIGHT, 3), dtype=np.uint8)
        self._template[..., 0] = EMPTY
        self._template[wall_mask(self.layout)] = (WALL, GREY, 0)
        self._template[self.layout.junction_x, list(ARM_OF_CUE)] = (GOAL, GREEN, 0)

    def _begin(self, which: np.ndarray) -> None:
        _begin(
            self._world,
            self._generators,
            which,
            self._template,
            self.layout.distractors,
            self.layout.start_x,
            self.layout.start_dir,
            self._cue,
            self._right_arm,
            self._farthest,
        )
        if self.noise > 0:
            draw_noise_seeds(self._generators, which, self._noise_seed)

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        outcome = self._outcome()
        _advance(
            self._world,
            actions,
            self._right_arm,
            self._farthest,
            self.layout.junction_x,
            self.layout.grace,
            self.layout.penalty,
            self.layout.max_steps,
            *outcome,
        )
        return outcome

    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        if self.observation == "symbolic":
            write_views(self._world, which, out)
        else:
            write_views(self._world, which, self._views)
            draw_views(self._views, which, out)
        if self.noise > 0:
            add_noise_to_all(out, which, self._noise_seed, self._world.step_count, self.noise)

    def _final_info(self) -> dict[str, np.ndarray]:
        x, y = self._world.agent_pos.T
        in_right_arm = (x == self.layout.junction_x) & (y == self._right_arm)
        return {"is_success": in_right_arm, "cue": self._cue}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        noise = {"noise_seed": self._noise_seed} if self.noise > 0 else {}
        return {
            **self._world._asdict(),
            "farthest": self._farthest,
            "cue": self._cue,
            "right_arm": self._right_arm,
            **noise,
        }


class GridTMazePassiveVector(GridTMazeVector):
    """B environments `Reinstate/GridTMazePassive-v0`."""

    active = False


class GridTMazeActiveVector(GridTMazeVector):
    """B environments `Reinstate/GridTMazeActive-v0`."""

    active = True
