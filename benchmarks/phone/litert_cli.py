"""The log of LiteRT-CLI's `litert benchmark`: what LiteRT's benchmark_model printed, or its summary alone."""

from __future__ import annotations

import re
from pathlib import Path

from ...runtime.errors import InputError
from .readings import checked_row
from .tool_output import read_tool_output

_BACKENDS = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}
_DELEGATE = re.compile(
    r"Replacing (?P<nodes>\d+) out of (?P<total>\d+) node\(s\) with delegate \((?P<name>[^)]*)\) node, "
    r"yielding (?P<parts>\d+)"
)
_SUMMARY = r"Inference \(avg\): +([\d.]+) ms \((\d+) runs\)"


def read_litert_cli(path: Path, text: str, device: str, model: str) -> dict[str, object]:
    """The checked row of one log. The log names neither phone nor model: `device` and `model` must.

    A log that was shortened to the summary tells an average, and the row says so. Raises InputError for other text, and
    for one that does not tell which processor ran: no time carries a guessed name.
    """
    if not device or not model:
        raise InputError(f"{path}: a log of LiteRT-CLI names no phone and no model: add --device and --model")
    on = _processor(text)
    if on is None:
        raise InputError(
            f"{path} does not say which processor ran: it holds no line `Replacing ... node(s) with delegate ...`"
        )
    row = {"model": model, "format": "tflite", "backend": _BACKENDS[on], "machine": device, "source": "LiteRT-CLI"}
    summary = re.search(_SUMMARY, text)
    if not re.search(r"count=\d+ ", text) and summary:
        *_, found = _DELEGATE.finditer(text)
        nodes, total, parts = found["nodes"], found["total"], found["parts"]
        init = re.search(r"Model initialization: +([\d.]+) ms", text)
        return checked_row(
            {
                **row,
                "median_ms": summary.group(1),
                "runs": summary.group(2),
                "residency": f"{nodes}/{total} in {parts}",
                "cold_start_ms": init.group(1) if init else "",
                "conditions": "the average, not the median",
            }
        )
    told = read_tool_output(text, on)
    if told.refused:
        raise InputError(f"{path}: the {_BACKENDS[on]} took no operator of the network: its time is another's")
    return checked_row(
        {
            **row,
            "median_ms": told.average_ms if told.median_ms is None else told.median_ms,
            "runs": told.runs,
            "residency": told.residency,
            "cold_start_ms": told.init_ms + told.first_ms,
            "peak_mb": "" if told.peak_mb is None else told.peak_mb,
            "conditions": "the average, not the median" if told.median_ms is None else "",
        }
    )


def _processor(text: str) -> str | None:
    """cpu, gpu or npu, by the last delegate that took operators."""
    names = [found["name"] for found in _DELEGATE.finditer(text) if found["nodes"] != "0"]
    names += re.findall(r"(\w+) delegate[^\n]*completely executed by the delegate", text)
    for name in reversed(names):
        for on, pattern in (("npu", "NPU|Dispatch"), ("gpu", "GPU"), ("cpu", "XNNPACK")):
            if re.search(pattern, name, re.IGNORECASE):
                return on
    return None
