"""Keeps a library's announcement off stderr, where users look for one clear line of ours."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_lock = threading.Lock()
_announced: set[str] = set()  # libraries that have had their say; each announces its delegate once per process


@contextmanager
def stderr_dropped() -> Iterator[None]:
    """Drop what native libraries write to stderr meanwhile; exceptions still tell what went wrong."""
    with _lock, Path(os.devnull).open("wb") as nowhere:
        try:
            stderr = os.dup(2)
        except OSError:  # closed: nothing would be seen
            yield
            return
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def allocate(interpreter: Any) -> None:
    """`interpreter.allocate_tensors()` of LiteRT or TensorFlow, without "INFO: Created ... XNNPACK delegate for CPU".

    Neither library has a setting for it, so the first allocation's stderr is held back and its INFO lines are dropped.
    """
    library = type(interpreter).__module__
    with _lock:
        if library in _announced:
            interpreter.allocate_tensors()
            return
        _announced.add(library)
        try:
            stderr = os.dup(2)
        except OSError:  # closed: nothing would be seen
            interpreter.allocate_tensors()
            return
        with tempfile.TemporaryFile() as held:
            try:
                os.dup2(held.fileno(), 2)
                interpreter.allocate_tensors()
            finally:
                os.dup2(stderr, 2)
                os.close(stderr)
                held.seek(0)
                rest = b"".join(line for line in held if not line.startswith(b"INFO: "))
                if rest:
                    os.write(2, rest)
