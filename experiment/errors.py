"""The one exception that a user's mistakes raise."""


class UserError(Exception):
    """Bad input: the message says what is wrong and what to do; the command prints it and exits with code 2."""
