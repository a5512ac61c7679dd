"""The numbers in the code of agents and memory that no option sets, so that a run folder records them too."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor

import reinstate.agents
import reinstate.memory


def constants() -> dict[str, Any]:
    """The numbers, and bundles of numbers, that modules name in upper case: module.NAME and JSON values."""
    found: dict[str, Any] = {}
    for package in (reinstate.agents, reinstate.memory):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            values = {name: as_json(getattr(module, name)) for name in names_set_in(module)}
            path = info.name.removeprefix("reinstate.")
            found |= {f"{path}.{name}": value for name, value in values.items() if value is not None}
    return found


@functools.cache  # sources do not change while a process runs
def names_set_in(module: ModuleType) -> tuple[str, ...]:
    """The upper-case names that a module sets itself, without those that it imports."""
    targets: list[ast.expr] = []
    for line in ast.parse(inspect.getsource(module)).body:
        if isinstance(line, ast.Assign):
            targets += line.targets
        elif isinstance(line, ast.AnnAssign):
            targets.append(line.target)
    return tuple(target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper())


def as_json(value: object) -> Any:
    """A number, or a list of numbers; None for anything else."""
    if isinstance(value, (Tensor, np.ndarray, np.number)):
        return value.tolist()
    if isinstance(value, tuple):
        parts = [as_json(part) for part in value]
        return None if None in parts else parts
    return value if isinstance(value, (int, float)) else None
