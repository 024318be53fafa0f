"""Phones that people have measured: one CSV a phone in benchmarks/results/phones, each checked, all in one table.

published.csv there holds what others have published, in the same columns, with its source, and marked as theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...runtime.errors import InputError
from ..reporting.table import markdown, read_csv
from .readings import checked_row

CONTRIBUTED = Path(__file__).parent.parent / "results" / "phones"
PUBLISHED = "published.csv"
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\.csv")
_SOURCES = ("adb", "browser", "Android app", "Xcode", "computer", "AI Hub")
_COLUMNS = {
    "machine": "phone",
    "model": "model",
    "precision": "precision",
    "backend": "backend",
    "threads": "threads",
    "median_ms": "ms",
    "residency": "taken",
    "cold_start_ms": "first result ms",
    "heat_after": "heat after",
    "source": "read by",
}


def check_contributions(folder: Path) -> list[dict[str, object]]:
    """Rows of all contributed files of a folder, checked. Raises InputError that names the file and what to mend."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder of contributed CSVs")
    rows = []
    for path in sorted(folder.glob("*.csv")):
        if path.name != PUBLISHED:
            rows += _checked(path)
    return rows


def published(folder: Path = CONTRIBUTED) -> list[dict[str, str]]:
    """Figures of others: phone, network, milliseconds or frames a second as published, and where."""
    rows = read_csv(folder / PUBLISHED)
    for number, row in enumerate(rows, 2):
        if not row.get("source", "").strip() or not (row.get("median_ms") or row.get("per_second")):
            raise InputError(f"{folder / PUBLISHED}, line {number}: a published figure needs its source and its figure")
    return rows


def phones_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Markdown of measured phones, fastest first within each; a plain sentence when there are none."""
    if not rows:
        return "No phone has been measured yet: benchmarks/results/phones/README.md says how to add one."
    ordered = sorted(rows, key=lambda row: (str(row["machine"]), float(str(row["median_ms"]))))
    shown = [{**row, "median_ms": f"{float(str(row['median_ms'])):.2f}"} for row in ordered]
    return markdown(shown, _COLUMNS)


def _checked(path: Path) -> list[dict[str, object]]:
    if not _NAME.fullmatch(path.name):
        raise InputError(f"{path}: name it maker-model.csv in small letters, as google-pixel-8.csv")
    try:
        raw = read_csv(path)
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path} is no CSV in UTF-8") from error
    if not raw:
        raise InputError(f"{path} holds no result")
    rows = []
    for number, row in enumerate(raw, 2):
        try:
            rows.append(_checked_row(row))
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from error
    machines = {row["machine"] for row in rows}
    if len(machines) != 1:
        raise InputError(f"{path} names {len(machines)} phones; give each a file of its own")
    return rows


def _checked_row(raw: Mapping[str, object]) -> dict[str, object]:
    row = checked_row(raw)
    missing = [key for key in ("precision", "versions", "source", "when") if not row[key]]
    if missing:
        raise InputError(f"a contributed result states its {', '.join(missing)}, as `portraitnet phone` writes it")
    if row["source"] not in _SOURCES:
        raise InputError(f"source {row['source']!r} is none of {', '.join(_SOURCES)}")
    if any(place in str(row["backend"]).upper() for place in ("GPU", "NPU")) and not row["residency"]:
        raise InputError("a time of a GPU or NPU says how much of the network it took (residency)")
    return row
