"""Accuracy against time, from two committed results files: what a reader chooses a model by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...runtime.backends.peer import read_peer
from .plots import plot_tradeoff
from .table import read_csv

PEERS = Path(__file__).parent.parent / "peers"
# Sets of the accuracy file, and what the plot calls them.
PANELS = {
    "eg1800_official": "portraits: EG1800",
    "selfies": "selfies",
    "people": "people in any framing",
    "supervisely": "people in any pose: Supervisely",
}


def tradeoffs(
    latencies: Sequence[Mapping[str, str]], scores: Sequence[Mapping[str, str]]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Set -> model (of others: MAKER/MODEL) -> (median ms of its .tflite on one thread, mean foreground IoU per image).

    A model without a time or without a score is left out: accuracy comes from `scores` alone, so that new weights of a
    network keep the times that were measured with its old ones.
    """
    times: dict[str, float] = {}
    for row in latencies:
        if row["format"] == "tflite" and row["threads"] == "1":
            times[row["model"]] = min(float(row["median_ms"]), times.get(row["model"], float("inf")))
    found: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in PANELS}
    for row in scores:
        file = Path(row["file"])
        name = _timed_name(file)
        if row["set"] in found and name in times:
            shown = name.removeprefix("portraitnet-") if file.suffix == ".tflite" else name.replace("-", "/", 1)
            found[row["set"]][shown] = times[name], float(row["fg_iou_per_image"])
    return found


def _timed_name(file: Path) -> str:
    """What the latency file calls a file of the accuracy file; empty where it times another one."""
    if file.suffix == ".tflite":
        return file.stem
    return read_peer(PEERS / file.name).name if (PEERS / file.name).is_file() else ""


def draw_tradeoff(results: Path, latency: str, accuracy: str, path: Path) -> None:
    """Draw the plot of two CSVs of the folder `results` as `path`."""
    plot_tradeoff(path, tradeoffs(read_csv(results / f"{latency}.csv"), read_csv(results / f"{accuracy}.csv")), PANELS)
