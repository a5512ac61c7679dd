"""Environment steps a second on one core.

Random actions, drawn beforehand; autoresets count as part of the steps. Ours is the batch of 256 environments, or of 1.
The first peer of an id is the same environment played one by one in gymnasium's SyncVectorEnv of 16, or of 1:
minigrid's own class, or this package's single one where the task is ours. Beside MiniGrid's symbolic ids, EnvPool and
xland-minigrid play as many environments as ours, where `.venv-peers` has them (`python -m venv .venv-peers`, then
`.venv-peers/bin/pip install envpool xminigrid`): this package's pins need not fit theirs. All are timed in the same run
on the same core, case by case, as absolute figures drift with the machine; a figure is the best of five shares of its
time.

The last columns are the seconds to make a batch, reset it and step once in a new process: with nothing compiled, and
with what the process before it compiled.

The rows in the repository were made with EnvPool 1.2.5 and xminigrid 0.9.3 on one core of a two-core virtual machine
with nothing else running. xland-minigrid has no MemoryS13 and plays its MemoryS16, and DoorKey-8x8.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from benchmarks.measures._env_peers import PEERS, XLAND_IDS, one_core, steps_a_second
from benchmarks.rows import ROOT, Row, markdown
from reinstate.envs.adapt import make_single, make_vector

OURS, ONE_BY_ONE = 256, 16  # environments in a batch
SECONDS = 5.0  # that are timed, for each figure of each case
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    env_id: str
    options: dict[str, Any] = field(default_factory=dict)
    num_envs: int = OURS
    copy: bool = True  # fresh arrays on every step, as by default


# One of each family; tasks of one family share their code.
CASES = {
    case.name: case
    for case in (
        Case("MemoryS13, symbolic", "MiniGrid-MemoryS13-v0"),
        Case("MemoryS13, pixels 56x56x3", "MiniGrid-MemoryS13-v0", {"observation": "pixels"}),
        Case("DoorKey-8x8, symbolic", "MiniGrid-DoorKey-8x8-v0"),
        Case("TMazePassive, length 1000", "Reinstate/TMazePassive-v0", {"length": 1000}),
        Case("GridTMazePassive, length 1000", "Reinstate/GridTMazePassive-v0", {"length": 1000}),
        Case("GridTMazeEndless, length 20", "Reinstate/GridTMazeEndless-v0"),
        Case("KeyToDoor, delay 1000", "Reinstate/KeyToDoor-v0", {"delay": 1000}),
        Case("VisualMatchActive, delay 1000", "Reinstate/VisualMatchActive-v0", {"delay": 1000}),
        Case("MemoryChain, length 100", "Reinstate/MemoryChain-v0"),
        Case("UmbrellaChain, length 100", "Reinstate/UmbrellaChain-v0"),
        Case("MemoryS13, symbolic, reused arrays", "MiniGrid-MemoryS13-v0", copy=False),
        Case("MemoryS13, symbolic, 1 environment", "MiniGrid-MemoryS13-v0", num_envs=1),
        Case("MemoryS13, symbolic, 1 environment, reused arrays", "MiniGrid-MemoryS13-v0", num_envs=1, copy=False),
    )
}


def cells(known: list[Row]) -> Iterable[Row]:
    return [{"environment": name} for name in CASES]


def rows(cell: Row) -> Iterator[Row]:
    """One: {batch, steps_per_second, peers: {name: steps a second, or why there is no figure}, cold, warm}."""
    one_core()
    case = CASES[cell["environment"]]
    python = PEERS_PYTHON if PEERS_PYTHON.exists() else Path(sys.executable)
    peers = {"SyncVectorEnv": one_by_one(case, SECONDS)} | {name: peer(name, case, SECONDS, python) for name in PEERS}
    speed = {"batch": case.num_envs, "steps_per_second": ours(case, SECONDS), "peers": peers}
    yield cell | speed | dict(zip(("cold", "warm"), cold_and_warm(case), strict=True))


def table(rows: list[Row]) -> str:
    lines, names = [], ("SyncVectorEnv", *PEERS)
    for r in rows:
        speed = r["steps_per_second"]
        cells = [r["environment"], str(r["batch"]), f"{speed:,.0f}"]
        for other in (r["peers"][name] for name in names):
            cells += [other, "-"] if isinstance(other, str) else [f"{other:,.0f}", f"{speed / other:.1f}"]
        lines.append([*cells, f"{r['cold']:.1f}", f"{r['warm']:.1f}"])
    peers = [head for name in names for head in (name, "ratio")]
    return markdown(["environment", "batch", "steps/s", *peers, "first step, cold (s)", "warm (s)"], lines)


def begin(case: Case) -> tuple[Any, float]:
    """The batch of a case after its first step, and the seconds until then: it compiles, or loads from the cache."""
    started = time.perf_counter()
    envs: Any = make_vector(case.env_id, case.num_envs, case.options)
    envs.copy = case.copy
    envs.reset(seed=0)
    envs.step(np.zeros(envs.num_envs, dtype=np.int64))
    return envs, time.perf_counter() - started


def cold_and_warm(case: Case) -> list[float]:
    """Seconds of `begin` in two new processes, of which the first finds nothing compiled."""
    code = f"from benchmarks.measures.env_speed import *; print(begin(CASES[{case.name!r}])[1])"
    with tempfile.TemporaryDirectory() as folder:
        command = partial(subprocess.run, [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        return [float(command(env=environment, text=True).stdout) for _ in range(2)]


def ours(case: Case, seconds: float) -> float:
    """Steps a second of the batch."""
    envs, _ = begin(case)
    return steps_a_second(envs.step, case.num_envs, envs.single_action_space.n, seconds)


def one_by_one(case: Case, seconds: float) -> float:
    """Steps a second of the same environment in gymnasium's SyncVectorEnv."""
    num_envs = min(ONE_BY_ONE, case.num_envs)
    make = partial(make_single, case.env_id, case.options)
    envs: Any = SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    speed = steps_a_second(envs.step, num_envs, envs.single_action_space.n, seconds)
    envs.close()
    return speed


def peer(name: str, case: Case, seconds: float, python: Path) -> float | str:
    """Steps a second of another package, or why there is no figure."""
    if case.env_id not in XLAND_IDS or case.options:
        return "-"
    script = Path(__file__).with_name("_env_peers.py")
    command = [str(word) for word in (python, script, name, case.env_id, case.num_envs, seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return float(done.stdout)
    if "ModuleNotFoundError" in done.stderr:
        return "not installed"
    raise RuntimeError(f"{name} failed:\n{done.stderr}")
