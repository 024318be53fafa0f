"""Which pictures of a set a sheet shows: spread evenly through it, and so that every class is seen."""

from __future__ import annotations

import numpy as np

from ...runtime.errors import InputError
from ...runtime.metrics import IGNORE
from ..datasets import Source

_MOST_READ = 400  # masks that are looked at for their classes


def spread(count: int, limit: int) -> list[int]:
    """At most `limit` (0: all) of `count` indices, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, limit or count)).astype(int)).tolist() if count else []


def cover_classes(source: Source, count: int) -> list[int]:
    """`count` indices whose masks together show every class that the set's masks do, as far as so many can.

    Each next picture is the one with most classes not yet shown, then pictures spread evenly; unreadable masks are
    left out of the choice. Of two classes nearly every picture shows both: those are spread evenly at once.
    """
    if len(source.classes) <= 2:
        return spread(len(source), count)
    present: dict[int, set[int]] = {}
    for index in spread(len(source), _MOST_READ):
        try:
            present[index] = set(np.unique(source.read(index)[1]).tolist()) - {IGNORE}
        except InputError:
            continue
    chosen: list[int] = []
    missing = set().union(*present.values())
    while missing and len(chosen) < count:
        best = max(present, key=lambda index: len(present[index] & missing))
        chosen.append(best)
        missing -= present[best]
    for index in spread(len(source), count):
        if len(chosen) < count and index not in chosen:
            chosen.append(index)
    return sorted(chosen)
