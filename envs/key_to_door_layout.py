"""The boards, presets and random draws of Key-to-Door: everything that its two implementations share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reinstate.envs.checks import check_choice, is_finite_number
from reinstate.envs.three_phases import (
    APPLE_FLOOR,
    APPLE_START,
    BACKGROUND,
    DISTRACTOR,
    EXPLORE,
    KEY,
    Episode,
    ThreePhaseLayout,
    cells_of,
    draw_apples,
    make_layout,
    parse_board,
)

PRESETS = ("tvt", "ni2023")

# k: the key is on one of these, p: the player starts on one of these, d: the door.
_EXPLORE = """
  #######
  #kkkkk#
  #kkkkk#
  ##   ##
  #ppppp#
  #ppppp#
  #######
"""
_REWARD = """

   ##d##
   #   #
   # p #
   #   #
   #####

"""
BOARDS = np.stack([parse_board(_EXPLORE), APPLE_FLOOR, parse_board(_REWARD)])  # [3, ROWS, COLUMNS], nothing drawn
KEY_CELLS, START_CELLS = cells_of(_EXPLORE, "k"), cells_of(_EXPLORE, "p")  # [10, 2] each
REWARD_START = cells_of(_REWARD, "p")[0]


def make_key_to_door_layout(delay: int, apple_reward: float | None, preset: str, key_reward: float) -> ThreePhaseLayout:
    """Check the options of Key-to-Door and work out its numbers.

    Raises:
        ValueError: an option is out of range or unknown.
    """
    check_choice("preset", preset, PRESETS)
    if not is_finite_number(key_reward):
        raise ValueError(f"key_reward={key_reward!r} is not a reward: pass a finite number.")
    if preset == "tvt":
        layout = make_layout(delay, apple_reward, (1.0, 10.0), reward_steps=15, final=10.0)
    else:
        layout = make_layout(delay, apple_reward, (1.0,), reward_steps=10, final=5.0)
    return replace(layout, key_reward=float(key_reward))


def draw_key_to_door(rng: np.random.Generator, layout: ThreePhaseLayout) -> Episode:
    """Draw an episode: the key's cell, the start, the apples and what they pay."""
    boards = BOARDS.copy()
    key, start = KEY_CELLS[rng.integers(len(KEY_CELLS))], START_CELLS[rng.integers(len(START_CELLS))]
    boards[(EXPLORE, *key)] = KEY
    boards[DISTRACTOR], apple_choice = draw_apples(rng, layout)
    return Episode(
        boards=boards,
        starts=np.array([start, APPLE_START, REWARD_START]),
        apple_choice=apple_choice,
        target=BACKGROUND,
    )
