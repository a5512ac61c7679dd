"""Seeds for many environments that share no streams."""

from __future__ import annotations

import numpy as np

from reinstate.envs.checks import check_choice

STREAMS = ("training", "evaluation")


def spawn_seeds(seed: int, n: int, stream: str) -> list[int]:
    """n seeds for the environments of one run.

    Gymnasium seeds environment i of a batch with s + i, so that runs with s = 0 and s = 1 would share all
    streams but one. Spawning spreads them out instead.

    Args:
        seed: the run's seed, an integer >= 0.
        n: number of environments. A longer list begins with the shorter one.
        stream: "training" or "evaluation". No seed occurs in both, whatever the runs: training seeds are
            even, evaluation seeds odd.

    Returns:
        n integers below 2**32, which older environments that seed numpy's global generator accept as well.

    >>> spawn_seeds(0, 2, "training") == spawn_seeds(0, 3, "training")[:2]
    True
    """
    check_choice("stream", stream, STREAMS)
    index = STREAMS.index(stream)
    words = np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(n, np.uint32)
    return [int(word) & ~1 | index for word in words]
