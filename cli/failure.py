"""The error of a command: its message is the one line that is printed."""


class CommandFailedError(Exception):
    """A command could not do its work; says what was wrong and what to do."""
