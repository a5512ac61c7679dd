"""The memory of a batch does not grow with the number of steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reinstate.envs.adapt import make_vector
from tests.envs.maze_play import EVERY_FAMILY, sized, slow_unless

STATM = Path("/proc/self/statm")
PAGE = 4096
ENVIRONMENTS = [
    *slow_unless(EVERY_FAMILY, lambda env_id: (env_id, sized(env_id, 3))),
    ("MiniGrid-MemoryS7-v0", {"max_steps": 30}),
    ("MiniGrid-DoorKey-5x5-v0", {"max_steps": 30, "observation": "pixels"}),
]


@pytest.mark.skipif(not STATM.exists(), reason="reads the resident memory from Linux's /proc")
@pytest.mark.parametrize("env_id, options", ENVIRONMENTS)
def test_memory_is_flat(env_id: str, options: dict) -> None:
    """4,000 more steps with many autoresets take less than 75 bytes each: no array fits into that."""
    env = make_vector(env_id, 16, options)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(env.single_action_space.n, size=(1000, 16))

    def play(rounds: int) -> int:
        """Resident bytes after so many thousand steps."""
        for _ in range(rounds):
            for row in actions:
                env.step(row)
        return int(STATM.read_text().split()[1]) * PAGE

    start = play(1)
    assert play(4) - start < 4_000 * 75
