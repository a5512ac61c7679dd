"""What is said when an environment fails: its id, where it was, the cause, and the line of its code."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from typing import Any

LONGEST = 300  # characters of another's message that are quoted
INSTALLED = tuple(sysconfig.get_paths()[place] for place in ("stdlib", "purelib", "platlib"))


class EnvError(RuntimeError):
    """An environment raised, or returned what is illegal. The message is one sentence; the original is `__cause__`."""


class IllegalReturn(ValueError):
    """An environment returned what gymnasium's interface does not allow, or what its spaces do not hold."""


def one_line(text: object) -> str:
    """Another's message on one line, not too long."""
    words = " ".join(str(text).split())
    return words if len(words) <= LONGEST else words[: LONGEST - 3] + "..."


def cause_of(error: BaseException) -> str:
    """What was raised, in a few words, with the file and line of the user's code."""
    if isinstance(error, IllegalReturn):
        return str(error)
    name, place = type(error).__name__, line_of(error)
    if isinstance(error, SyntaxError):
        message, place = error.msg, f"{error.filename}:{error.lineno}"
    else:
        message = str(error)
    said = f"{name}: {one_line(message)}" if message else name
    return f"{said} ({place})" if place else said


def line_of(error: BaseException) -> str | None:
    """Where `error` was raised, as file:line: the innermost frame of the user's own code, else of a package that is
    neither gymnasium nor this one."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    others = [
        (frame.f_code.co_filename, line)
        for frame, line in frames
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in ("gymnasium", "reinstate", "importlib")
        and not frame.f_code.co_filename.startswith("<")
    ]
    own = [place for place in others if not place[0].startswith(INSTALLED)]
    found = own or others
    return f"{found[-1][0]}:{found[-1][1]}" if found else None


def line_of_definition(function: Callable[..., Any]) -> str:
    """In brackets: the file and line where a method begins; nothing where it has no Python code."""
    code = getattr(function, "__code__", None)
    return "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"
