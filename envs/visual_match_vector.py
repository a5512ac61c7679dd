"""The batched Visual Match: the same task as `visual_match.py`, step for step."""

from __future__ import annotations

import numpy as np

from envs.three_phases import Episode
from envs.three_phases_vector import ThreePhaseVector
from envs.visual_match_layout import draw_visual_match, make_visual_match_layout


class VisualMatchVector(ThreePhaseVector):
    """B Visual Matches. Options and rules are on the pages of `VisualMatchPassive` and `VisualMatchActive`."""

    active: bool

    def __init__(
        self, num_envs: int = 1, delay: int = 90, apple_reward: float | None = None, render_mode: str | None = None
    ):
        super().__init__(num_envs, make_visual_match_layout(delay, apple_reward), render_mode)

    def _draw(self, rng: np.random.Generator) -> Episode:
        return draw_visual_match(rng, self.layout, self.active)


class VisualMatchPassiveVector(VisualMatchVector):
    """B environments `Reinstate/VisualMatchPassive-v0`."""

    active = False


class VisualMatchActiveVector(VisualMatchVector):
    """B environments `Reinstate/VisualMatchActive-v0`."""

    active = True
