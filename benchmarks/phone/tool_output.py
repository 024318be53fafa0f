"""What LiteRT's benchmark_model prints, read into figures: that of 2.x (CompiledModel), and the older one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...runtime.errors import InputError

_DELEGATES = {"gpu": "GPU", "npu": "NPU|Dispatch", "cpu": "XNNPACK"}


@dataclass(frozen=True)
class ToolOutput:
    """One turn of the tool. Times in milliseconds, memory in MB; `operators`: (type, average ms), slowest first."""

    runs: int
    average_ms: float
    deviation_ms: float
    median_ms: float | None  # printed by newer tools
    first_ms: float
    init_ms: float
    peak_mb: float | None
    residency: str
    refused: bool  # a delegate was requested, and took nothing
    operators: list[tuple[str, float]] = field(default_factory=list)


def read_tool_output(text: str, on: str) -> ToolOutput:
    """Parse the whole output of one turn; `on` is cpu, gpu or npu. Raises InputError when it holds no result."""
    timings = _timings(text)
    counts = re.findall(r"^.*?count=(\d+) (.*)$", text, re.MULTILINE)
    if timings is None or not counts:
        raise InputError(_why_not(text))
    unknown = re.search(rf"[Uu]nconsumed cmdline flags:[^\n]*--use_{on}\b", text)
    if unknown:
        raise InputError(f"this benchmark_model knows no --use_{on}: take one of LiteRT 2.x")
    count, rest = counts[-1]  # the warm-up comes first
    figures = dict(re.findall(r"(\w+)=([-\d.e+]+)", rest))
    if "avg" not in figures:
        raise InputError("benchmark_model printed no average: another version of the tool?")
    peak = re.search(r"(?:Overall peak|Peak) memory footprint \(MB\)[^\n]*?overall=([\d.]+)", text) or re.search(
        r"(?:Overall footprint|Peak memory usage): +([\d.]+) MB", text
    )
    residency, refused = _residency(text, on)
    return ToolOutput(
        int(count),
        float(figures["avg"]) / 1000,
        float(figures.get("std", 0)) / 1000,
        float(figures["median"]) / 1000 if "median" in figures else None,
        timings[1],
        timings[0],
        float(peak.group(1)) if peak else None,
        residency,
        refused,
        _operators(text),
    )


def _timings(text: str) -> tuple[float, float] | None:
    """Milliseconds of initialisation and of the first inference."""
    older = re.search(r"Inference timings in us: Init: ([\d.e+]+), First inference: ([\d.e+]+)", text)
    if older:
        return float(older.group(1)) / 1000, float(older.group(2)) / 1000
    init = re.search(r"Model initialization: +([\d.]+) ms", text)
    first = re.search(r"Warmup \(first\): +([\d.]+) ms", text) or re.search(r"Inference \(first\): +([\d.]+) ms", text)
    return (float(init.group(1)), float(first.group(1))) if init and first else None


def _residency(text: str, on: str) -> tuple[str, bool]:
    """How much of the graph the requested delegate took: "122/124 in 1", "whole", "in 44 parts"; and whether none."""
    name = _DELEGATES[on]
    taken = re.findall(
        rf"Replacing (\d+) out of (\d+) node\(s\) with delegate \([^)]*(?:{name})[^)]*\) node, yielding (\d+)",
        text,
        re.IGNORECASE,
    )
    if taken:
        nodes, total, parts = taken[-1]
        return f"{nodes}/{total} in {parts}", nodes == "0"
    if re.search(rf"(?:{name})[^\n]*will be completely executed by the delegate", text):
        return "whole", False
    partly = re.search(rf"(?:{name})[^\n]*partially executed by the delegate w/ (\d+)", text)
    if partly:
        return f"in {partly.group(1)} parts", False
    if re.search(rf"(?:{name})[^\n]*will not be executed by the delegate", text):
        return "", True
    # The flags ask for the whole network or an error (--require_full_delegation): a result is its proof. XNNPACK may
    # work unannounced.
    return ("" if on == "cpu" else "whole"), False


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
