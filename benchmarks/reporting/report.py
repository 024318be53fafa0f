"""`portraitnet benchmark report`: every CSV of a folder on one self-contained page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import jinja2

from ...runtime.errors import InputError
from ...runtime.files import write_text
from ..latency.roofline import SLOWEST, slowest
from ..phone.readings import PHONES_CSV
from .plots import front, pareto_svg
from .table import name_of, read_csv

Drawn = TypeVar("Drawn")
_PROVENANCE = ("machine", "python", "versions")
_MAX_ROWS = 2000  # of one file: a page is for people
_THREADS = "1"  # what the Pareto plot and the bars are drawn for, when there is such a row

# What gives a file of that name; {} are filled from the file itself.
_COMMANDS = {
    r"latency_sizes": "portraitnet benchmark latency CHECKPOINTS --size {sizes} --threads {threads} --runs {runs}",
    r"latency_.*": "portraitnet benchmark latency MODELS --threads {threads} --runs {runs}",
    r"roofline_.*": "portraitnet benchmark roofline MODEL.tflite --threads {threads} --runs {runs}",
    r"phones": "portraitnet phone web, portraitnet phone adb, portraitnet phone import FILES",
    r"arm_instructions": "portraitnet benchmark arm MODELS",
    r"accuracy_.*": "portraitnet benchmark accuracy MODELS --data DIR",
    r"(fairness|edges|mattes|flicker)": "portraitnet benchmark {stem} MODELS --data DIR",
    r"live_720p": "portraitnet benchmark live MODELS --turns {turns} --soak {soak_frames} --mediapipe-python PYTHON",
    r"video_720p": "portraitnet benchmark video MODELS --threads {threads} --encoder {encoder}",
    r"training_.*": "portraitnet benchmark training --data DIR",
    r"startup": "portraitnet benchmark startup --repeats {runs}",
}


@dataclass(frozen=True)
class Results:
    """One CSV: its rows without what every row repeats, which stands above it once."""

    stem: str
    command: str
    machines: str
    versions: str
    rows: list[dict[str, str]]

    @property
    def title(self) -> str:
        """The file's name in words."""
        return self.stem.replace("_", " ").capitalize()

    @property
    def columns(self) -> list[str]:
        """Columns that any row fills."""
        return [key for key in self.rows[0] if key not in _PROVENANCE and any(row[key] for row in self.rows)]


@dataclass
class Bars:
    """Median latencies of one file, fastest first; `share` of the slowest is the bar's length."""

    title: str
    bars: list[dict[str, object]] = field(default_factory=list)


def write_report(folder: Path, page: Path) -> Path:
    """Draw FOLDER's CSVs into `page`, which needs no other file. Raises InputError when there are none."""
    found = [_read(path) for path in sorted(folder.glob("*.csv")) if not path.stem.endswith("_rounds")]
    files = [results for results in found if results is not None]
    if not files:
        raise InputError(
            f"{folder} holds no results; measure first: portraitnet benchmark latency MODELS --out {folder}"
        )
    latencies = [results for results in files if results.stem.startswith("latency")]
    strips = [results for results in files if results.stem.startswith("roofline")]
    others = [r for r in files if r not in latencies and r not in strips and r.stem not in _DEVICE_FILES]
    text = _template().render(
        latencies=[(results, _sound(_bars, results), _sound(_pareto, results)) for results in latencies],
        strips=[_sound(_strip, results) for results in strips],
        devices=[row for results in files for row in _sound(_devices, results)],
        others=others,
        files=files,
        slowest=SLOWEST,
    )
    write_text(page, text)
    return page


def _read(path: Path) -> Results | None:
    rows = [{key: value or "" for key, value in row.items() if key} for row in read_csv(path)][:_MAX_ROWS]
    if not rows:
        return None
    said = {key: "; ".join(dict.fromkeys(row[key] for row in rows if row.get(key))) for key in _PROVENANCE}
    return Results(path.stem, _command(path.stem, rows), said["machine"], said["versions"], rows)


def _command(stem: str, rows: Sequence[Mapping[str, str]]) -> str:
    form = next((command for pattern, command in _COMMANDS.items() if re.fullmatch(pattern, stem)), "")
    values = {"stem": stem, "sizes": ",".join(dict.fromkeys(f"{r.get('height')}x{r.get('width')}" for r in rows))}
    for key in ("threads", "runs", "turns", "soak_frames"):
        values[key] = ",".join(dict.fromkeys(row[key] for row in rows if row.get(key)))
    return form.format(**values)


