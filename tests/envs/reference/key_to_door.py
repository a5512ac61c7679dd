"""Key-to-Door in plain Python."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from reinstate.envs.checks import check_bool, check_choice, is_finite_number
from tests.envs.reference.three_phases import (
    APPLE_FLOOR,
    APPLE_START,
    BACKGROUND,
    DISTRACTOR,
    EXPLORE,
    KEY,
    Episode,
    ThreePhaseEnv,
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


class KeyToDoor(ThreePhaseEnv):
    """Fetch a key, collect apples for a while, then open a door with it (Hung et al. 2019, TVT)."""

    def __init__(
        self,
        delay: int = 90,
        apple_reward: float | None = None,
        preset: str = "tvt",
        key_reward: float = 0.0,
        yoked: bool = False,
        render_mode: str | None = None,
    ):
        super().__init__(make_key_to_door_layout(delay, apple_reward, preset, key_reward), render_mode)
        check_bool("yoked", yoked)
        self.yoked = yoked
        self.took_before = False  # was the key taken in the last whole episode?

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new episode; with a seed, the one before is forgotten."""
        if seed is not None:
            self.took_before = False
        return super().reset(seed=seed, options=options)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """A step; see the class page."""
        result = super().step(action)
        if result[2]:
            self.took_before = self.has_key
        return result

    def _opens(self) -> bool:
        return self.took_before if self.yoked else self.has_key

    def _is_success(self) -> bool:
        return self.has_key if self.yoked else self.success

    def _draw(self, rng: np.random.Generator) -> Episode:
        return draw_key_to_door(rng, self.layout)
