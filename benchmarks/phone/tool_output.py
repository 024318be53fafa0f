"""What LiteRT's benchmark_model prints, read into figures."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...runtime.errors import InputError

_DELEGATES = {"gpu": "GPU", "nnapi": "NNAPI", "cpu": "XNNPACK"}


@dataclass(frozen=True)
class ToolOutput:
    """One turn of the tool. Times in milliseconds, memory in MB; `operators`: (type, average ms), slowest first."""

    runs: int
    average_ms: float
    deviation_ms: float
    median_ms: float | None  # newer tools tell it
    first_ms: float
    init_ms: float
    peak_mb: float | None
    residency: str
    refused: bool  # a delegate was asked for, and took nothing
    operators: list[tuple[str, float]] = field(default_factory=list)


def read_tool_output(text: str, on: str) -> ToolOutput:
    """Parse the whole output of one turn; `on` is cpu, gpu or nnapi. Raises InputError when it holds no result."""
    timings = re.search(r"Inference timings in us: Init: ([\d.e+]+), First inference: ([\d.e+]+)", text)
    counts = re.findall(r"^.*?count=(\d+) (.*)$", text, re.MULTILINE)
    if not timings or not counts:
        raise InputError(_why_not(text))
    count, rest = counts[-1]  # the warm-up comes first
    figures = dict(re.findall(r"(\w+)=([-\d.e+]+)", rest))
    if "avg" not in figures:
        raise InputError("benchmark_model printed no average: another version of the tool?")
    peak = re.search(r"(?:Overall peak memory footprint|Peak memory footprint) \(MB\)[^\n]*?overall=([\d.]+)", text)
    residency, refused = _residency(text, on)
    return ToolOutput(
        int(count),
        float(figures["avg"]) / 1000,
        float(figures.get("std", 0)) / 1000,
        float(figures["median"]) / 1000 if "median" in figures else None,
        float(timings.group(2)) / 1000,
        float(timings.group(1)) / 1000,
        float(peak.group(1)) if peak else None,
        residency,
        refused,
        _operators(text),
    )


def _residency(text: str, on: str) -> tuple[str, bool]:
    """How much of the graph the asked delegate took: "122/124 in 1", "whole", "in 44 parts"; and whether none."""
    name = _DELEGATES[on]
    taken = re.findall(
        rf"Replacing (\d+) out of (\d+) node\(s\) with delegate \([^)]*{name}[^)]*\) node, yielding (\d+)",
        text,
        re.IGNORECASE,
    )
    if taken:
        nodes, total, parts = taken[-1]
        return f"{nodes}/{total} in {parts}", nodes == "0"
    if re.search(rf"{name}[^\n]*will be completely executed by the delegate", text):
        return "whole", False
    partly = re.search(rf"{name}[^\n]*partially executed by the delegate w/ (\d+)", text)
    if partly:
        return f"in {partly.group(1)} parts", False
    return "", on != "cpu"  # XNNPACK may work unannounced; another delegate that says nothing did not take part


def _operators(text: str) -> list[tuple[str, float]]:
    """Per-operator averages of the regular runs, slowest first."""
    regular = text.partition("Operator-wise Profiling Info for Regular Benchmark Runs")[2]
    _, _, table = regular.partition("Run Order ")
    lines = table.partition("=== Top by")[0].splitlines()
    heading = next((line for line in lines if "[node type]" in line), "")
    columns = re.findall(r"\[([^\]]+)\]", heading)
    if "avg ms" not in columns:
        return []
    found = []
    for line in lines[lines.index(heading) + 1 :]:
        cells = [cell.strip() for cell in line.split("\t") if cell.strip()]
        if len(cells) < len(columns) - 1:
            continue
        try:
            found.append((cells[0], float(cells[columns.index("avg ms")])))
        except ValueError:
            continue
    return sorted(found, key=lambda pair: -pair[1])


def _why_not(text: str) -> str:
    """The first line in which the tool says what went wrong, else its last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [
        line for line in lines if re.search(r"ERROR|Failed|not found|Permission|killed|Aborted|fault", line, re.I)
    ]
    return (telling or lines[-1:] or ["it printed nothing: stopped or disconnected"])[0][:200]
