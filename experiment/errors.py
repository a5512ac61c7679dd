"""Exceptions whose message is for the user: the command prints it, without a traceback."""


class UserError(Exception):
    """Bad input: the message says what is wrong and what to do; the command exits with code 2."""


class RunError(Exception):
    """A run could not go on: the message says why and how to go on; the command exits with code 1."""
