"""Phones in README.md and docs/benchmarks/speed.md: those that people have measured, and what others have published."""

from __future__ import annotations

from pathlib import Path

from ..phone.contributions import check_contributions, phones_table, published
from .table import markdown

_PUBLISHED = {
    "model": "network",
    "machine": "phone",
    "backend": "processor",
    "precision": "precision",
    "threads": "threads",
    "median_ms": "ms",
    "per_second": "frames/s",
    "source": "published by",
    "note": "note",
}


def front_page(results: Path) -> str:
    """The table of measured phones for the README; nothing until there is a row."""
    rows = check_contributions(results / "phones")
    return f"## On phones\n\n{phones_table(rows)}" if rows else ""


def phones(results: Path) -> str:
    """Measured phones, or that there are none; then the figures of others, marked as theirs."""
    measured = phones_table(check_contributions(results / "phones"))
    theirs = markdown(published(results / "phones"), _PUBLISHED)
    return f"{measured}\n\nPublished by others, on their networks, phones and code; not measured by us:\n\n{theirs}"
