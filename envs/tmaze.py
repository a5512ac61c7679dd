"""The T-Maze with vector observations of Ni et al. 2023 (arXiv 2307.03864).

The rules follow the authors' published code (github.com/twni2016/Memory-RL); "alt" is AMAGO's variant of the
reward (github.com/UT-Austin-RPL/amago).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from reinstate.envs.checks import check_bool, check_choice, check_integer
from reinstate.envs.engine.batch import ZERO, BatchEnv
from reinstate.envs.engine.loops import loops_of, rule
from reinstate.envs.engine.pcg64 import integers
from reinstate.envs.engine.single import SingleEnv

PENALTIES = ("classic", "alt")
RIGHT, UP, LEFT, DOWN = range(4)
OBSERVATION_SPACE = spaces.Box(low=-1.0, high=1.0, shape=(2,), dtype=np.float32)

RENDERED_COLUMNS = 41  # a window that follows the agent, so that frames have one size at any length
_CELL = 12  # pixels


class Layout(NamedTuple):
    """What the options of a T-Maze decide."""

    length: int
    alt_penalty: bool
    start_x: int  # cells between the oracle at x = 0 and the start
    junction_x: int
    episode_steps: int


class State(NamedTuple):
    """The state of B T-Mazes, [B] int64 each."""

    x: np.ndarray
    y: np.ndarray
    cue: np.ndarray  # 0: the goal is at y = -1, 1: at y = +1
    step_count: np.ndarray
    oracle_step: np.ndarray  # the step that first reached the oracle, which shows the cue only then; -1: not yet


@rule
def reset_one(state: State, layout: Layout, generator: np.ndarray, b: int) -> None:
    state.cue[b] = integers(generator, 0, 2)
    state.x[b], state.y[b], state.step_count[b] = layout.start_x, 0, 0
    state.oracle_step[b] = 0 if layout.start_x == 0 else -1


@rule
def step_one(state: State, layout: Layout, generator: np.ndarray, b: int, action: int) -> tuple[float, bool, bool]:
    x, y = state.x[b], state.y[b]
    step = state.step_count[b] + 1
    if y == 0 and (action == RIGHT or action == LEFT):
        x = min(max(x + (1 if action == RIGHT else -1), 0), layout.junction_x)
    elif x == layout.junction_x and (action == UP or action == DOWN):
        y = min(max(y + (1 if action == UP else -1), -1), 1)
    if x == 0 and state.oracle_step[b] < 0:
        state.oracle_step[b] = step
    state.x[b], state.y[b], state.step_count[b] = x, y, step

    if step == layout.episode_steps:
        return (1.0 if y == 2 * state.cue[b] - 1 else 0.0), True, False
    steps_after_oracle = step - layout.start_x
    late = action != RIGHT and steps_after_oracle > 0 if layout.alt_penalty else x < steps_after_oracle
    return (-1 / layout.length if late else 0.0), False, False


@rule
def observe_one(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
    out[0] = out[1] = 0
    if state.x[b] == layout.junction_x:
        out[0], out[1] = 1, state.y[b]
    elif state.x[b] == 0 and state.oracle_step[b] == state.step_count[b]:
        out[1] = 2 * state.cue[b] - 1


class TMazeVector(BatchEnv):
    """B T-Mazes; see the page of `TMaze`."""

    action_names = ("right", "up", "left", "down")
    loops = loops_of(reset_one, step_one, observe_one)

    def __init__(
        self,
        num_envs: int = 1,
        length: int = 100,
        penalty: str = "classic",
        active: bool = False,
        render_mode: str | None = None,
    ):
        check_integer("length", length, low=1)
        check_choice("penalty", penalty, PENALTIES)
        check_bool("active", active)
        length, start_x = int(length), 1 if active else 0
        layout = Layout(length, penalty == "alt", start_x, start_x + length, length + 2 * start_x + 1)
        state = State(ZERO, ZERO, ZERO, ZERO, ZERO)
        super().__init__(num_envs, layout, state, OBSERVATION_SPACE, spaces.Discrete(4), render_mode)

    def final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self.state.y == 2 * self.state.cue - 1, "cue": self.state.cue}

    def draw(self, b: int) -> np.ndarray:
        """The cells around the agent: blue oracle, green goal, red wrong arm, white agent."""
        x, y, cue = self.state.x[b], self.state.y[b], self.state.cue[b]
        goal_y = 2 * cue - 1
        width = self.layout.junction_x + 1
        picture = np.zeros((3, max(width, RENDERED_COLUMNS), 3), dtype=np.uint8)
        picture[1, :width] = 90
        picture[1, 0] = (60, 60, 220)
        picture[1 - goal_y, width - 1] = (0, 160, 0)
        picture[1 + goal_y, width - 1] = (160, 0, 0)
        picture[1 - y, x] = 255
        left = int(np.clip(x - RENDERED_COLUMNS // 2, 0, picture.shape[1] - RENDERED_COLUMNS))
        window = picture[:, left : left + RENDERED_COLUMNS]
        return window.repeat(_CELL, axis=0).repeat(_CELL, axis=1)


class TMaze(SingleEnv):
    """Remember a cue along a corridor, then turn to the side that it named (Ni et al. 2023).

    ## Description

    A corridor from x = 0, the oracle, to a junction with a goal one step above or below it. The oracle tells
    which; nothing else does. The agent must walk straight to the junction and turn on the last step. Since no
    observation tells time or place, it must also keep pace: falling behind cannot be repaired.

    |                 | Passive                                | Active (`active=True`)                        |
    |-----------------|----------------------------------------|-----------------------------------------------|
    | start, junction | x = 0, x = length                      | x = 1, x = length + 1                         |
    | the cue         | is in the first observation            | shows when the agent steps left to the oracle |

    The pace of the active maze allows for going to the oracle at once, and for nothing more.

    ## Actions

    | Num | Name  | Effect                                  |
    |-----|-------|-----------------------------------------|
    | 0   | right | x + 1                                   |
    | 1   | up    | y + 1, at the junction and in the arms  |
    | 2   | left  | x - 1                                   |
    | 3   | down  | y - 1, at the junction and in the arms  |

    A move into a wall leaves the agent where it is.

    ## Observation

    Box(-1, 1, (2,), float32):

    | Where                | Observation                                 |
    |----------------------|---------------------------------------------|
    | x = 0                | [0, goal_y] at the first visit, then [0, 0] |
    | corridor             | [0, 0]                                      |
    | junction and arms    | [1, y]                                      |

    ## Reward

    Last step: 1 if y is the goal's, else 0. Before, with `penalty="classic"`: -1 / length on every step t
    (counted from 1) that ends with x < t, in the active maze with x < t - 1. With `penalty="alt"`: -1 / length
    on every action other than right, in the active maze after the first step only.

    ## Termination and truncation

    Terminated after exactly length + 1 steps, or length + 3 in the active maze; never before, never truncated.
    The last step's info has `is_success` (bool) and `cue` (0: goal at y = -1, 1: goal at y = +1).

    ## Optimal return, memory lag, credit lag, chance level

    |         | Optimal return | Best without memory | Random policy, length 100            | Memory lag | Credit lag |
    |---------|----------------|---------------------|--------------------------------------|------------|------------|
    | Passive | 1.0            | 0.5 (success 1/2)   | about -1.00 (alt: -0.75), success 0  | length     | 1          |
    | Active  | 1.0            | 0.5 (success 1/2)   | about -1.00 (alt: -0.76), success 0  | length     | length + 2 |

    There are only two distinct episodes under a deterministic policy: report success per cue.

    ## Registered ids

    - `Reinstate/TMazePassive-v0`
    - `Reinstate/TMazeActive-v0`
    """

    batch_class = TMazeVector
