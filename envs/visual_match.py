"""Visual Match: remember a colour, collect apples, touch the square that has it."""

from __future__ import annotations

import numpy as np

from reinstate.envs import three_phases as phases
from reinstate.envs.checks import check_bool
from reinstate.envs.engine.loops import allocating_rule, loops_of, rule
from reinstate.envs.engine.pcg64 import integers, permutation
from reinstate.envs.engine.single import SingleEnv

# The colour to remember takes the place of one of the wall cells. p: the player starts on one of these.
_ACTIVE = """
  #######
  #     #
  #     #
  ##   ##
  #ppppp#
  #ppppp#
  #######
"""
_PASSIVE = """

    ###
    #p#
    ###



"""
# s: the three coloured squares.
_REWARD = """
###########
# s  s  s #
#         #
#         #
####   ####
   # p #
   #####
"""
SQUARE_CELLS = phases.cells_of(_REWARD, "s")  # [3, 2], from west to east


@allocating_rule
def _draw_squares(state: phases.State, generator: np.ndarray, b: int) -> None:
    """Put the three squares onto the last board of environment b, in random order."""
    order = permutation(generator, len(phases.SQUARES))
    for i in range(len(phases.SQUARES)):
        state.boards[b, phases.REWARD, SQUARE_CELLS[i, 0], SQUARE_CELLS[i, 1]] = phases.SQUARES[order[i]]


@rule
def reset_one(state: phases.State, layout: phases.Layout, generator: np.ndarray, b: int) -> None:
    target = phases.SQUARES[integers(generator, 0, len(phases.SQUARES))]
    row, column = phases.draw_mark(layout, generator)
    phases.start_episode(state, layout, generator, b)
    state.target[b] = target
    state.boards[b, phases.EXPLORE, row, column] = target
    _draw_squares(state, generator, b)
    phases.draw_apples(state, layout, generator, b)


class VisualMatchVector(phases.ThreePhaseVector):
    """B Visual Matches; see the page of `VisualMatch`."""

    loops = loops_of(reset_one, phases.step_one, phases.observe_one)

    def __init__(
        self,
        num_envs: int = 1,
        delay: int = 90,
        apple_reward: float | None = None,
        active: bool = False,
        render_mode: str | None = None,
    ):
        check_bool("active", active)
        boards = (_ACTIVE if active else _PASSIVE, _REWARD)
        super().__init__(
            num_envs, phases.make_layout(boards, "#", delay, apple_reward, (1.0, 10.0), 15, 10.0), render_mode
        )


class VisualMatch(SingleEnv):
    """Remember a colour while collecting apples, then touch the square that has it (Hung et al. 2019, TVT).

    ## Description

    Three phases on boards of 7 x 11 cells, seen through a window of 5 x 5 cells around the player.

    1. Explore, 15 steps: one of the wall cells is red, green or blue. Passive: the player is walled in, and it is
       one of the 8 cells around. Active (`active=True`): two joined rooms of 26 wall cells; the player starts at
       random in the lower one, and unless the colour happens to be near, it must walk until it is in view.
    2. Distractor, `delay` steps: a hall with apples on 10 of 22 cells, drawn at random. An apple that was
       taken is back in the picture 21 steps later.
    3. Reward, 15 steps: a hall with a red, a green and a blue square. Touching one removes all three.

    The last step of a phase returns the first picture of the next one. Boards, colours, timing and rewards are
    those of DeepMind's pycolab games, the passive one with the closed first room of Ni et al. 2023
    (github.com/twni2016/Memory-RL). There each environment has its own order of the three squares; here it is
    drawn for every episode, so that a seed alone decides an episode.

    ## Actions

    | Num | Name  | Effect      |
    |-----|-------|-------------|
    | 0   | north | row - 1     |
    | 1   | south | row + 1     |
    | 2   | west  | column - 1  |
    | 3   | east  | column + 1  |

    A move into a wall, over the edge of the board or, in the first phase, into the colour changes nothing.

    ## Observation

    Box(0, 255, (5, 5, 3), uint8): the RGB colours of the cells around the player, who is in the middle.

    | Cell                     | Colour                                  |
    |--------------------------|-----------------------------------------|
    | floor and outside        | (204, 204, 204)                         |
    | wall                     | (25, 25, 25)                            |
    | player                   | (228, 148, 109)                         |
    | colour, coloured squares | (255, 0, 0), (0, 255, 0) or (0, 0, 255) |
    | apple                    | (140, 178, 0)                           |

    ## Reward

    10 for touching the right square in the third phase, 0 for a wrong one. An apple pays 1 or 10, drawn once
    for each episode; `apple_reward=` sets what it pays in every episode.

    ## Termination and truncation

    Terminated after exactly 15 + delay + 15 steps, never before; never truncated. The last step's info has
    `is_success` (bool: the right square was touched) and `last_phase_reward` (float), which is the measure of
    success, as the apples' rewards are large and noisy.

    ## Optimal return, memory lag, credit lag, chance level

    Of the last phase, without the apples (the whole return with `apple_reward=0`):

    |         | Optimal | Best without memory | Random policy       | Memory lag                    | Credit lag       |
    |---------|---------|---------------------|---------------------|-------------------------------|------------------|
    | Passive | 10      | 10/3 (success 1/3)  | 0.51 (success 5.1%) | about delay + 3               | 1                |
    | Active  | 10      | 10/3 (success 1/3)  | 0.51 (success 5.1%) | delay + 3 to about delay + 18 | about delay + 18 |

    In the active one, the action that matters is to walk to where the colour is in view; it pays in the third phase.

    ## Registered ids

    - `Reinstate/VisualMatchPassive-v0`
    - `Reinstate/VisualMatchActive-v0`
    """

    batch_class = VisualMatchVector
