"""What phones report, checked and bounded for a results file: plain words and numbers, nothing else."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...runtime.errors import InputError
from ..reporting.table import LATENCY_COLUMNS, read_csv, write_csv

PHONES_CSV = "phones.csv"
# Beside LATENCY_COLUMNS: how it was read, and what the phone said of itself before and after.
EXTRA_COLUMNS = ("source", "conditions", "heat_before", "heat_after", "peak_mb", "cold_start_ms", "when")
MAX_ROWS = 10_000  # of phones.csv: more is no benchmark any more
MAX_MS = 600_000.0
_TEXT = 160  # characters of any text cell
_WHOLE = ("threads", "height", "width", "bytes", "parameters", "macs", "runs")
_MILLISECONDS = ("median_ms", "p90_ms", "iqr_ms", "cold_start_ms")
_REQUIRED = ("model", "format", "backend", "median_ms", "runs", "machine")
_write_lock = threading.Lock()


def plain_text(value: object, limit: int = _TEXT) -> str:
    """Text as one line of printable characters, at most `limit`, that no spreadsheet takes for a formula.

    Raises InputError for what is no text.
    """
    if value is None:
        return ""
    if not isinstance(value, (str, int, float)):
        raise InputError(f"expected text, got {type(value).__name__}")
    line = "".join(c if c.isprintable() else " " for c in str(value))
    return " ".join(line.split())[:limit].lstrip("=+-@ ")


def number(value: object, what: str, low: float, high: float) -> float:
    """A finite number of the range, from a number or its text. Raises InputError otherwise."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        found = float(value)
        if not math.isfinite(found) or not low <= found <= high:
            raise ValueError
    except ValueError:
        raise InputError(f"{what} is {str(value)[:40]!r}; expected {low:g} to {high:g}") from None
    return found


def checked_row(raw: Mapping[str, object]) -> dict[str, object]:
    """One result with the columns of phones.csv; others are dropped. Raises InputError for a bad value."""
    row: dict[str, object] = {}
    for column in (*LATENCY_COLUMNS, *EXTRA_COLUMNS):
        value = raw.get(column, "")
        if value in ("", None):
            row[column] = ""
        elif column in _MILLISECONDS:
            row[column] = number(value, column, 0, MAX_MS)
        elif column in _WHOLE:
            row[column] = int(number(value, column, 0, 1e13))
        elif column == "fg_iou_per_image":
            row[column] = number(value, column, 0, 1)
        elif column == "peak_mb":
            row[column] = number(value, column, 0, 1e6)
        else:
            row[column] = plain_text(value)
    missing = [column for column in _REQUIRED if row[column] == ""]
    if missing or not row["median_ms"]:
        raise InputError(f"a result lacks {', '.join(missing) or 'a time above zero'}")
    return row


def join(folder: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Add checked rows to FOLDER/phones.csv, whole or not at all; its path. Raises InputError when it is full."""
    path = folder / PHONES_CSV
    with _write_lock:
        known: list[Mapping[str, object]] = list(read_csv(path)) if path.exists() else []
        if len(known) + len(rows) > MAX_ROWS:
            raise InputError(f"{path} holds {len(known)} results; move it away to gather more")
        write_csv(path, [*known, *rows])
    return path
