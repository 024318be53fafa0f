"""`perf.yaml` of Qualcomm's AI Hub Models: times on phones that hang in Qualcomm's racks, published by them.

Two layouts are read: that of 2025 on (precisions / components / performance_metrics / device / runtime), and the older
one (models / performance_metrics, with times in microseconds).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...runtime.errors import InputError
from .readings import MAX_ROWS, checked_row, plain_text

_PRECISIONS = {"w8a8": "int8"}
_FORMATS = {"tflite": "tflite", "onnx": "onnx", "qnn_dlc": "qnn"}


def read_perf(path: Path, text: str) -> list[dict[str, object]]:
    """Checked rows of a perf.yaml. Raises InputError for what is none."""
    import yaml

    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path} is not readable YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, Mapping) or not {"precisions", "models"} & tree.keys():
        raise InputError(f"{path} is no perf.yaml of Qualcomm's AI Hub Models: it has no `precisions` and no `models`")
    rows: list[dict[str, object]] = []
    for raw in _newer(tree.get("precisions")) if "precisions" in tree else _older(tree.get("models")):
        if len(rows) >= MAX_ROWS:
            raise InputError(f"{path} holds more than {MAX_ROWS} results")
        try:
            rows.append(checked_row({"source": "AI Hub", "runs": 1, "threads": "", **raw}))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    if not rows:
        raise InputError(f"{path} holds no time of a job that passed")
    return rows


def _newer(precisions: Any) -> Iterator[dict[str, object]]:
    for precision, part in _items(precisions):
        for model, component in _items(_get(part, "components")):
            for device, runtimes in _items(_get(component, "performance_metrics")):
                for runtime, result in _items(runtimes):
                    time = _get(result, "inference_time_milliseconds")
                    if time is not None and _get(result, "job_status") in (None, "Passed"):
                        yield {
                            **_common(model, device, runtime, precision, result, _get(result, "layer_counts"), ""),
                            "median_ms": time,
                            "peak_mb": _get(_get(result, "estimated_peak_memory_range_mb"), "max"),
                        }


def _older(models: Any) -> Iterator[dict[str, object]]:
    for entry in models if isinstance(models, list) else ():
        for metrics in _get(entry, "performance_metrics") or ():
            device = _get(_get(metrics, "reference_device_info"), "name")
            for runtime, result in _items(metrics):
                time = _get(result, "inference_time")
                if isinstance(time, (int, float)) and _get(result, "job_status") in (None, "Passed"):
                    precision, layers = _get(result, "precision") or "float", _get(result, "layer_info")
                    name = runtime.removeprefix("torchscript_onnx_")
                    common = _common(_get(entry, "name"), device, name, precision, result, layers, "layers_on_")
                    yield {**common, "median_ms": time / 1000}


def _common(
    model: Any, device: Any, runtime: str, precision: Any, result: Any, layers: Any, prefix: str
) -> dict[str, object]:
    unit = plain_text(_get(result, "primary_compute_unit"))
    total = _get(layers, "total_layers" if prefix else "total")
    taken = _get(layers, f"{prefix}{unit.lower()}")
    return {
        "model": model,
        "machine": device,
        "format": _FORMATS.get(runtime, runtime),
        "precision": _PRECISIONS.get(str(precision), precision),
        "backend": f"{runtime} {unit}".strip(),
        "residency": f"{taken}/{total}" if taken is not None and total is not None else "",
    }


def _items(tree: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        yield from ((str(key), value) for key, value in tree.items())


def _get(tree: Any, key: str) -> Any:
    return tree.get(key) if isinstance(tree, Mapping) else None
