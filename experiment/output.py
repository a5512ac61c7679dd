"""Printing that a run survives: a closed pipe or a full disk does not end the training."""

from __future__ import annotations

import os
import sys


def say(text: str) -> None:
    """Prints a line. Where the output is closed or full, it says so once on the standard error and is silent then."""
    try:
        print(text, flush=True)
    except (OSError, ValueError) as error:  # ValueError: closed in Python
        silence()
        warn(f"the output cannot be written ({getattr(error, 'strerror', None) or error}); training goes on without it")


def warn(text: str) -> None:
    """Prints a line to the standard error, if there is one."""
    try:
        if sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


def silence() -> None:
    """Nothing printed from now on goes anywhere, nor what Python still holds and would write at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # it has no descriptor
        pass
    finally:
        os.close(nowhere)


def on_terminal() -> bool:
    """Whether the standard error is a terminal, where a progress bar can be drawn."""
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
