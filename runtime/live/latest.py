"""What the live pipeline's threads hand to each other: the newest of something, never a queue that grows."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Latest(Generic[Value]):
    """A place for the newest value, or the newest few: one more replaces the oldest, whether it was taken or not."""

    def __init__(self, room: int = 1) -> None:
        self._changed = threading.Condition()
        self._values: deque[tuple[int, Value]] = deque(maxlen=room)
        self._closed: BaseException | bool = False

    def put(self, value: Value, number: int) -> None:
        """Add a value; numbers grow."""
        with self._changed:
            self._values.append((number, value))
            self._changed.notify_all()

    def take(self, after: int, timeout: float) -> tuple[int, Value] | None:
        """The first value with a number beyond `after`, and its number; None after `timeout` seconds, or when closed.

        Raises what the place was closed with.
        """

        def beyond() -> tuple[int, Value] | None:
            return next((item for item in self._values if item[0] > after), None)

        with self._changed:
            self._changed.wait_for(lambda: beyond() or self._closed, timeout)
            taken = beyond()
            if taken is None and isinstance(self._closed, BaseException):
                raise self._closed
            return taken

    @property
    def newest(self) -> Value | None:
        """The value that was put last, without waiting."""
        with self._changed:
            return self._values[-1][1] if self._values else None

    def close(self, error: BaseException | None = None) -> None:
        """No more values; those who wait are told. The first error stays."""
        with self._changed:
            if not isinstance(self._closed, BaseException):
                self._closed = error or True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return bool(self._closed)
