"""`portraitnet phone web`: a page that times models in any phone's browser and posts what it found back."""

from __future__ import annotations

import datetime
import json
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...export.models import open_any_backend, precision_of
from ...runtime.backends import MODEL_FORMATS
from ...runtime.errors import InputError
from ...runtime.files import bytes_of
from ...runtime.web.server import DIST, Resource, model_address, model_resource, page_files
from ..latency.timing import summarize
from ..reporting.table import model_columns
from .readings import MAX_MS, checked_row, number, plain_text

RESULTS = "results"
MAX_SUBMISSIONS = 200  # of one server's life
_MAX_TIMED, _MAX_ROUNDS = 64, 1000
_ENGINES = {"litert-wasm": "LiteRT.js WASM", "litert-webgpu": "LiteRT.js WebGPU", "ort-wasm": "onnxruntime-web WASM"}


class Collector:
    """Turns what pages post into checked rows, and hands them on.

    `models` are the served files by their address; what is known of a model is taken from its own contract, not from
    the page.
    """

    def __init__(self, models: Mapping[str, Path], on_rows: Callable[[list[dict[str, object]]], None]) -> None:
        self._facts = {address: _facts(path) for address, path in models.items()}
        self._on_rows = on_rows
        self._lock = threading.Lock()
        self.submissions = 0

    def __call__(self, body: bytes) -> None:
        """One page's results. Raises InputError when they are not what the page would send."""
        try:
            report = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InputError("this is not JSON") from error
        if not isinstance(report, dict) or not isinstance(report.get("timed"), list):
            raise InputError("expected an object with a list `timed`")
        if not 0 < len(report["timed"]) <= _MAX_TIMED:
            raise InputError(f"expected 1 to {_MAX_TIMED} timed models")
        rows = [self._row(report, one) for one in report["timed"]]
        with self._lock:
            if self.submissions >= MAX_SUBMISSIONS:
                raise InputError(f"{MAX_SUBMISSIONS} results are here already; start the server anew")
            self.submissions += 1
        self._on_rows(rows)

    def _row(self, report: Mapping[str, Any], one: object) -> dict[str, object]:
        if not isinstance(one, dict) or str(one.get("model")) not in self._facts:
            raise InputError("a model that is not served here")
        if str(one.get("engine")) not in _ENGINES:
            raise InputError("an engine that the page does not have")
        rounds = one.get("rounds")
        if not isinstance(rounds, list) or not 0 < len(rounds) <= _MAX_ROUNDS:
            raise InputError(f"expected 1 to {_MAX_ROUNDS} rounds")
        timing = summarize([number(value, "a round", 0, MAX_MS) for value in rounds])
        accelerated = one.get("accelerated")
        return checked_row(
            {
                **self._facts[str(one["model"])],
                "backend": _ENGINES[str(one["engine"])],
                "threads": int(number(one.get("threads", 1), "threads", 1, 64)),
                "median_ms": timing.median_ms,
                "p90_ms": timing.p90_ms,
                "iqr_ms": timing.iqr_ms,
                "runs": timing.runs,
                "cold_start_ms": number(one.get("firstMs", 0), "first run", 0, MAX_MS),
                "residency": "" if accelerated is None else ("whole" if accelerated is True else "in parts"),
                "machine": device_of(report.get("userAgent"), report.get("device")),
                "versions": plain_text(report.get("userAgent")),
                "conditions": _conditions(report),
                "source": "browser",
                "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            }
        )


def device_of(agent: object, stated: object = "") -> str:
    """A short name out of a browser's user agent: "Pixel 8 (Android 14), Chrome 126", "iPhone (OS 17.4), Safari 17".

    Chrome names no device there any more ("Android 10; K"): `stated` is what it answers when the page asks.
    """
    text, hint = plain_text(agent, 400), plain_text(stated, 60)
    if not text:
        return hint or "unknown device"
    browser = re.search(r"(Firefox|SamsungBrowser|Edg|CriOS|HeadlessChrome|Chrome|Version)/(\d+)", text)
    label = f"{browser.group(1).replace('Version', 'Safari')} {browser.group(2)}" if browser else "browser"
    if hint:
        return f"{hint}, {label}"
    system = re.search(r"\(([^()]*)\)", text)
    parts = [part.strip() for part in (system.group(1) if system else text).split(";")]
    version = re.search(r"Android [\d.]+|OS [\d_]+ like Mac|Windows NT [\d.]+|Mac OS X [\d_.]+", text)
    place = version.group(0).replace(" like Mac", "").replace("_", ".") if version else ""
    nameless = ("Linux", "U", "K", "wv", "X11")
    names = [part for part in parts if part not in nameless and not part.startswith("Android")]
    name = (names or [place or parts[0]])[0]
    return plain_text(f"{name} ({place}), {label}" if place not in name else f"{name}, {label}")


def _conditions(report: Mapping[str, Any]) -> str:
    """Secure context, isolation, cores and GPU: without them a browser's figure cannot be read."""
    yes = [name for name in ("secure", "isolated", "visible") if report.get(name) is True]
    cores = int(number(report.get("cores", 0), "cores", 0, 1024))
    adapter = plain_text(report.get("adapter"), 60)
    return "; ".join([*yes, f"{cores} cores", *([f"GPU {adapter}"] if adapter else [])])


def _facts(path: Path) -> dict[str, object]:
    contract = open_any_backend(path, 1).contract
    return model_columns(contract, MODEL_FORMATS[path.suffix], precision_of(path), bytes_of(path))


def phone_site(models: list[Path], runs: int, dist: Path = DIST) -> tuple[dict[str, Resource], dict[str, Path]]:
    """The benchmark page's addresses, and the served models by theirs. `models` are .tflite and .onnx files.

    Raises InputError when the pages are not built (`make web`), or for a bad model.
    """
    site = page_files("phone", dist)
    served: dict[str, Path] = {}
    for path in models:
        if path.suffix not in (".tflite", ".onnx"):
            raise InputError(f"{path} is neither .tflite nor .onnx: a browser runs those")
        served[model_address(path)] = path
        site[model_address(path)] = model_resource(path)
    if len({path.name for path in served.values()}) != len(models):
        raise InputError("two models have the same file name")
    listed = [{"url": address, **_facts(path)} for address, path in served.items()]
    site["plan.json"] = Resource("application/json", None, json.dumps({"runs": runs, "models": listed}).encode())
    return site, served
