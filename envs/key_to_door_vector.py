"""The batched Key-to-Door: the same task as `key_to_door.py`, step for step."""

from __future__ import annotations

import numpy as np

from envs.key_to_door_layout import draw_key_to_door, make_key_to_door_layout
from envs.three_phases import Episode
from envs.three_phases_vector import ThreePhaseVector


class KeyToDoorVector(ThreePhaseVector):
    """B environments `Reinstate/KeyToDoor-v0`. Options and rules are on the page of `KeyToDoor`."""

    def __init__(
        self,
        num_envs: int = 1,
        delay: int = 90,
        apple_reward: float | None = None,
        preset: str = "tvt",
        render_mode: str | None = None,
    ):
        super().__init__(num_envs, make_key_to_door_layout(delay, apple_reward, preset), render_mode)

    def _draw(self, rng: np.random.Generator) -> Episode:
        return draw_key_to_door(rng, self.layout)
