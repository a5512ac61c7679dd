"""Environment steps a second on one core: `python benchmarks/env_speed.py`.

Random actions, drawn beforehand; autoresets count as part of the steps. Ours is the batch of 256 environments, or
of 1. The first peer of an id is the same environment played one by one in gymnasium's SyncVectorEnv of 16, or of 1:
minigrid's own class, or this package's single one where the task is ours. Beside MiniGrid's symbolic ids, EnvPool and
xland-minigrid play as many environments as ours, where `--peers-python` names a Python that has them
(`env_speed_peers.py` says which versions); this package's pins need not fit theirs. All are timed in the same run on
the same core, row by row, as absolute figures drift with the machine; a figure is the best of five shares of its time.

The last columns are the seconds to make a batch, reset it and step once in a new process: with nothing compiled, and
with what the process before it compiled.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from env_speed_peers import PEERS, XLAND_IDS, one_core, steps_a_second
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reinstate.envs.adapt import make_single, make_vector

HERE = Path(__file__).parent
OURS, ONE_BY_ONE = 256, 16  # environments in a batch


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    env_id: str
    options: dict[str, Any] = field(default_factory=dict)
    num_envs: int = OURS
    copy: bool = True  # fresh arrays on every step, as by default


# One of each family; those of one family share their code.
ROWS = (
    Row("MemoryS13, symbolic", "MiniGrid-MemoryS13-v0"),
    Row("MemoryS13, pixels 56x56x3", "MiniGrid-MemoryS13-v0", {"observation": "pixels"}),
    Row("DoorKey-8x8, symbolic", "MiniGrid-DoorKey-8x8-v0"),
    Row("TMazePassive, length 1000", "Reinstate/TMazePassive-v0", {"length": 1000}),
    Row("GridTMazePassive, length 1000", "Reinstate/GridTMazePassive-v0", {"length": 1000}),
    Row("GridTMazeEndless, length 20", "Reinstate/GridTMazeEndless-v0"),
    Row("KeyToDoor, delay 1000", "Reinstate/KeyToDoor-v0", {"delay": 1000}),
    Row("VisualMatchActive, delay 1000", "Reinstate/VisualMatchActive-v0", {"delay": 1000}),
    Row("MemoryChain, length 100", "Reinstate/MemoryChain-v0"),
    Row("UmbrellaChain, length 100", "Reinstate/UmbrellaChain-v0"),
    Row("MemoryS13, symbolic, reused arrays", "MiniGrid-MemoryS13-v0", copy=False),
    Row("MemoryS13, symbolic, 1 environment", "MiniGrid-MemoryS13-v0", num_envs=1),
    Row("MemoryS13, symbolic, 1 environment, reused arrays", "MiniGrid-MemoryS13-v0", num_envs=1, copy=False),
)


@dataclass(frozen=True)
class Speed:
    """Environment speed beside peers."""

    seconds: float = 5.0
    """Seconds that are timed, for each figure of each row."""
    rows: tuple[Literal[*range(len(ROWS))], ...] = tuple(range(len(ROWS)))
    """Rows of the table, by number from 0."""
    peers_python: str = sys.executable
    """The Python that has envpool and xminigrid installed."""


def begin(row: Row) -> tuple[Any, float]:
    """The batch of a row after its first step, and how many seconds that took: it compiles, or loads from the cache."""
    started = time.perf_counter()
    envs = make_vector(row.env_id, row.num_envs, row.options)
    envs.copy = row.copy
    envs.reset(seed=0)
    envs.step(np.zeros(envs.num_envs, dtype=np.int64))
    return envs, time.perf_counter() - started


def cold_and_warm(row: Row) -> list[float]:
    """Seconds of `begin` in two new processes, of which the first finds nothing compiled."""
    code = f"import env_speed; print(env_speed.begin(env_speed.ROWS[{ROWS.index(row)}])[1])"
    with tempfile.TemporaryDirectory() as folder:
        command = partial(subprocess.run, [sys.executable, "-c", code], cwd=HERE, check=True, capture_output=True)
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        return [float(command(env=environment, text=True).stdout) for _ in range(2)]


def ours(row: Row, seconds: float) -> float:
    """Steps a second of the batch."""
    envs, _ = begin(row)
    return steps_a_second(envs.step, row.num_envs, envs.single_action_space.n, seconds)


def one_by_one(row: Row, seconds: float) -> float:
    """Steps a second of the same environment in gymnasium's SyncVectorEnv."""
    num_envs = min(ONE_BY_ONE, row.num_envs)
    make = partial(make_single, row.env_id, row.options)
    envs = SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    speed = steps_a_second(envs.step, num_envs, envs.single_action_space.n, seconds)
    envs.close()
    return speed


def peer(name: str, row: Row, seconds: float, python: str) -> float | str:
    """Steps a second of another package, or why there is no figure."""
    if row.env_id not in XLAND_IDS or row.options:
        return "-"
    command = [python, str(HERE / "env_speed_peers.py"), name, row.env_id, str(row.num_envs), str(seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return float(done.stdout)
    if "ModuleNotFoundError" in done.stderr:
        return "not installed"
    raise RuntimeError(f"{name} failed:\n{done.stderr}")


def table_line(row: Row, speed: float, others: list[float | str], first: list[float]) -> str:
    """A line of the Markdown table."""
    cells = [row.name, str(row.num_envs), f"{speed:,.0f}"]
    for other in others:
        cells += [other, "-"] if isinstance(other, str) else [f"{other:,.0f}", f"{speed / other:.1f}"]
    return f"| {' | '.join(cells + [f'{seconds:.1f}' for seconds in first])} |"


def main(options: Speed) -> None:
    one_core()
    columns = ["environment", "batch", "steps/s"]
    for name in ("SyncVectorEnv", *PEERS):
        columns += [name, "ratio"]
    columns += ["first step, cold (s)", "warm (s)"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in (ROWS[number] for number in options.rows):
        others = [peer(name, row, options.seconds, options.peers_python) for name in PEERS]
        others = [one_by_one(row, options.seconds), *others]
        print(table_line(row, ours(row, options.seconds), others, cold_and_warm(row)), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Speed))
