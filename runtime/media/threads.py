"""Overlap: read ahead of the work and write behind it, each in one thread, bounded, errors passed on."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import cv2

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


@contextmanager
def share_cores(stages: int) -> Iterator[None]:
    """While `stages` threads work side by side, OpenCV gives each call of theirs its share of the cores.

    On two cores more threads would only wait for each other, and use processor time to do so.
    """
    before = cv2.getNumThreads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cv2.setNumThreads(max(1, cores // stages))
    try:
        yield
    finally:
        cv2.setNumThreads(before)


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
