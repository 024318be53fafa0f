"""The terminal: one console on stderr for progress and notices, so that stdout holds results alone."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .notices import LOGGER

# Without markup, which would eat parts of names such as "a[edited].jpg".
console = Console(stderr=True, markup=False, highlight=False, emoji=False)


def progress_bar(enabled: bool = True) -> Progress:
    """A bar on stderr that leaves no trace; not drawn unless `enabled`, nor where stderr is no terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (enabled and console.is_terminal),
    )


class _OncePerMessage(logging.Handler):
    """Prints each notice once, as one line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._said:
            self._said.add(message)
            console.print(f"note: {message}", soft_wrap=True)


def show_notices() -> None:
    """Print the library's notices on stderr from now on."""
    if not LOGGER.handlers:
        LOGGER.addHandler(_OncePerMessage())
        LOGGER.propagate = False
