"""Overlap: read ahead of the work and write behind it, each in one thread, bounded, errors passed on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
_END: Any = object()


def ahead(items: Iterable[Item], depth: int = 4) -> Iterator[Item]:
    """Yield `items` in order while a thread fetches up to `depth` of them in advance.

    An exception while fetching is raised here. Closing this generator waits for the fetch under way, no more.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "ahead") as pool:
        pending = deque(pool.submit(next, source, _END) for _ in range(depth))
        try:
            while (item := pending.popleft().result()) is not _END:
                pending.append(pool.submit(next, source, _END))
                yield item
        finally:
            for future in pending:
                future.cancel()


class Behind:
    """Calls `action` in a thread, in order, with at most `depth` calls waiting.

    As a context manager it waits for all calls at the end, or drops the waiting ones after an exception. An
    exception in `action` is raised by a later call, or at the end.
    """

    def __init__(self, action: Callable[..., Any], depth: int = 4) -> None:
        self._action, self._depth = action, depth
        self._pending: deque[Future[Any]] = deque()
        self._pool = ThreadPoolExecutor(1, "behind")

    def __call__(self, *arguments: Any) -> None:
        if len(self._pending) >= self._depth:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._action, *arguments))

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while kind is None and self._pending:
                self._pending.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
