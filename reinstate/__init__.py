"""Reinforcement learning across thousands of steps: an episodic memory whose gradients are recalculated.

Importing this package registers the environments, so `gymnasium.make("reinstate:Reinstate/KeyToDoor-v0")` works.

>>> import gymnasium, reinstate
>>> env = gymnasium.make("Reinstate/TMazePassive-v0", length=10)
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import reinstate.envs  # noqa: F401  registers the environments

if TYPE_CHECKING:
    from reinstate.envs.adapt import make_vec
    from reinstate.experiment.api import train
    from reinstate.experiment.errors import UserError
    from reinstate.experiment.evaluation import evaluate
    from reinstate.experiment.trained import load_agent

__all__ = ["UserError", "__version__", "evaluate", "load_agent", "make_vec", "train"]

try:
    __version__ = version("reinstate")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0+unknown"

_HOME = {  # imported on use: torch and numba take seconds
    "UserError": "reinstate.experiment.errors",
    "evaluate": "reinstate.experiment.evaluation",
    "load_agent": "reinstate.experiment.trained",
    "make_vec": "reinstate.envs.adapt",
    "train": "reinstate.experiment.api",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
