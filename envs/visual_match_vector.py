"""The batched Visual Match: the same task as `visual_match.py`, step for step."""

from __future__ import annotations

import numpy as np
from numba import njit

from reinstate.envs.pcg64 import integers, permutation
from reinstate.envs.three_phases import EXPLORE, REWARD, SQUARES
from reinstate.envs.three_phases_vector import ThreePhaseVector, Worlds, begin_world, draw_apples
from reinstate.envs.visual_match_layout import EXPLORE_OF, REWARD_START, SQUARE_CELLS, make_visual_match_layout


@njit(cache=True)
def _begin(
    worlds: Worlds,
    generators: np.ndarray,
    which: np.ndarray,
    boards: np.ndarray,
    walls: np.ndarray,
    starts: np.ndarray,
    reward_start: np.ndarray,
    num_apple_rewards: int,
) -> None:
    """`reinstate.envs.visual_match_layout.draw_visual_match` for the environments `which` [N]."""
    for b in which:
        target = SQUARES[integers(generators[b], 0, len(SQUARES))]
        wall = walls[integers(generators[b], 0, len(walls))]
        start = starts[integers(generators[b], 0, len(starts))]
        begin_world(worlds, b, boards, start, reward_start)
        worlds.target[b] = target
        worlds.boards[b, EXPLORE, wall[0], wall[1]] = target
        order = permutation(generators[b], len(SQUARES))
        for i in range(len(SQUARES)):
            row, column = SQUARE_CELLS[i]
            worlds.boards[b, REWARD, row, column] = SQUARES[order[i]]
        draw_apples(worlds, b, generators[b], num_apple_rewards)


class VisualMatchVector(ThreePhaseVector):
    """B Visual Matches. Options and rules are on the pages of `VisualMatchPassive` and `VisualMatchActive`."""

    active: bool

    def __init__(
        self, num_envs: int = 1, delay: int = 90, apple_reward: float | None = None, render_mode: str | None = None
    ):
        super().__init__(num_envs, make_visual_match_layout(delay, apple_reward), render_mode)

    def _begin(self, which: np.ndarray) -> None:
        boards, walls, starts = EXPLORE_OF[self.active]
        num_apple_rewards = len(self._apple_rewards)
        _begin(self._worlds, self._generators, which, boards, walls, starts, REWARD_START, num_apple_rewards)


class VisualMatchPassiveVector(VisualMatchVector):
    """B environments `Reinstate/VisualMatchPassive-v0`."""

    active = False


class VisualMatchActiveVector(VisualMatchVector):
    """B environments `Reinstate/VisualMatchActive-v0`."""

    active = True
