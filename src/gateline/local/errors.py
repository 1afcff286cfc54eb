"""What can go wrong on one machine, told to a person."""


class LocalError(Exception):
    """A failure with one line for the person at the terminal: what is wrong and what to do."""

    exit_code = 2
