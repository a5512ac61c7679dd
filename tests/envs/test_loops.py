"""The compiled loops: one for each set of rules, found again in the cache, compiled anew when a source has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from reinstate.envs.engine.loops import allocating_rule, loops_of, rule


class Counters(NamedTuple):
    """The state of B counters."""

    count: np.ndarray  # [B]


class Nothing(NamedTuple):
    """A layout."""

    unused: int


def counting_by(number: int) -> Callable[..., Any]:
    @rule
    def step_one(state: Counters, layout: Nothing, generator: np.ndarray, b: int, action: int) -> Any:
        state.count[b] += number
        return float(action), state.count[b] > 5, False

    return step_one


@rule
def reset_one(state: Counters, layout: Nothing, generator: np.ndarray, b: int) -> None:
    state.count[b] = 0


@allocating_rule
def _zeros(out: np.ndarray) -> None:
    out[:] = np.zeros(len(out))


@rule
def observe_one(state: Counters, layout: Nothing, b: int, out: np.ndarray) -> None:
    _zeros(out)
    out[0] = state.count[b]


def test_rules_of_one_function_with_other_constants_have_loops_of_their_own() -> None:
    """numba's cache knows a function by its name and its code: the names must differ."""
    loops = {number: loops_of(reset_one, counting_by(number), observe_one) for number in (2, 3)}
    assert len({loop.step.py_func.__qualname__ for loop in loops.values()}) == 2
    assert loops[2].observe is loops[3].observe, "what is the same is compiled once"
    for number, loop in loops.items():
        state, layout, generators = Counters(np.zeros(2, dtype=np.int64)), Nothing(0), np.zeros((2, 6), dtype=np.uint64)
        rewards, flags, out = np.zeros(2), np.zeros((2, 2), dtype=bool), np.ones((2, 3), dtype=np.float32)
        arguments = (rewards, flags[0], flags[1], out)
        assert loop.step(state, layout, generators, 2, np.array([0, 1]), *arguments) == (-1, False)
        assert state.count.tolist() == [number] * 2 and rewards.tolist() == [0, 1]
        assert out.tolist() == [[number, 0, 0]] * 2
        assert loop.step(state, layout, generators, 2, np.array([0, 2]), *arguments) == (1, False), "no action 2"
        assert loop.step(state, layout, generators, 2, np.array([-1, 0]), *arguments) == (0, False)
        assert state.count.tolist() == [number] * 2, "a wrong action changes nothing"
        assert loop.step(state, layout, generators, 2, np.array([0, 0]), *arguments) == (-1, number == 3)
        loop.reset(state, layout, generators, np.array([1]))
        assert state.count.tolist() == [2 * number, 0]


CODE = """
from reinstate.envs.engine import loops
if CHANGED:
    loops._digest_of_sources = lambda: "another"
from reinstate.envs.tmaze import TMazeVector
env = TMazeVector(2)
env.reset(seed=0)
env.step([0, 0])
print(len(env.loops.step.stats.cache_hits), len(env.loops.step.stats.cache_misses))
"""


@pytest.mark.slow
def test_the_cache_is_found_again_until_a_source_changes(tmp_path: Path) -> None:
    def hits_and_misses(changed: bool) -> str:
        command = [sys.executable, "-c", CODE.replace("CHANGED", str(changed))]
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()

    assert [hits_and_misses(changed) for changed in (False, False, True, True)] == ["0 1", "1 0", "0 1", "1 0"]