def _drawn(results: Results) -> list[dict[str, str]]:
    """The rows that plots show: those of one thread, when there are any."""
    return [row for row in results.rows if row.get("threads") == _THREADS] or results.rows


def _bars(results: Results) -> Bars:
    rows = sorted(_drawn(results), key=lambda row: float(row["median_ms"]))
    longest = float(rows[-1]["median_ms"])
    bars = Bars(f"Median ms, threads: {rows[0]['threads']}; in brackets the interquartile range")
    for row in rows:
        median = float(row["median_ms"])
        bars.bars.append(
            {
                "label": row["model"] + ("" if row["weights"] == "trained" else " *"),
                "detail": f"{row['precision']} · {row['backend']}",
                "median": median,
                "iqr": float(row["iqr_ms"] or 0),
                "share": 100 * median / longest,
                "kind": row["format"],
            }
        )
    return bars


def _pareto(results: Results) -> dict[str, object] | None:
    """The plot and, in words, who is on the front."""
    rows = [row for row in _drawn(results) if row.get("fg_iou_per_image")]
    if len(rows) < 2:
        return None
    points = {name_of(row): (float(row["median_ms"]), float(row["fg_iou_per_image"])) for row in rows}
    best = front(list(points.values()))
    on_front = [name for place in best for name, point in points.items() if point == place]
    return {"svg": pareto_svg(rows, int(rows[0]["threads"])), "front": on_front}


def _strip(results: Results) -> dict[str, object]:
    """Layers in order, as wide as their time, coloured by their share of the machine's limit."""
    layers = [row for row in results.rows if row["layer"] != "whole model"]
    total = sum(float(row["median_ms"]) for row in layers)
    cells = [
        {
            "width": 100 * float(row["median_ms"]) / total,
            "hue": 120 * min(1.0, float(row["share_of_limit"])),  # red: far from the limit; green: at it
            "title": f"{row['layer']}: {float(row['median_ms']):.3f} ms, "
            f"{100 * float(row['share_of_limit']):.0f} % of its {row['bound']} limit",
        }
        for row in layers
    ]
    whole = next((row for row in results.rows if row["layer"] == "whole model"), None)
    return {"results": results, "cells": cells, "slowest": slowest(layers), "whole": whole}


_DEVICE_FILES = (Path(PHONES_CSV).stem, "arm_instructions")


def _devices(results: Results) -> list[dict[str, str]]:
    """Results of phones, and instruction counts of emulated cores, as rows of one table; none for other files."""
    if results.stem == _DEVICE_FILES[0]:
        return [_phone(row) for row in sorted(results.rows, key=lambda row: (row["machine"], float(row["median_ms"])))]
    return [_core(row) for row in results.rows] if results.stem == _DEVICE_FILES[1] else []


def _phone(row: Mapping[str, str]) -> dict[str, str]:
    residency = f", {row['residency']}" if row.get("residency") else ""
    return {
        "device": row["machine"],
        "model": f"{row['model']} {row['precision']}".strip(),
        "runs on": f"{row['backend']}{residency}",
        "threads": row["threads"],
        "median ms": f"{float(row['median_ms']):.1f}",
        "M instructions": "",
        "heat": " to ".join(dict.fromkeys(h for h in (row.get("heat_before"), row.get("heat_after")) if h)),
        "read by": row.get("source", ""),
    }


def _core(row: Mapping[str, str]) -> dict[str, str]:
    return {
        "device": f"{row['core']} (emulated)",
        "model": row["model"],
        "runs on": "LiteRT CPU (XNNPACK)",
        "threads": "1",
        "median ms": "",
        "M instructions": f"{float(row['million_instructions']):.0f}",
        "heat": "",
        "read by": "a count, no time",
    }


def _sound(draw: Callable[[Results], Drawn], results: Results) -> Drawn:
    """What `draw` makes of a file. Raises InputError, which names the file, for unknown columns."""
    try:
        return draw(results)
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{results.stem}.csv is not as this version writes it ({error}); measure it again") from error


def _template() -> jinja2.Template:
    source = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(source)
