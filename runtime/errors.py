"""The one exception that means "your input is at fault, and here is what to do"."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: the message is one line that says what is wrong and how to mend it.

    The command line prints it without a traceback and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class OutputError(InputError):
    """Nothing can be written there (a full disk, no permission): going on to the next file is of no use."""


def one_line(message: str) -> str:
    """The message on one line, without characters that a terminal would obey; file names keep their spaces."""
    text = " ".join(line.strip() for line in message.splitlines())
    return "".join(character if character.isprintable() else "?" for character in text)
