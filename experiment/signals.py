"""Signals that end a run: Ctrl-C, a cluster's SIGTERM, a closed terminal. The run is saved first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal ended the run."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells have it."""
        return 128 + self.number


class Signals:
    """Takes the signals while it is entered. They raise `Stopped` at once, or wait while something must not be cut."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.waits = False
        self._earlier: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():  # others may not set handlers
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                    self._earlier[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier.clear()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        """A second signal changes nothing: what is being saved is finished first."""
        if self.received is None:
            self.received = number
        if not self.waits:
            raise Stopped(self.received)

    def came(self) -> bool:
        """Whether a signal waits."""
        return self.received is not None

    def check(self) -> None:
        """Raises `Stopped` where a signal waits."""
        if self.received is not None:
            raise Stopped(self.received)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Signals wait until `check`; what is inside is not cut."""
        yield from self._with(True)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Within `waiting`: signals raise at once, those that waited first."""
        yield from self._with(False)

    def _with(self, waits: bool) -> Iterator[None]:
        before, self.waits = self.waits, waits
        try:
            if not waits:
                self.check()
            yield
        finally:
            self.waits = before
