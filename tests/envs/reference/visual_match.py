"""Visual Match in plain Python."""

from __future__ import annotations

import numpy as np

from tests.envs.reference.three_phases import (
    APPLE_FLOOR,
    APPLE_START,
    DISTRACTOR,
    EXPLORE,
    REWARD,
    SQUARES,
    Episode,
    ThreePhaseEnv,
    ThreePhaseLayout,
    cells_of,
    draw_apples,
    make_layout,
    parse_board,
)

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
# By `active`: the three boards with nothing drawn, the wall cells that can show the colour (8 or 26) and the cells
# to start from.
EXPLORE_OF = {
    active: (
        np.stack([parse_board(drawing), APPLE_FLOOR, parse_board(_REWARD)]),
        cells_of(drawing, "#"),
        cells_of(drawing, "p"),
    )
    for active, drawing in ((False, _PASSIVE), (True, _ACTIVE))
}
REWARD_START = cells_of(_REWARD, "p")[0]
SQUARE_CELLS = cells_of(_REWARD, "s")  # [3, 2], from west to east


def make_visual_match_layout(delay: int, apple_reward: float | None) -> ThreePhaseLayout:
    """Check the options of Visual Match and work out its numbers.

    Raises:
        ValueError: an option is out of range.
    """
    return make_layout(delay, apple_reward, (1.0, 10.0), reward_steps=15, final=10.0)


def draw_visual_match(rng: np.random.Generator, layout: ThreePhaseLayout, active: bool) -> Episode:
    """Draw an episode: the colour, where it shows, the start, the order of the squares, the apples and their price."""
    empty_boards, walls, starts = EXPLORE_OF[active]
    boards = empty_boards.copy()
    target = SQUARES[rng.integers(len(SQUARES))]
    boards[(EXPLORE, *walls[rng.integers(len(walls))])] = target
    start = starts[rng.integers(len(starts))]
    boards[REWARD, SQUARE_CELLS[:, 0], SQUARE_CELLS[:, 1]] = rng.permutation(SQUARES)
    boards[DISTRACTOR], apple_choice = draw_apples(rng, layout)
    return Episode(
        boards=boards,
        starts=np.array([start, APPLE_START, REWARD_START]),
        apple_choice=apple_choice,
        target=target,
    )


class VisualMatch(ThreePhaseEnv):
    """What the passive and the active Visual Match have in common; see their pages."""

    active: bool

    def __init__(self, delay: int = 90, apple_reward: float | None = None, render_mode: str | None = None):
        super().__init__(make_visual_match_layout(delay, apple_reward), render_mode)

    def _draw(self, rng: np.random.Generator) -> Episode:
        return draw_visual_match(rng, self.layout, self.active)


class VisualMatchPassive(VisualMatch):
    """Remember a colour while collecting apples, then touch the square that has it (Hung et al. 2019, TVT)."""

    active = False


class VisualMatchActive(VisualMatch):
    """Look for a colour, remember it while collecting apples, then touch the square that has it (TVT)."""

    active = True
