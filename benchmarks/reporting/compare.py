"""`portraitnet benchmark compare A.csv B.csv`: which differences of two runs are real.

Contestants are paired by name. A ratio's confidence interval comes from the rounds that lie beside each CSV (block
bootstrap of the medians: rounds near each other see the same disturbance), else from median and interquartile range.
Two runs may have met a faster and a slower machine: with a `reference`, each round's time is first divided by the
reference's time in that very round, which cancels what fell on both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ..latency.timing import IQR_OF_NORMAL
from .table import names_of, read_csv

_DRAWS = 4000
_FEWEST = 5  # rounds below which nothing is claimed
_Z = 1.96  # 95 % of a normal distribution lie within so many standard errors
_BLOCK = 5  # rounds that are drawn together
_MEDIAN_ERROR = 1.2533  # standard error of a median, in standard errors of the mean


@dataclass(frozen=True)
class Change:
    """One contestant in both runs: B's time over A's, with its 95 % confidence interval."""

    name: str
    before_ms: float
    after_ms: float
    ratio: float
    low: float
    high: float

    def verdict(self, threshold: float = 0.0) -> str:
        """slower, faster, same, or too few rounds; the whole interval must lie beyond `threshold` (0.05: 5 %)."""
        if not math.isfinite(self.high):
            return "too few rounds"
        if self.low > 1 + threshold:
            return "slower"
        return "faster" if self.high < 1 / (1 + threshold) else "same"


@dataclass(frozen=True)
class Comparison:
    """Every contestant that both runs have, and the names that only one has."""

    changes: tuple[Change, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    same_machine: bool

    def regressions(self, threshold: float) -> list[Change]:
        """Contestants that are slower by more than `threshold`, with confidence."""
        return [change for change in self.changes if change.verdict(threshold) == "slower"]


def compare(before: Path, after: Path, reference: str = "") -> Comparison:
    """Compare two latency CSVs. `reference` is a part of one contestant's name, which both runs have.

    Raises InputError for files that are not such results, or that share no contestant.
    """
    old, new = _named(before), _named(after)
    old_rounds, new_rounds = _rounds(before), _rounds(after)
    shared = [name for name in old if name in new]
    if not shared:
        raise InputError(f"{before} and {after} have no contestant in common; e.g. {next(iter(old))!r}")
    measure = _reference(reference, shared) if reference else ""
    if measure and not (measure in old_rounds and measure in new_rounds):
        raise InputError(f"a reference needs the rounds of both runs ({_rounds_file(before).name} beside the CSV)")
    changes = []
    for name in shared:
        if name in old_rounds and name in new_rounds:
            a, b = old_rounds[name], new_rounds[name]
            if measure:
                a, b = a / old_rounds[measure], b / new_rounds[measure]
            ratio, low, high = _bootstrap(a, b)
        else:
            ratio, low, high = _from_quartiles(old[name], new[name])
        changes.append(Change(name, _median(old[name]), _median(new[name]), ratio, low, high))
    machines = {row.get("machine", "") for row in [*old.values(), *new.values()]}
    return Comparison(
        tuple(change for change in changes if change.name != measure),
        tuple(name for name in old if name not in new),
        tuple(name for name in new if name not in old),
        len(machines) == 1,
    )


def comparison_rows(comparison: Comparison, threshold: float) -> list[dict[str, str]]:
    """The comparison as table rows, largest ratio first."""
    return [
        {
            "contestant": change.name,
            "before ms": f"{change.before_ms:.2f}",
            "after ms": f"{change.after_ms:.2f}",
            "ratio": f"{change.ratio:.3f}",
            "95 % interval": f"{change.low:.3f} to {change.high:.3f}" if math.isfinite(change.high) else "unknown",
            "verdict": change.verdict(threshold),
        }
        for change in sorted(comparison.changes, key=lambda change: -change.ratio)
    ]


def _bootstrap(before: np.ndarray, after: np.ndarray) -> tuple[float, float, float]:
    """Ratio of the medians, and its 95 % interval by resampling blocks; 0 to infinity where rounds are too few."""
    if min(len(before), len(after)) < _FEWEST:
        return float(np.median(after) / np.median(before)), 0.0, math.inf
    rng = np.random.default_rng(0)
    ratios = _resampled_medians(after, rng) / _resampled_medians(before, rng)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(np.median(after) / np.median(before)), float(low), float(high)


def _resampled_medians(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    block = min(_BLOCK, max(1, len(times) // 4))
    starts = rng.integers(0, len(times), (_DRAWS, -(-len(times) // block)))
    places = (starts[..., None] + np.arange(block)) % len(times)
    return np.median(times[places.reshape(_DRAWS, -1)], axis=1)


def _from_quartiles(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[float, float, float]:
    ratio = _median(after) / _median(before)
    if min(_runs(before), _runs(after)) < _FEWEST:
        return ratio, 0.0, math.inf
    spread = math.hypot(_relative_error(before), _relative_error(after))
    return ratio, ratio * math.exp(-_Z * spread), ratio * math.exp(_Z * spread)


def _relative_error(row: Mapping[str, str]) -> float:
    """Standard error of a row's median, as a share of it, as if its times were normal and independent."""
    deviation = float(row.get("iqr_ms") or 0) / IQR_OF_NORMAL
    return _MEDIAN_ERROR * deviation / math.sqrt(_runs(row)) / _median(row)


def _runs(row: Mapping[str, str]) -> float:
    return float(row.get("runs") or 1)


def _median(row: Mapping[str, str]) -> float:
    return float(row["median_ms"])


def _named(path: Path) -> dict[str, dict[str, str]]:
    rows = read_csv(path)
    try:
        named = dict(zip(names_of(rows), rows, strict=True))
        if not named or not all(0 < _median(row) < math.inf for row in rows):
            raise ValueError("no times")
        for row in rows:
            _relative_error(row)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path} is no latency CSV of `portraitnet benchmark` ({error})") from error
    return named


def _rounds_file(path: Path) -> Path:
    return path.with_name(f"{path.stem}_rounds.csv")


def _rounds(path: Path) -> dict[str, np.ndarray]:
    """Every round's milliseconds by contestant, where they lie beside the CSV."""
    if not _rounds_file(path).is_file():
        return {}
    rows: Sequence[Mapping[str, str]] = read_csv(_rounds_file(path))
    try:
        times = {
            name: np.array([float(row[name]) for row in rows]) for name in (rows[0] if rows else ()) if name != "round"
        }
        if not all((values > 0).all() and np.isfinite(values).all() for values in times.values()):
            raise ValueError("a time is not above 0")
        return times
    except (TypeError, ValueError) as error:
        raise InputError(f"{_rounds_file(path)} is damaged: {error}") from error


def _reference(part: str, names: Sequence[str]) -> str:
    found = [name for name in names if part == name] or [name for name in names if part in name]
    if len(found) != 1:
        raise InputError(f"--reference {part!r} fits {len(found)} contestants of both runs; write one's whole name")
    return found[0]
