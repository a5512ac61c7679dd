"""Environment steps a second on one core: `python benchmarks/env_speed.py`.

Random actions, drawn beforehand; autoresets count as part of the steps. Ours is the batch of 256 environments (of 1 in
the last row). The peer of an id is the same environment played one by one in gymnasium's SyncVectorEnv of 16 (of 1 in
the last row): minigrid's own class, or this package's single one where the task is ours. EnvPool plays MiniGrid's
symbolic ids on one thread where it is installed. All are timed in the same run, row by row, as absolute figures drift
with the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import tyro
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from envs.adapt import make_single, make_vector

OURS, PEERS = 256, 16  # environments in a batch


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    env_id: str
    options: dict[str, Any] = field(default_factory=dict)
    num_envs: int = OURS


ROWS = (
    Row("MemoryS13, symbolic", "MiniGrid-MemoryS13-v0"),
    Row("MemoryS13, pixels 56x56x3", "MiniGrid-MemoryS13-v0", {"observation": "pixels"}),
    Row("DoorKey-8x8, symbolic", "MiniGrid-DoorKey-8x8-v0"),
    Row("KeyToDoor, delay 1000", "Reinstate/KeyToDoor-v0", {"delay": 1000}),
    Row("GridTMazePassive, length 1000", "Reinstate/GridTMazePassive-v0", {"length": 1000}),
    Row("MemoryS13, symbolic, 1 environment", "MiniGrid-MemoryS13-v0", num_envs=1),
)


@dataclass(frozen=True)
class Speed:
    """Environment speed beside peers."""

    seconds: float = 5.0
    """Seconds that are timed, for each figure of each row."""
    rows: tuple[int, ...] = tuple(range(len(ROWS)))
    """Rows of the table, by number from 0."""


def first_call(envs: Any) -> float:
    """Seconds of the first reset and step: a batch of ours compiles here, or loads what an earlier run compiled."""
    started = time.perf_counter()
    envs.reset(seed=0)
    envs.step(np.zeros(envs.num_envs, dtype=np.int64))
    return time.perf_counter() - started


def steps_a_second(step: Callable[[np.ndarray], Any], num_envs: int, num_actions: int, seconds: float) -> float:
    """How many environment steps `step` makes in a second of random actions."""
    actions = np.random.default_rng(0).integers(num_actions, size=(1009, num_envs))
    started, batches = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        step(actions[batches % len(actions)])
        batches += 1
    return batches * num_envs / (time.perf_counter() - started)


def ours(row: Row, seconds: float) -> tuple[float, float]:
    """Steps a second of the batch, and the seconds of its first call."""
    envs = make_vector(row.env_id, row.num_envs, row.options)
    first = first_call(envs)
    return steps_a_second(envs.step, row.num_envs, envs.single_action_space.n, seconds), first


def peer(row: Row, seconds: float) -> float:
    """Steps a second of the same environment, one by one in gymnasium's SyncVectorEnv."""
    num_envs = min(PEERS, row.num_envs)
    make = partial(make_single, row.env_id, row.options)
    envs = SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    first_call(envs)
    speed = steps_a_second(envs.step, num_envs, envs.single_action_space.n, seconds)
    envs.close()
    return speed


def envpool_speed(row: Row, seconds: float) -> float | str:
    """Steps a second of EnvPool's MiniGrid on one thread, or why there is no figure."""
    if not row.env_id.startswith("MiniGrid-") or row.options:
        return "-"
    try:
        import envpool
    except ImportError:
        return "not installed"
    if row.env_id not in envpool.list_all_envs():
        return "-"
    envs = envpool.make(row.env_id, env_type="gymnasium", num_envs=row.num_envs, num_threads=1, seed=0)
    envs.reset()
    return steps_a_second(envs.step, row.num_envs, int(envs.action_space.n), seconds)


def table_line(row: Row, speed: float, other: float, pool: float | str) -> str:
    """A line of the Markdown table."""
    pool_cells = [pool, "-"] if isinstance(pool, str) else [f"{pool:,.0f}", f"{speed / pool:.2f}"]
    cells = [row.name, str(row.num_envs), f"{speed:,.0f}", f"{other:,.0f}", f"{speed / other:.1f}", *pool_cells]
    return f"| {' | '.join(cells)} |"


def main(options: Speed) -> None:
    lines = []
    for row in (ROWS[number] for number in options.rows):
        speed, first = ours(row, options.seconds)
        print(f"{row.name}: first reset and step {first:.2f} s", flush=True)
        lines.append(table_line(row, speed, peer(row, options.seconds), envpool_speed(row, options.seconds)))
    print("\n| environment | batch | steps/s | SyncVectorEnv steps/s | ratio | EnvPool steps/s | ratio |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main(tyro.cli(Speed))
