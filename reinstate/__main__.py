"""The command `reinstate`, and `python -m reinstate`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def leave(number: int, frame: FrameType | None) -> None:
    """Ends the process at once: nothing has begun."""
    os._exit(128 + number)


def main(argv: list[str] | None = None) -> int:
    """Runs a command. Signals that come while everything is imported, which takes seconds, end it without a word."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, leave)
    from reinstate.experiment.cli import main as command

    for number, handler in before.items():
        signal.signal(number, handler)
    return command(argv)


if __name__ == "__main__":
    sys.exit(main())
