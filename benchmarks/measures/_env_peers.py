"""Steps a second of one peer: `python _env_peers.py {envpool,xland-minigrid} ID BATCH SECONDS`.

`env_speed.py` runs this file with the Python of `.venv-peers`, which has `envpool` and `xminigrid` installed and
nothing of this repository. Tried with envpool 1.2.5 and xminigrid 0.9.3 (jax 0.10) on Python 3.11.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

# xland-minigrid has its own sizes of Memory; the nearest stands in.
XLAND_IDS = {"MiniGrid-MemoryS13-v0": "MiniGrid-MemoryS16", "MiniGrid-DoorKey-8x8-v0": "MiniGrid-DoorKey-8x8"}
WINDOWS = 5


def one_core() -> None:
    """Keep this process and its threads to one core, so that all are measured on the same."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def steps_a_second(step: Callable[[np.ndarray], Any], num_envs: int, num_actions: int, seconds: float) -> float:
    """How many environment steps `step` makes in a second of random actions: the best of 5 shares of the time.

    Other work on the machine can only slow a share down.
    """
    actions = np.random.default_rng(0).integers(num_actions, size=(1009, num_envs))
    best, batches = 0.0, 0
    for _ in range(WINDOWS):
        started, before = time.perf_counter(), batches
        while time.perf_counter() - started < seconds / WINDOWS:
            step(actions[batches % len(actions)])
            batches += 1
        best = max(best, (batches - before) * num_envs / (time.perf_counter() - started))
    return best


def envpool_speed(env_id: str, num_envs: int, seconds: float) -> float:
    """EnvPool with one thread for the environments."""
    import envpool

    envs = envpool.make(env_id, env_type="gymnasium", num_envs=num_envs, num_threads=1, seed=0)
    envs.reset()
    return steps_a_second(envs.step, num_envs, int(envs.action_space.n), seconds)


def xland_speed(env_id: str, num_envs: int, seconds: float) -> float:
    """xland-minigrid, jitted and with its autoreset, called once a step; compiled before the clock starts."""
    import jax
    import xminigrid
    from xminigrid.wrappers import GymAutoResetWrapper

    env, params = xminigrid.make(XLAND_IDS[env_id])
    env = GymAutoResetWrapper(env)
    reset = jax.jit(jax.vmap(env.reset, in_axes=(None, 0)))
    step_all = jax.jit(jax.vmap(env.step, in_axes=(None, 0, 0)))
    now = reset(params, jax.random.split(jax.random.key(0), num_envs))

    def step(actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal now
        now = step_all(params, now, actions.astype(np.int32))
        return np.asarray(now.observation), np.asarray(now.reward)

    step(np.zeros(num_envs))
    return steps_a_second(step, num_envs, int(env.num_actions(params)), seconds)


PEERS = {"envpool": envpool_speed, "xland-minigrid": xland_speed}

if __name__ == "__main__":
    one_core()
    print(PEERS[sys.argv[1]](sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
