"""The T-Maze as a MiniGrid world: the map, the rules, and the page.

    #########
    #.......#
    #.......#                      #
    #.......###############  ...  #G#
    #......P......A.......   ...   .#      P passive start (7, 4), facing west
    #.......###############  ...  #G#      A active start (14, 4), facing east
    #.......#                      #
    #.......#
    #########

The start room is columns 1..7 and rows 1..7; the corridor is row 4 and begins at the opening (8, 4). Cells
are (x, y) with y growing downwards, as in MiniGrid.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from minigrid.core.constants import COLOR_TO_IDX

from reinstate.envs.checks import check_bool, check_choice, check_integer, is_finite_number
from reinstate.envs.engine import grid, pixels
from reinstate.envs.engine.batch import ZERO, BatchEnv
from reinstate.envs.engine.loops import allocating_rule, loops_of, rule
from reinstate.envs.engine.noise import add_noise, check_noise, draw_noise_seed
from reinstate.envs.engine.pcg64 import integers, permutation
from reinstate.envs.engine.single import SingleEnv

HEIGHT = 9
MIDDLE = 4  # the row of the corridor
ROOM_SIDE = 7  # interior cells of the start room per side
CUE_KINDS = (grid.KEY, grid.BALL)  # cue 0 and cue 1
ARM_OF_CUE = (MIDDLE - 1, MIDDLE + 1)  # the row of the arm that pays

# The plain cue lies on the far side of the room. MiniGrid's visibility floods through the opening, so a cell
# in column x is seen from the corridor as soon as it is within the 6 cells that the view reaches ahead.
# Column 1 is the only one that can be seen from column 7, inside the room, but from no cell outside.
PLAIN_CUE_CELL = (1, 1)

# With distractors: columns 1..6, so that nothing ever blocks the way out of the room in column 7.
SCATTER_COLUMNS = 6
NUM_SCATTER_CELLS = SCATTER_COLUMNS * ROOM_SIDE
MAX_DISTRACTORS = NUM_SCATTER_CELLS - 1

DISTRACTOR_LOOKS = np.array(
    [
        (kind, colour)
        for kind in (grid.KEY, grid.BALL, grid.BOX)
        for colour in COLOR_TO_IDX.values()
        if (kind, colour) not in ((grid.KEY, grid.GREEN), (grid.BALL, grid.GREEN))
    ],
    dtype=np.int64,
)  # [16, 2]

# A maze of length 1000 would render 32,000 pixels wide; a window that follows the agent has the same size at
# any length.
RENDERED_COLUMNS = 25


class Layout(NamedTuple):
    """What the options of a grid T-Maze decide. Build it with `make_layout`, which checks them."""

    length: int  # cells from the start to the junction
    distractors: int
    penalty: float  # subtracted on a step that makes no progress
    corridors: int  # an episode ends in the arm of the last one
    wrong_arm: float  # the reward of entering it
    noise: float  # share of noisy pixels
    start_x: int
    start_dir: int
    junction_x: int
    grace: int  # this many first steps of a corridor are never penalised
    max_steps: int  # in a corridor
    maze: np.ndarray  # [W, HEIGHT, 3] uint8: the world without objects
    canvas: pixels.Canvas | None  # None: symbols


class State(NamedTuple):
    """The state of B grid T-Mazes; all but the world [B] int64."""

    world: grid.GridState
    cue: np.ndarray  # 0 key, 1 ball
    farthest: np.ndarray  # the largest column so far in this corridor
    turns: np.ndarray  # arms entered in this episode
    right_turns: np.ndarray
    noise_seed: np.ndarray


def make_layout(
    active: bool,
    length: int,
    distractors: int,
    penalty: float | None,
    observation: str,
    noise: float,
    corridors: int = 1,
    wrong_arm: float = 0.0,
) -> Layout:
    """Check the options of a grid T-Maze and work out its numbers.

    Args:
        active: whether the agent starts in the corridor and must go and look for the cue.
        penalty: what a step without progress costs; None means 1 / length.

    Raises:
        ValueError: an option is out of range.
    """
    check_choice("observation", observation, pixels.OBSERVATIONS)
    check_integer("length", length, low=1)
    check_integer("corridors", corridors, low=1)
    check_integer("distractors", distractors, low=0)
    if distractors > MAX_DISTRACTORS:
        raise ValueError(f"distractors={distractors} do not fit into the start room: choose at most {MAX_DISTRACTORS}.")
    if penalty is None:
        penalty = 1 / length
    if not is_finite_number(penalty) or penalty < 0:
        raise ValueError(
            f"penalty={penalty!r} is not a cost: pass a number >= 0 (0 turns it off), or None for 1 / length."
        )
    start_x = 2 * ROOM_SIDE if active else ROOM_SIDE
    junction_x = start_x + int(length)
    return Layout(
        length=int(length),
        distractors=int(distractors),
        penalty=float(penalty),
        corridors=int(corridors),
        wrong_arm=wrong_arm,
        noise=check_noise(noise, observation),
        start_x=start_x,
        start_dir=grid.EAST if active else grid.WEST,
        junction_x=junction_x,
        grace=24 if active else 12,
        max_steps=3 * int(length) + 60,
        maze=empty_maze(junction_x),
        canvas=pixels.canvas_of(observation),
    )


def empty_maze(junction_x: int) -> np.ndarray:
    """The cells of the room, the corridor and the two arms [junction_x + 2, HEIGHT, 3], walls everywhere else."""
    cells = np.zeros((junction_x + 2, HEIGHT, 3), dtype=np.uint8)
    cells[:] = (grid.WALL, grid.GREY, 0)
    cells[1 : 1 + ROOM_SIDE, 1 : 1 + ROOM_SIDE] = grid.EMPTY_CELL
    cells[1 : junction_x + 1, MIDDLE] = grid.EMPTY_CELL
    cells[junction_x, list(ARM_OF_CUE)] = (grid.GOAL, grid.GREEN, 0)
    return cells


@rule
def _scatter_cell(number: int) -> tuple[int, int]:
    """The (x, y) of one of the cells that distractors lie on."""
    return 1 + number % SCATTER_COLUMNS, 1 + number // SCATTER_COLUMNS


@allocating_rule
def _enter_corridor(state: State, layout: Layout, generator: np.ndarray, b: int) -> None:
    """Draw a cue and distractors and put the agent at the start; the pace and the limit begin anew."""
    world, maze = state.world, layout.maze
    world.agent_pos[b, 0], world.agent_pos[b, 1] = layout.start_x, MIDDLE
    world.agent_dir[b] = layout.start_dir
    world.step_count[b] = 0
    state.farthest[b] = layout.start_x
    for x in range(maze.shape[0]):  # loops, as numba takes seconds to compile `world.grid[b] = maze`
        for y in range(HEIGHT):
            for part in range(3):
                world.grid[b, x, y, part] = maze[x, y, part]
    cue = integers(generator, 0, 2)
    state.cue[b] = cue
    x, y = PLAIN_CUE_CELL
    if layout.distractors > 0:
        cells = permutation(generator, NUM_SCATTER_CELLS)
        x, y = _scatter_cell(cells[0])
        for i in range(layout.distractors):
            look = DISTRACTOR_LOOKS[integers(generator, 0, len(DISTRACTOR_LOOKS))]
            distractor = world.grid[b][_scatter_cell(cells[1 + i])]
            distractor[0], distractor[1] = look
    world.grid[b, x, y, 0], world.grid[b, x, y, 1] = CUE_KINDS[cue], grid.GREEN
    if layout.noise > 0:
        state.noise_seed[b] = draw_noise_seed(generator)


@rule
def reset_one(state: State, layout: Layout, generator: np.ndarray, b: int) -> None:
    state.turns[b] = state.right_turns[b] = 0
    _enter_corridor(state, layout, generator, b)


@rule
def step_one(state: State, layout: Layout, generator: np.ndarray, b: int, action: int) -> tuple[float, bool, bool]:
    world = state.world
    in_arm = grid.act(world, b, grid.TOGGLE if action == grid.PICKUP else action) == grid.ENTERED_GOAL
    x, y = world.agent_pos[b, 0], world.agent_pos[b, 1]
    step = world.step_count[b]
    if in_arm:
        right = y == ARM_OF_CUE[state.cue[b]]
        state.turns[b] += 1
        state.right_turns[b] += right
        is_last = state.turns[b] == layout.corridors
        if not is_last:
            _enter_corridor(state, layout, generator, b)
        return (1.0 if right else layout.wrong_arm), is_last, False
    reward = 0.0
    if state.farthest[b] < layout.junction_x and x <= state.farthest[b] and step > layout.grace:
        reward -= layout.penalty  # never -0.0
    state.farthest[b] = max(state.farthest[b], x)
    return reward, False, step >= layout.max_steps


@rule
def observe_symbols(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
    grid.write_view(state.world, b, out)


@rule
def observe_pixels(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
    assert layout.canvas is not None
    grid.write_view(state.world, b, layout.canvas.symbols)
    pixels.draw_view(layout.canvas, out)
    if layout.noise > 0:
        add_noise(out, state.noise_seed[b], state.world.step_count[b], layout.noise)


LOOPS = {
    "symbolic": loops_of(reset_one, step_one, observe_symbols),
    "pixels": loops_of(reset_one, step_one, observe_pixels),
}


class Mazes(BatchEnv):
    """B grid T-Mazes with the layout of a subclass."""

    action_names = grid.ACTION_NAMES

    def __init__(self, num_envs: int, layout: Layout, observation: str, render_mode: str | None):
        world = grid.empty_world(layout.junction_x + 2, HEIGHT)
        state = State(world, cue=ZERO, farthest=ZERO, turns=ZERO, right_turns=ZERO, noise_seed=ZERO)
        space = pixels.observation_space_of(observation)
        super().__init__(num_envs, layout, state, space, spaces.Discrete(grid.NUM_ACTIONS), render_mode)
        self.loops = LOOPS[observation]

    def view(self, b: int) -> np.ndarray:
        """What is seen in environment b, [VIEW, VIEW, 3] uint8 of symbols."""
        views = np.empty((self.num_envs, grid.VIEW, grid.VIEW, 3), dtype=np.uint8)
        LOOPS["symbolic"].observe(self.state, self.layout, np.array([b]), views)
        view: np.ndarray = views[b]
        return view

    def draw(self, b: int) -> np.ndarray:
        return pixels.draw_world(self.state.world, b, self.view(b), RENDERED_COLUMNS)


class GridTMazeVector(Mazes):
    """B environments `Reinstate/GridTMaze*-v0`; see the page of `GridTMaze`."""

    def __init__(
        self,
        num_envs: int = 1,
        length: int = 100,
        active: bool = False,
        distractors: int = 0,
        penalty: float | None = None,
        observation: str = "symbolic",
        noise: float = 0.0,
        render_mode: str | None = None,
    ):
        check_bool("active", active)
        layout = make_layout(active, length, distractors, penalty, observation, noise)
        super().__init__(num_envs, layout, observation, render_mode)

    def final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self.state.right_turns == 1, "cue": self.state.cue}


class SingleMaze(SingleEnv):
    """What a person who plays a grid T-Maze is told."""

    batch: Mazes
    mission = "remember the green object and turn: key north, ball south"

    def in_view(self) -> list[str]:
        """The things in view, such as "green key"."""
        return pixels.things_in(self.batch.view(0))


class GridTMaze(SingleMaze):
    """T-Maze in a MiniGrid world: remember what lies in a room, walk to the junction, take the arm that it means.

    ## Description

    A room, a corridor, and a junction with two arms that look alike. In the room lies a green key or a green
    ball, the cue: the key means the north arm, the ball the south arm. All corridor cells look alike: neither
    position nor time is observed.

    |       | Passive                                       | Active (`active=True`)                              |
    |-------|-----------------------------------------------|-----------------------------------------------------|
    | start | in the room beside its exit, facing west:     | in the corridor, 7 cells further east, facing east: |
    |       | the first view shows the whole room           | the room is out of sight whichever way it turns     |
    | way   | turn round, walk `length` cells to the        | go back, look, return past the start, walk          |
    |       | junction, turn                                | `length` cells to the junction, turn                |

    Without distractors the cue lies at (1, 1), where it cannot be seen from outside the room. With
    `distractors=k` it lies at a random cell of columns 1 to 6 among k keys, balls and boxes of random colours
    (never a green key or ball), all redrawn every episode: a small memory must choose what to keep. A cue near
    the opening is then seen from up to 6 cells away, outside the room.

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
    the first 12 (active: 24) that does not bring the agent to a new farthest column costs `penalty` (default
    1 / length), so that memory is tested and not exploration; `penalty=0` makes it a hard-exploration task.
    The start column counts as reached. Standing or turning at the junction costs nothing. The active maze's
    detour to the cue takes 18 steps and is free.

    ## Termination and truncation

    Terminated on entering an arm. Truncated at step 3 * length + 60 (never together with termination). The
    last step's info has `is_success` (bool) and `cue` (0 key, 1 ball).

    ## Optimal return, memory lag, credit lag, chance level

    |         | Optimal return | Best without memory | Random, length 100     | Memory lag | Credit lag  |
    |---------|----------------|---------------------|------------------------|------------|-------------|
    | Passive | 1.0            | 0.5 (success 1/2)   | about -3.47, success 0 | length + 2 | 1           |
    | Active  | 1.0            | 0.5 (success 1/2)   | about -3.32, success 0 | length + 9 | length + 19 |

    In the active maze the action that matters is to turn round at the start; it pays only at the end.

    ## Registered ids

    - `Reinstate/GridTMazePassive-v0`
    - `Reinstate/GridTMazeActive-v0`
    - `Reinstate/GridTMazeCrowdedPassive-v0` (distractors=6)
    - `Reinstate/GridTMazeCrowdedActive-v0` (distractors=6)
    """

    batch_class = GridTMazeVector
