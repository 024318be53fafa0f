"""What the committed results say of each model that ships: `portraitnet models`."""

from __future__ import annotations

from pathlib import Path

from ...runtime.backends import contract_inside
from ...runtime.shipped import SHIPPED, ShippedModel
from .table import read_csv

RESULTS = Path(__file__).parent.parent / "results"
LATENCY, ACCURACY = RESULTS / "latency_224x224.csv", RESULTS / "accuracy_portraits_test.csv"
ACCURACY_SET = "eg1800_official"
_UNKNOWN = "not measured"


def shipped_rows() -> list[dict[str, str]]:
    """A row of text for each model that this installation holds: size, speed, accuracy and use."""
    return [_row(model) for model in SHIPPED if model.file().is_file()]


def measured_on() -> str:
    """The computer of the speeds, and the pictures of the accuracies."""
    machine = next(iter(_rows(LATENCY)), {}).get("machine", "an unknown computer")
    images = next((row["images"] for row in _rows(ACCURACY) if row["set"] == ACCURACY_SET), "no")
    return f"ms: the .tflite on one thread of {machine}; fg IoU: {images} portraits of EG1800's test list"


def _row(model: ShippedModel) -> dict[str, str]:
    file = model.file()
    contract = contract_inside(file)
    times = [
        row
        for row in _rows(LATENCY)
        if (row["model"], row["format"], row["threads"]) == (contract.name, "tflite", "1")
        and row["backend"].startswith("LiteRT")
    ]
    # A measured file of the same precision has nearly the same size, also after its metadata changed.
    times.sort(key=lambda row: abs(int(row["bytes"]) - file.stat().st_size))
    scores = [row for row in _rows(ACCURACY) if (row["set"], row["file"]) == (ACCURACY_SET, file.name)]
    return {
        "name": model.name,
        "also": model.choice,
        "input": f"{contract.height}x{contract.width}",
        "MB": f"{file.stat().st_size / 1e6:.1f}",
        "ms": _figure(times, "median_ms", ".1f"),
        "fg IoU": _figure(scores, "fg_iou_per_image", ".3f"),
        "for": model.use,
    }


def _figure(rows: list[dict[str, str]], column: str, form: str) -> str:
    return format(float(rows[0][column]), form) if rows else _UNKNOWN


def _rows(path: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = read_csv(path) if path.is_file() else []
    return rows
