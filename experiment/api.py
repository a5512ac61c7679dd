"""Training from Python: `reinstate.train(env, slots=16, ...)` is the command `reinstate train`."""

from __future__ import annotations

import dataclasses
import numbers
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from reinstate.agents.options import LearningOptions
from reinstate.envs.naming import suggest
from reinstate.experiment import training
from reinstate.experiment.errors import UserError
from reinstate.experiment.options import GROUPS, RunOptions, flag_of, pairs_of
from reinstate.memory.options import MemoryOptions

PARTS = (RunOptions, MemoryOptions, LearningOptions)


def train(env: str, **options: object) -> Path:
    """Trains an agent, as the command `reinstate train` does, and prints what that prints.

    Args:
        env: the environment's id.
        **options: those of `reinstate train --help`, with underscores: num_envs=64, slots=16. `env_kwargs` is a dict
            or a list of "name=value".

    Returns:
        The run folder.

    Raises:
        UserError: an option is unknown, or options make no sense.
        FloatingPointError: learning broke down; the run folder has the parameters before that.
        KeyboardInterrupt: Ctrl-C; the run folder has what was learnt until then.
    """
    run = run_options({"env": env, **options})
    return training.train(run, command_of(run))


def run_options(values: Mapping[str, Any]) -> RunOptions:
    """Options from their names and values; raises UserError for unknown names and for values of a wrong type."""
    hints = {name: hint for part in PARTS for name, hint in get_type_hints(part).items() if name not in GROUPS}
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            raise UserError(f"there is no option {name!r}.{suggest(name, hints)}")
        checked[name] = pairs_of(value) if name == "env_kwargs" else converted(name, value, hints[name])

    def of(part: type) -> dict[str, Any]:
        return {f.name: checked[f.name] for f in dataclasses.fields(part) if f.name in checked}

    return RunOptions(
        **of(RunOptions), memory=MemoryOptions(**of(MemoryOptions)), learning=LearningOptions(**of(LearningOptions))
    )


def converted(name: str, value: object, hint: object) -> object:
    """`value` as a plain value of the type `hint`; raises UserError where it is of another type."""
    allowed = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for one in allowed:
        if get_origin(one) is Literal and value in get_args(one):
            return value
        if value is None and one is types.NoneType or isinstance(value, bool) and one is bool:
            return value
        if isinstance(value, (str, os.PathLike)) and one is str:
            return os.fspath(value)
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            if one is float:
                return float(value)
            if one is int and isinstance(value, numbers.Integral):
                return int(value)
    raise UserError(f"{flag_of(name)} is {value!r}; it must be {' or '.join(words(one) for one in allowed)}")


def words(hint: object) -> str:
    """A type in words."""
    names: dict[object, str] = {bool: "True or False", int: "a whole number", float: "a number", str: "a string"}
    return " or ".join(get_args(hint)) if get_origin(hint) is Literal else names.get(hint, "None")


def command_of(options: RunOptions) -> list[str]:
    """The words of the command `reinstate train` with these options; defaults are left out."""
    command = ["reinstate", "train"]
    for name, value in options.changed().items():
        flag = flag_of(name)
        if isinstance(value, bool):
            command.append(flag if value else flag.replace("--", "--no-", 1))
        else:
            command += [flag, *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return command
