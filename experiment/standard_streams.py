"""The standard streams of a command: each may be closed, full, or a pipe that nobody reads any more."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import TextIOWrapper
from typing import Any, TextIO, cast

BROKEN_PIPE = 141  # as a shell counts it: 128 + SIGPIPE


class OutputError(OSError):
    """Standard output cannot be written."""


class Stream:
    """A standard stream that says by OutputError that it cannot be written, or takes it in silence."""

    def __init__(self, stream: TextIO, silent: bool) -> None:
        self.stream, self.silent = stream, silent

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """As of any stream."""
        return self.attempt(lambda: self.stream.write(text), len(text))

    def flush(self) -> None:
        """As of any stream."""
        self.attempt(lambda: self.stream.flush() or 0, 0)

    def attempt(self, action: Callable[[], int], otherwise: int) -> int:
        try:
            return action()
        except OSError as error:
            to_nowhere(self.stream)
            if self.silent:
                return otherwise
            raise OutputError(error.errno, error.strerror) from error


def to_nowhere(stream: TextIO) -> None:
    """What is left in the stream, and what follows, goes to the null device: Python would complain of it at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
    stream.flush()


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; returns its exit code, or that of an output which cannot be written.

    A pipe whose reader has gone ends the command without a word, as in `reinstate bench | head -1`.
    """
    mend_streams()
    output, errors = Stream(sys.stdout, silent=False), Stream(sys.stderr, silent=True)
    with redirect_stdout(cast(TextIO, output)), redirect_stderr(cast(TextIO, errors)):
        try:
            try:
                return command()
            finally:
                errors.flush()
                output.flush()
        except OutputError as error:
            if error.errno == errno.EPIPE:
                return BROKEN_PIPE
            print(f"error: the output cannot be written ({error.strerror})", file=sys.stderr)
            return 1


def mend_streams() -> None:
    """Python has None for a stream that was closed before it began, and code that asks `isatty` fails; and it refuses
    to print what the terminal cannot show."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Prints a line of a training run, which an output that cannot be written does not end: it says so once on the
    standard error, and is silent then."""
    try:
        print(text, flush=True)
    except OSError as error:
        warn(f"the output cannot be written ({error.strerror}); training goes on without it")
        if not isinstance(sys.stdout, Stream):
            to_nowhere(sys.stdout)


def warn(text: str) -> None:
    """Prints a line to the standard error, if that is possible."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def on_terminal() -> bool:
    """Whether the standard error is a terminal, where a progress bar can be drawn."""
    return sys.stderr is not None and sys.stderr.isatty()
