"""A sustained run: the rate over minutes, when the phone first throttles, and the rate that it keeps."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...runtime.errors import InputError
from ..reporting.table import read_csv, write_csv
from .readings import MAX_MS, MAX_ROWS, number, plain_text

SUSTAINED_CSV = "phones_sustained.csv"
STRETCH = 10  # seconds
COLUMNS = (
    *("machine", "model", "precision", "backend", "threads", "second", "per_second", "median_ms", "heat", "clocks"),
    *("headroom", "source", "when"),
)
_THROTTLED = 0.9  # of the first stretch's rate
_STEADY = 3  # the last third of the stretches


@dataclass(frozen=True)
class Stretch:
    """Some seconds of the run that end at `second`: the median time of a call, the phone's heat and clocks then."""

    second: float
    median_ms: float
    heat: str = ""
    clocks: str = ""

    @property
    def per_second(self) -> float:
        """Calls in a second."""
        return 1000 / self.median_ms

    def row(self) -> dict[str, object]:
        """The columns that this stretch fills."""
        return {
            "second": round(self.second, 1),
            "per_second": round(self.per_second, 2),
            "median_ms": self.median_ms,
            "heat": self.heat,
            "clocks": self.clocks,
        }


def summary(stretches: Sequence[Stretch]) -> str:
    """One line: the first rate, when it fell below nine tenths of that, and the rate of the last third."""
    if not stretches:
        return "no sustained result"
    first = stretches[0].per_second
    slow = next((one for one in stretches if one.per_second < _THROTTLED * first), None)
    steady = statistics.median(one.per_second for one in stretches[-max(1, len(stretches) // _STEADY) :])
    when = f"throttles after {slow.second:.0f} s" if slow else f"no throttling in {stretches[-1].second:.0f} s"
    return f"{first:.1f} inferences/s at first, {when}, steady {steady:.1f}/s"


def checked_stretch(raw: Mapping[str, object]) -> dict[str, object]:
    """One row with the columns of phones_sustained.csv; others are dropped. Raises InputError for a bad value."""
    row: dict[str, object] = {}
    for column in COLUMNS:
        value = raw.get(column, "")
        if value in ("", None):
            row[column] = ""
        elif column in ("second", "per_second", "headroom"):
            row[column] = number(value, column, 0, 1e6)
        elif column == "median_ms":
            row[column] = number(value, column, 0, MAX_MS)
        elif column == "threads":
            row[column] = int(number(value, column, 0, 1e3))
        else:
            row[column] = plain_text(value)
    missing = [column for column in ("machine", "model", "second", "per_second") if row[column] == ""]
    if missing:
        raise InputError(f"a stretch of a sustained run lacks {', '.join(missing)}")
    return row


def join_sustained(folder: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Add rows to FOLDER/phones_sustained.csv, whole or not at all; its path. Raises InputError when it is full."""
    path = folder / SUSTAINED_CSV
    known: list[Mapping[str, object]] = list(read_csv(path)) if path.exists() else []
    if len(known) + len(rows) > MAX_ROWS:
        raise InputError(f"{path} holds {len(known)} rows; move it away to gather more")
    write_csv(path, [*known, *(checked_stretch(row) for row in rows)])
    return path
