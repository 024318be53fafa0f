"""The measured tables of README.md and docs/benchmarks/: accuracy. Each from its results file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...runtime.shipped import SHIPPED
from ..quality import edges as edges_benchmark
from ..quality import fairness as fairness_benchmark
from ..quality import flicker
from ..quality import mattes as mattes_benchmark
from ..quality.accuracy import by_set
from .table import formatted, markdown, read_csv, run_of


def models(results: Path) -> str:
    """The shipped .tflite files on one page: use, size, latency on one thread, foreground IoU per image."""
    latencies = {
        row["model"]: row
        for row in sorted(read_csv(results / "latency_224x224.csv"), key=lambda row: -float(row["median_ms"]))
        if row["threads"] == "1" and row["format"] == "tflite"
    }
    scores = {(row["file"], row["set"]): row for row in read_csv(results / "accuracy_mobile.csv")}
    rows = []
    for model in SHIPPED:
        fastest, file = latencies[model.file().stem], model.file().name
        rows.append(
            {
                "model": f"`{model.name}`",
                "for": model.use,
                "input": f"{fastest['height']}x{fastest['width']}",
                "MB": f"{int(fastest['bytes']) / 1e6:.1f}",
                "ms": f"{float(fastest['median_ms']):.1f}",
                "IoU, portraits": f"{float(scores[file, 'people_portraits']['fg_iou_per_image']):.3f}",
                "IoU, any framing": f"{float(scores[file, 'people']['fg_iou_per_image']):.3f}",
            }
        )
    return markdown(rows, {key: key for key in rows[0]})


def card(results: Path) -> str:
    """Mean foreground IoU per image of the trained weights on every held-out set, for the model card."""
    table: dict[str, dict[str, str]] = {}
    for row in read_csv(results / "accuracy_mobile.csv"):
        if row["file"].endswith(".safetensors"):
            name = Path(row["file"]).stem.removeprefix("portraitnet-")
            shown = table.setdefault(name, {"model": f"`{name}`"})
            shown[f"{row['set']} ({row['images']})"] = f"{float(row['fg_iou_per_image']):.3f}"
    rows = [table[model.name] for model in SHIPPED]
    return markdown(rows, {key: key for key in rows[0]})


def accuracy(results: Path) -> str:
    """Foreground and boundary IoU of every shipped artefact on the held-out sets."""
    return by_set(read_csv(results / "accuracy_mobile.csv"))


def peers(results: Path) -> str:
    """Foreground and boundary IoU of the shipped model and of its peers on every held-out set."""
    rows = [*read_csv(results / "accuracy_peers.csv"), *read_csv(results / "accuracy_peers_best.csv")]
    return by_set(rows, "model", lambda row: Path(row["file"]).stem)


def encoders(results: Path) -> str:
    """Accuracy, latency and size of one decoder on several encoders, one thread."""
    models: dict[str, dict[str, dict[str, str]]] = {}
    for row in read_csv(results / "latency_128x128.csv"):
        if row["threads"] == "1":
            models.setdefault(row["model"], {})[row["precision"]] = row
    table = [
        {
            "encoder": name,
            "fp32 IoU": f"{float(row['fp32']['fg_iou_per_image']):.3f}",
            "int8 IoU": f"{float(row['int8']['fg_iou_per_image']):.3f}",
            "fp32 ms": f"{float(row['fp32']['median_ms']):.1f}",
            "int8 ms": f"{float(row['int8']['median_ms']):.1f}",
            "int8 MB": f"{int(row['int8']['bytes']) / 1e6:.1f}",
            "M parameters": f"{int(row['int8']['parameters']) / 1e6:.1f}",
            "M MACs": f"{int(row['int8']['macs']) / 1e6:.0f}",
        }
        for name, row in models.items()
    ]
    return markdown(table, {key: key for key in table[0]})


def faces(results: Path) -> str:
    """IoU of each part of a face, by how it was trained."""
    rows = read_csv(results / "accuracy_faceparse_fasseg_classes.csv")
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        shown = table.setdefault(
            row["class"], {"class": row["class"], "of pixels": f"{100 * float(row['share']):.1f} %"}
        )
        shown[run_of(row)] = f"{float(row['iou']):.3f}"
    lines = [*table.values()]
    for name, metric in (("mean IoU", "miou"), ("mean accuracy", "mean_accuracy")):
        scores = read_csv(results / "accuracy_faceparse_fasseg.csv")
        lines.append({"class": name, "of pixels": "", **{run_of(r): f"{float(r[metric]):.3f}" for r in scores}})
    return markdown(lines, {key: key for key in lines[0]})


def architectures(results: Path) -> str:
    """The architectures on VOC's 21 classes."""
    return formatted(
        read_csv(results / "accuracy_rivals_voc.csv"),
        {
            "architecture": "{run}",
            "mIoU": "{miou:.3f}",
            "mean accuracy": "{mean_accuracy:.3f}",
            "fg IoU per image": "{fg_iou_per_image:.3f}",
            "M parameters": "{million_parameters:.1f}",
            "M MACs": "{million_macs:.0f}",
        },
    )


def cross(results: Path) -> str:
    """Foreground IoU of models trained on one set, on every set."""
    table: dict[str, dict[str, str]] = {}
    for row in read_csv(results / "accuracy_cross_portraits.csv"):
        shown = table.setdefault(run_of(row), {"trained on": run_of(row)})
        shown[row["set"]] = f"{float(row['fg_iou_per_image']):.3f}"
    return markdown(list(table.values()), {key: key for key in next(iter(table.values()))})


def ablation(results: Path) -> str:
    """Foreground and boundary IoU with and without the paper's two losses: mean over seeds, and half their range."""
    table: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in read_csv(results / "accuracy_ablation_portraits.csv"):
        _, _, edge, consistency = run_of(row).split("-")
        name = " + ".join([*["edge"] * (edge != "0"), *["consistency"] * (consistency != "0")]) or "neither"
        scores = float(row["fg_iou_per_image"]), float(row["boundary_iou"])
        table.setdefault(name, {}).setdefault(row["set"], []).append(scores)
    rows = [{"losses": name} | {key: _spread(scores) for key, scores in sets.items()} for name, sets in table.items()]
    return markdown(rows, {key: key for key in rows[0]})


def steadiness(results: Path) -> str:
    """Flicker of the shipped model, plain and smoothed."""
    return flicker.table(read_csv(results / "flicker.csv"))


def edges(results: Path) -> str:
    """Foreground and boundary IoU of the shipped model, plain and with refined edges."""
    return edges_benchmark.table(read_csv(results / "edges.csv"))


def mattes(results: Path) -> str:
    """Errors of alpha of the shipped models: without refinement, by the guided filter and by matting."""
    return mattes_benchmark.table(read_csv(results / "mattes.csv"))


def fairness(results: Path) -> str:
    """Foreground IoU by lighting, number of people and framing on the set of people, ours and peers."""
    return fairness_benchmark.table([row for row in read_csv(results / "fairness.csv") if row["set"] == "people"])


def _spread(scores: Sequence[tuple[float, float]]) -> str:
    parts = []
    for values in zip(*scores, strict=True):
        parts.append(f"{sum(values) / len(values):.3f} ± {(max(values) - min(values)) / 2:.3f}")
    return " / ".join(parts)
