"""`portraitnet phone aihub`: times on the phones in Qualcomm's racks, by Qualcomm's client and the user's own token.

The models are uploaded to Qualcomm AI Hub. Its profile names, for each operator, the processor that ran it: that is the
residency of the result.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...export.models import open_any_backend, precision_of
from ...runtime.errors import InputError
from ...runtime.files import bytes_of
from ..reporting.table import model_columns
from .readings import checked_row

UNITS = ("all", "cpu", "gpu", "npu")
_FORMATS = {".tflite": "tflite", ".onnx": "onnx"}


@dataclass(frozen=True)
class Job:
    """One model on one phone: the client's job, and what its row will say of it."""

    job: Any
    model: Path
    device: Any


def open_client() -> Any:
    """Qualcomm's client with the user's token. Raises InputError when either is missing."""
    if importlib.util.find_spec("qai_hub") is None:
        raise InputError("phone aihub needs Qualcomm's client: pip install 'portraitnet[aihub]'")
    import qai_hub

    return qai_hub.Client()


def find_devices(client: Any, names: Sequence[str]) -> list[Any]:
    """AI Hub's phones of these names, each in its newest system. Raises InputError for a name that it does not have."""
    known = _asked(client.get_devices)
    found = []
    for name in names:
        same = [device for device in known if device.name.lower() == name.lower()]
        if not same:
            near = difflib.get_close_matches(name, {device.name for device in known}, 3, 0.5)
            raise InputError(f"AI Hub has no device {name!r}{'; near: ' + ', '.join(near) if near else ''}")
        found.append(max(same, key=lambda device: _version(device.os)))
    return found


def time_on_hub(
    client: Any,
    models: Sequence[Path],
    devices: Sequence[Any],
    unit: str = "all",
    on_problem: Callable[[str], None] = lambda line: None,
) -> Iterator[dict[str, object]]:
    """Checked rows, as jobs end; all jobs wait in AI Hub's queue at once. A job that fails is told to `on_problem`.

    `unit` is what may run the model: all, cpu, gpu or npu. Raises InputError for models that AI Hub does not take.
    """
    if unit not in UNITS:
        raise InputError(f"--on {unit!r} is none of {', '.join(UNITS)}")
    for model in models:
        if model.suffix not in _FORMATS:
            raise InputError(f"{model}: AI Hub times .tflite and .onnx files as they are")
    options = "" if unit == "all" else f"--compute_unit {unit}"
    jobs = [
        Job(_asked(client.submit_inference_job, str(model), device, name=model.stem, options=options), model, device)
        for model in models
        for device in devices
    ]
    for one in jobs:
        profile = _asked(one.job.download_profile)
        if not profile:
            status = _asked(one.job.get_status)
            on_problem(f"{one.model.name} on {one.device.name}: {getattr(status, 'message', None) or status.code}")
            continue
        yield row_of(profile, one.model, one.device)


def row_of(profile: Mapping[str, Any], model: Path, device: Any) -> dict[str, object]:
    """The row of a profile: times in microseconds and memory in bytes, as the client gives them."""
    summary, operators = profile.get("execution_summary", {}), profile.get("execution_detail", [])
    times = [float(time) / 1000 for time in summary.get("all_inference_times") or ()]
    first, memory = summary.get("first_load_time"), summary.get("estimated_inference_peak_memory")
    units = Counter(str(operator.get("compute_unit", "")).upper() for operator in operators)
    unit, taken = units.most_common(1)[0] if units else ("", 0)
    contract = open_any_backend(model, 1).contract
    return checked_row(
        {
            **model_columns(contract, _FORMATS[model.suffix], precision_of(model), bytes_of(model)),
            "backend": f"{_FORMATS[model.suffix]} {unit}".strip(),
            "residency": f"{taken}/{len(operators)}" if operators else "",
            "median_ms": statistics.median(times) if times else summary["estimated_inference_time"] / 1000,
            "p90_ms": statistics.quantiles(times, n=10)[-1] if len(times) > 1 else "",
            "cold_start_ms": "" if not isinstance(first, (int, float)) or first < 0 else first / 1000,
            "peak_mb": "" if not isinstance(memory, (int, float)) or memory < 0 else memory / 2**20,
            "runs": len(times) or 1,
            "machine": device.name,
            "conditions": f"AI Hub, system {device.os}" + ("" if times else "; its estimate, no single times"),
            "source": "AI Hub",
            "when": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        }
    )


def _asked(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What the client answers; its errors and the network's as one line."""
    import requests

    expected: tuple[type[Exception], ...] = (
        requests.RequestException,
        FileNotFoundError,
        TimeoutError,
        *_client_errors(),
    )
    try:
        return call(*arguments, **named)
    except expected as error:
        reason = re.sub(r"[\s|┌┐└┘─]+", " ", str(error)).strip()[:300] or type(error).__name__  # it draws a box
        hint = " (The token comes from your account there: qai-hub configure --api_token TOKEN)"
        raise InputError(f"AI Hub: {reason}{hint if 'token' in reason.lower() else ''}") from error


def _client_errors() -> tuple[type[Exception], ...]:
    if importlib.util.find_spec("qai_hub") is None:
        return ()
    from qai_hub.client import Error

    return (Error,)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
