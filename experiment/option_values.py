"""One option by itself: its number in words or JSON, its type and its range."""

from __future__ import annotations

import math
import numbers
import os
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from reinstate.experiment.errors import UserError

LARGEST = 2**63 - 1  # of a whole number
RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {  # what must hold: the test, and the options
    "at least 1": (
        lambda value: value >= 1,
        "num_envs total_timesteps episodes eval_episodes eval_max_steps slots recalculated_codes codec_frames "
        "codec_updates rollout_steps epochs replay_batch replay_size keep_checkpoints jobs",
    ),
    "from 1 to 1024": (lambda value: 1 <= value <= 1024, "torch_threads embedding_width heads"),
    "from 1 to 2048": (lambda value: 1 <= value <= 2048, "code_bits"),
    "at least 2, as one may still be open": (lambda value: value >= 2, "rollout_decisions"),
    "between 0 and 1": (lambda value: 0 <= value <= 1, "gae_lambda critic_lambda min_fidelity stop_at_success"),
    "0 or more": (
        lambda value: value >= 0,
        "seed stagger_steps eval_every save_every save_minutes imitation_coef novelty_bonus final_learning_rate "
        "ent_coef final_ent_coef vf_coef",
    ),
    "greater than 0": (lambda value: value > 0, "target_step learning_rate horizon clip_coef max_grad_norm"),
}
WHOLE_NUMBERS = ConstructorRegistry()  # `with WHOLE_NUMBERS: tyro.cli(...)` takes 1e6 for an integer


def flag_of(name: str) -> str:
    """The option of the command line that sets a field.

    >>> flag_of("num_envs")
    '--num-envs'
    """
    return "--" + name.replace("_", "-")


def whole_number(text: str) -> int:
    """An integer, also one that is written as a float; raises ValueError for anything else.

    >>> whole_number("1e6"), whole_number("1_000"), whole_number("-3.0")
    (1000000, 1000, -3)
    """
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise ValueError(f"{text!r} is not a whole number")
    return int(number)


@WHOLE_NUMBERS.primitive_rule
def _whole_number_rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[int] | None:
    if info.type is not int:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda words: whole_number(words[0]),
        is_instance=lambda value: isinstance(value, int) and not isinstance(value, bool),
        str_from_instance=lambda value: [str(value)],
    )


def converted(name: str, value: object, hint: object) -> object:
    """`value` as a plain value of the type `hint`; raises UserError where it is of another type."""
    allowed = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for one in allowed:
        if get_origin(one) is Literal and isinstance(value, str) and value in get_args(one):
            return value
        if value is None and one is types.NoneType or isinstance(value, bool) and one is bool:
            return value
        if isinstance(value, (str, os.PathLike)) and one is str:
            return os.fspath(value)
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            if one is int and isinstance(value, numbers.Integral):
                return int(value)
            as_float = to_float(value)
            if one is float:
                return as_float
            if one is int and as_float.is_integer():
                return int(as_float)
    raise UserError(f"{flag_of(name)} is {shown(value)}; it must be {' or '.join(words(one) for one in allowed)}")


def to_float(value: numbers.Real) -> float:
    """A number as a float; infinite where it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def shown(value: object) -> str:
    """A value, shortened so that a message stays one sentence."""
    text = repr(value).replace("\n", " ") if not isinstance(value, int) or abs(value) <= LARGEST else "a huge number"
    return text if len(text) <= 60 else text[:57] + "..."


def words(hint: object) -> str:
    """A type in words."""
    names: dict[object, str] = {bool: "True or False", int: "a whole number", float: "a number", str: "a string"}
    return " or ".join(get_args(hint)) if get_origin(hint) is Literal else names.get(hint, "None")


def check_ranges(values: dict[str, Any]) -> None:
    """Raises UserError where a value is out of its range."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{flag_of(name)} is {value}; it must be a finite number")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise UserError(f"{flag_of(name)} is {shown(value)}; it must be less than 2^63")
        if isinstance(value, str) and (not value or "\0" in value):
            wanted = "have no zero byte" if value else "not be empty"
            raise UserError(f"{flag_of(name)} is {shown(value)}; it must {wanted}")
    for wanted, (is_so, names) in RANGES.items():
        for name in names.split():
            if values.get(name) is not None and not is_so(values[name]):
                raise UserError(f"{flag_of(name)} is {values[name]}; it must be {wanted}")
