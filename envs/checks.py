"""Checks of the options that environments take: a wrong one is a ValueError that says what to pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def check_integer(name: str, value: int, low: int) -> None:
    """Raise ValueError unless value is an integer (not a bool) of at least low."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise ValueError(f"{name}={value!r} is not possible: pass an integer of at least {low}.")


def check_bool(name: str, value: bool) -> None:
    """Raise ValueError unless value is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={value!r} is not possible: pass True or False.")


def is_finite_number(value: Any) -> bool:
    """Whether value is an integer or a float (not a bool), and neither infinite nor NaN."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def check_choice(name: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    """Raise ValueError unless value is one of choices."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} is unknown: choose one of {', '.join(map(repr, choices))}.")


def check_view_size(view: int) -> None:
    """Raise ValueError unless view is a number of cells that MiniGrid can see to a side: odd, at least 3."""
    check_integer("agent_view_size", view, low=3)
    if view % 2 == 0:
        raise ValueError(f"agent_view_size={view} is not possible: pass an odd integer.")
