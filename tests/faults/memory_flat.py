"""Whether a training run takes more and more memory.

    python -m tests.faults.memory_flat updates     # 100,000 updates of a small configuration
    python -m tests.faults.memory_flat episode     # one episode of 1,000,000 steps

Prints the resident memory after a tenth and at the end, and exits with 1 where it grew by more than 2 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import os
import sys
from pathlib import Path

import torch

from reinstate.agents.options import LearningOptions
from reinstate.experiment.build import untrained
from reinstate.experiment.metrics import Metrics
from reinstate.experiment.options import RunOptions
from reinstate.experiment.trainer import Trainer
from reinstate.memory.options import MemoryOptions

SMALL = RunOptions(
    num_envs=2,
    total_timesteps=10**9,
    memory=MemoryOptions(slots=4, codec_frames=64, codec_updates=1, code_bits=147),
    learning=LearningOptions(rollout_steps=4, rollout_decisions=4, epochs=1, replay_size=32, replay_batch=2),
)
RUNS = {
    "updates": (dataclasses.replace(SMALL, env="Reinstate/GridTMazePassive-v0", env_kwargs=("length=4",)), 100_000, 0),
    # No step of it ends the episode: the agent cannot reach the goal in this time.
    "episode": (
        dataclasses.replace(
            SMALL,
            env="Reinstate/GridTMazePassive-v0",
            env_kwargs=("length=2000000",),
            num_envs=1,
            learning=dataclasses.replace(SMALL.learning, rollout_steps=256, rollout_decisions=64),
        ),
        0,
        1_000_000,
    ),
}


def resident() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(kind: str, share: float, allowed: float, folder: Path) -> int:
    """Trains; returns the exit code."""
    torch.set_num_threads(1)
    options, updates, steps = RUNS[kind]
    updates, steps = int(updates * share), int(steps * share)
    trainer, metrics = Trainer(options, untrained(options)), Metrics(folder, options.flat())
    metrics.open()
    done, early = 0, 0
    while done < updates or trainer.steps_done < steps:
        log, episodes = trainer.step()
        metrics.note(log)
        metrics.note_episodes(episodes)
        done += 1
        if done % 100 == 0:
            metrics.write(trainer.steps_done)
        if early == 0 and (done >= updates / 10 > 0 or trainer.steps_done >= steps / 10 > 0):
            early = resident()
    metrics.close()
    end = resident()
    print(
        f"{kind}: {done:,} updates, {trainer.steps_done:,} steps, {metrics.episodes:,} episodes: "
        f"{early / 1e6:.1f} MB after a tenth, {end / 1e6:.1f} MB at the end ({end / early - 1:+.2%})"
    )
    return int(end > allowed * early)


if __name__ == "__main__":
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=list(RUNS))
    parser.add_argument("--share", type=float, default=1.0, help="of the updates or steps")
    parser.add_argument("--allowed", type=float, default=1.02, help="the last size as a share of the early one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        sys.exit(main(given.kind, given.share, given.allowed, Path(place)))
