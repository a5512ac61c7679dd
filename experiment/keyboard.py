"""Keys by name: from a terminal, from the window of pygame, or line by line from a pipe."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Generator
from typing import TextIO

try:
    import termios
    import tty
except ImportError:  # Windows: a key is then a line, as in a pipe
    termios = None  # type: ignore[assignment]

_ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
_NAMES = {" ": "space", "\n": "enter", "\r": "enter", "return": "enter"}


def read_keys(window: bool) -> Generator[str, None, None]:
    """Names of keys ("left", "space", "p") until the input ends; close it to give the terminal back."""
    if not sys.stdin.isatty():
        return keys_of_lines(sys.stdin)
    if window:
        return keys_of_window()
    return keys_of_lines(sys.stdin) if termios is None else keys_of_terminal(sys.stdin.fileno())


def keys_of_lines(lines: TextIO) -> Generator[str, None, None]:
    """One key a line, by its name.

    >>> import io
    >>> list(keys_of_lines(io.StringIO("left\\nspace\\n\\nq\\n")))
    ['left', 'space', 'q']
    """
    for line in lines:
        if line.strip():
            yield line.strip().lower()


def keys_of_terminal(terminal: int) -> Generator[str, None, None]:
    """Keys as they are pressed, without waiting for the end of a line."""
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)  # keeps what was typed before
    try:
        while byte := os.read(terminal, 1):
            pressed = byte.decode(errors="ignore")  # "" for a part of a letter such as e with an accent
            if pressed not in ("", "\x1b"):
                yield _NAMES.get(pressed, pressed.lower())
            elif pressed and (code := _rest_of_code(terminal))[1:] in _ARROWS:
                yield _ARROWS[code[1:]]
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _rest_of_code(terminal: int) -> str:
    """What follows escape: [ or O and a letter if it was an arrow, nothing if it was the escape key."""
    code = ""
    while select.select([terminal], [], [], 0.05)[0]:
        code += os.read(terminal, 1).decode(errors="ignore")
        if len(code) != 1 and (code[-1:].isalpha() or code[-1:] in ("~", "")):
            break
    return code


def keys_of_window() -> Generator[str, None, None]:
    """Keys pressed in the window of pygame; closing it ends them."""
    import pygame

    while True:
        event = pygame.event.wait(100)  # not for ever, so that Ctrl-C is heard
        if event.type == pygame.QUIT:
            return
        if event.type == pygame.KEYDOWN:
            name = pygame.key.name(event.key)
            yield _NAMES.get(name, name)
