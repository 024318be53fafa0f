"""`portraitnet phone import`: results that a phone or another computer wrote, into the one table.

Five kinds of file: the Android app's JSON (its sustained run goes into a table of its own), a latency CSV of
`portraitnet benchmark` (a Mac's, say), perf.yaml of Qualcomm's AI Hub Models, what LiteRT-CLI's `litert benchmark`
printed (.log, .txt), and a Core ML performance report exported by Xcode. Apple documents no format for the last; it is
taken as JSON in which durations stand under names that hold "prediction" and "load", with a median inside, in a unit
that the name or a field next to it states. We have not seen a real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...runtime.errors import InputError
from ..reporting.table import read_csv
from .aihub import read_perf
from .litert_cli import read_litert_cli
from .readings import MAX_ROWS, checked_row, plain_text
from .sustained import checked_stretch

_MAX_BYTES = 4 << 20
_MAX_DEPTH = 40
_UNITS = {"ns": 1e-6, "nanoseconds": 1e-6, "us": 1e-3, "µs": 1e-3, "microseconds": 1e-3, "ms": 1.0, "milliseconds": 1.0}
_UNITS |= {"s": 1000.0, "seconds": 1000.0}


def read_results(path: Path, device: str = "", model: str = "") -> list[dict[str, object]]:
    """Checked rows of one file. `device` and `model` name what the file does not. Raises InputError for other files."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: no results file")
        if path.suffix == ".csv":
            return [_named(path, row, "computer", device) for row in read_csv(path)]
        text = path.read_text(encoding="utf-8")
        if path.suffix in (".yaml", ".yml"):
            return read_perf(path, text)
        if path.suffix in (".log", ".txt"):
            return [read_litert_cli(path, text, device, model)]
        report = json.loads(text)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is neither JSON nor a CSV of results") from error
    if isinstance(report, dict) and isinstance(report.get("rows"), list):
        return _app(path, report)
    return [_xcode(path, report, device, model)]


def read_sustained(path: Path) -> list[dict[str, object]]:
    """Checked stretches of the Android app's sustained run, of its first contestant; none for other files."""
    if path.suffix != ".json":
        return []
    report = json.loads(path.read_text(encoding="utf-8"))
    stretches = report.get("sustained") if isinstance(report, dict) else None
    if not isinstance(stretches, list) or not stretches:
        return []
    if len(stretches) > MAX_ROWS or not all(isinstance(one, dict) for one in stretches):
        raise InputError(f"{path}: `sustained` is not a list of stretches")
    rows = read_results(path)
    about = {key: rows[0].get(key, "") for key in ("machine", "model", "precision", "backend", "threads", "when")}
    return [checked_stretch({"source": "Android app", **about, **one}) for one in stretches]


def _app(path: Path, report: Mapping[str, Any]) -> list[dict[str, object]]:
    if len(report["rows"]) > MAX_ROWS or not all(isinstance(row, dict) for row in report["rows"]):
        raise InputError(f"{path}: `rows` is not a list of results")
    heat = {key: report.get(key, "") for key in ("heat_before", "heat_after")}
    return [_named(path, {**row, **heat}, "Android app", "") for row in report["rows"]]


def _named(path: Path, row: Mapping[str, object], source: str, device: str) -> dict[str, object]:
    try:
        return checked_row({"source": source, **row, **({"machine": device} if device else {})})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _xcode(path: Path, report: Any, device: str, model: str) -> dict[str, object]:
    durations = dict(_durations(report))
    prediction = next((ms for name, ms in durations.items() if "predict" in name), None)
    load = next((ms for name, ms in durations.items() if "load" in name), None)
    if prediction is None:
        keys = ", ".join(map(str, report)) if isinstance(report, dict) else type(report).__name__
        raise InputError(f"{path} has no median prediction time that we find (it holds {plain_text(keys, 100)})")
    device = device or _text(report, "device")
    model = model or _text(report, "model")
    if not device or not model:
        raise InputError(
            f"{path} does not name {'its device' if not device else 'its model'}: add --device and --model"
        )
    return checked_row(
        {
            "model": model,
            "format": "coreml",
            "backend": f"CoreML {_text(report, 'computeunit') or 'all units'}",
            "median_ms": prediction,
            "cold_start_ms": "" if load is None else load,
            "runs": 1,
            "machine": device,
            "source": "Xcode",
        }
    )


def _durations(tree: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    """Medians in milliseconds by the lower-case path to them."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(tree, dict):
        unit = next((str(v).lower() for k, v in tree.items() if "unit" in k.lower() and str(v).lower() in _UNITS), "")
        for key, value in tree.items():
            label = f"{name}/{key}".lower()
            if isinstance(value, (int, float)) and not isinstance(value, bool) and "median" in label:
                named = next((u for u in _UNITS if label.endswith((f"_{u}", f"in{u}"))), unit)
                if named:
                    yield label, float(value) * _UNITS[named]
            else:
                yield from _durations(value, label, depth + 1)
    elif isinstance(tree, list):
        for value in tree:
            yield from _durations(value, name, depth + 1)


def _text(tree: Any, part: str, depth: int = 0) -> str:
    """The first text under a key that holds `part`."""
    if not isinstance(tree, dict) or depth > _MAX_DEPTH:
        return ""
    for key, value in tree.items():
        if part in key.lower().replace("_", ""):
            if isinstance(value, str):
                return plain_text(value)
            found = _text(value, "name", depth + 1)
            if found:
                return found
    return next((found for value in tree.values() if (found := _text(value, part, depth + 1))), "")
