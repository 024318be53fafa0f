"""What a user must know although the work goes on: a lost sound track, a picture cut short.

Notices are warnings of the logger `portraitnet`; the command line prints each once, as one line.
"""

from __future__ import annotations

import logging

from .errors import one_line

LOGGER = logging.getLogger("portraitnet")


def notice(message: str) -> None:
    """Tell `message`, one line, without stopping."""
    LOGGER.warning("%s", one_line(message))
