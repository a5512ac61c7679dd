"""Compiled loops that play the rules of one family in every environment of a batch.

A family of environments writes three rules, each under the decorator `rule` and each for one environment `b` of a
batch. What changes during an episode is `state`, a NamedTuple of arrays [B, ...]. What the options decide is
`layout`, a NamedTuple of numbers and arrays. The three functions below say what the rules take and return; `loops_of`
puts a family's own in their place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba.core.dispatcher import Dispatcher

from reinstate.compiled import njit

Function = TypeVar("Function", bound=Callable[..., Any])
_jit: Any = njit  # its type knows nothing of _nrt, which tells whether references to arrays are counted


def rule(function: Function) -> Function:
    """Compiles a rule, or a part of one, that makes no arrays.

    Left to itself, the compiler calls a rule of more than a few lines, and counts the references to each array of
    `state` around the call: both take longer than the rule.
    """
    return cast(Function, _jit(forceinline=True, _nrt=False)(function))


def allocating_rule(function: Function) -> Function:
    """Compiles a part of a rule that makes arrays, and returns none."""
    return cast(Function, _jit(_nrt=True)(function))


def reset_one(state: Any, layout: Any, generator: np.ndarray, b: int) -> None:
    """Start an episode in environment b; all that is random is drawn from `generator` [6] (`pcg64`)."""


def step_one(state: Any, layout: Any, generator: np.ndarray, b: int, action: int) -> tuple[float, bool, bool]:
    """Play one action in environment b: reward, terminated, truncated."""
    return 0.0, False, False


def observe_one(state: Any, layout: Any, b: int, out: np.ndarray) -> None:
    """Write the observation of environment b into `out`, which has the shape of one observation."""


def _reset(state: Any, layout: Any, generators: np.ndarray, which: np.ndarray) -> None:
    """Start episodes in the environments `which` [N]."""
    for b in which:
        reset_one(state, layout, generators[b], b)


def _observe(state: Any, layout: Any, which: np.ndarray, out: np.ndarray) -> None:
    """Write the observations of the environments `which` [N] into the same rows of `out` [B, ...]."""
    for b in which:
        observe_one(state, layout, b, out[b])


def _step(
    state: Any,
    layout: Any,
    generators: np.ndarray,  # [B, 6]
    num_actions: int,
    actions: np.ndarray,  # [B]
    rewards: np.ndarray,  # [B] float64, out
    terminated: np.ndarray,  # [B] bool, out
    truncated: np.ndarray,  # [B] bool, out
    out: np.ndarray,  # [B, ...] observations, out
) -> tuple[int, bool]:
    """Step and observe every environment, in one call: entering compiled code takes as long as a step.

    Returns:
        The first b whose action is not in 0..num_actions - 1, or -1; if there is one, nothing has changed. Then
        whether any episode ended.
    """
    for b in range(len(actions)):
        if actions[b] < 0 or actions[b] >= num_actions:
            return b, False
    any_ended = False
    for b in range(len(actions)):
        rewards[b], terminated[b], truncated[b] = step_one(state, layout, generators[b], b, actions[b])
        any_ended |= terminated[b] or truncated[b]
        observe_one(state, layout, b, out[b])
    return -1, any_ended


class Loops(NamedTuple):
    """The loops of one family, compiled."""

    reset: Callable[..., None]
    step: Callable[..., tuple[int, bool]]
    observe: Callable[..., None]


def loops_of(reset: Callable[..., None], step: Callable[..., Any], observe: Callable[..., None]) -> Loops:
    """The compiled loops that play these rules, which stand for `reset_one`, `step_one` and `observe_one` above."""
    return Loops(
        _compile(_reset, reset_one=reset),
        _compile(_step, step_one=step, observe_one=observe),
        _compile(_observe, observe_one=observe),
    )


@cache
def _compile(loop: FunctionType, **rules: Any) -> Any:
    """The loop with these rules in place of the functions above, compiled and cached beside the file of its first rule.

    A closure over the rules would do the same, but numba does not find it in its cache again.
    """
    family = sys.modules[next(iter(rules.values())).py_func.__module__]
    code = loop.__code__.replace(co_filename=str(family.__file__))
    copy = FunctionType(code, {**rules, "__name__": family.__name__}, loop.__name__)
    copy.__qualname__ = "-".join([loop.__name__, *map(_name, rules.values())])
    compiled = _jit(cache=True, _nrt=False)(copy)
    # By itself numba compiles anew what has changed in that one file, but rules call functions of others.
    compiled._cache._cache_file._source_stamp = compiled._cache._cache_file._source_stamp, _digest_of_sources()
    return compiled


@cache
def _digest_of_sources() -> str:
    """A hash of all files of this package."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _name(value: Any) -> str:
    """A name that tells a rule from those that the same function made with other constants."""
    if not isinstance(value, Dispatcher):
        return str(value)
    cells = value.py_func.__closure__ or ()
    return "_".join([value.py_func.__qualname__, *(_name(cell.cell_contents) for cell in cells)])
