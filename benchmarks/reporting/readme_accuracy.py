"""The measured tables of README.md and docs/benchmarks/: accuracy. Each from its results file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .table import formatted, markdown, read_csv, run_of

_FOR = {
    "nano": "live video; the slowest phones",
    "small": "live video; portraits",
    "mobile": "the default: several or small people, int8",
    "large": "photographs",
}


def models(results: Path) -> str:
    """The shipped .tflite files on one page: use, size, latency on one thread, foreground IoU per image."""
    latencies = {
        row["model"]: row
        for row in sorted(read_csv(results / "latency_224x224.csv"), key=lambda row: -float(row["median_ms"]))
        if row["threads"] == "1" and row["format"] == "tflite"
    }
    scores = {(row["file"], row["set"]): row for row in read_csv(results / "accuracy_mobile.csv")}
    rows = []
    for name, purpose in _FOR.items():
        fastest, file = latencies[f"portraitnet-{name}"], f"portraitnet-{name}.tflite"
        rows.append(
            {
                "model": f"`{name}`",
                "for": purpose,
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
    rows = [table[name] for name in _FOR]
    return markdown(rows, {key: key for key in rows[0]})


def accuracy(results: Path) -> str:
    """Foreground and boundary IoU of every shipped artefact on the held-out sets."""
    return _by_set("file", read_csv(results / "accuracy_mobile.csv"), lambda row: row["file"])


def peers(results: Path) -> str:
    """Foreground and boundary IoU of the shipped model and of its peers on every held-out set."""
    rows = [*read_csv(results / "accuracy_peers.csv"), *read_csv(results / "accuracy_peers_best.csv")]
    return _by_set("model", rows, lambda row: Path(row["file"]).stem)


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
    return formatted(
        read_csv(results / "flicker.csv"),
        {
            "camera": "{camera}",
            "clips": "{clips:.0f}",
            "flicker": "{flicker_plain:.4f}",
            "smoothed": "{flicker_smoothed:.4f}",
            "less": "{flicker_ratio:.1f}x",
            "edge band IoU": "{edge_iou_plain:.4f}",
            "smoothed edge band IoU": "{edge_iou_smoothed:.4f}",
        },
    )


def edges(results: Path) -> str:
    """Foreground and boundary IoU of the shipped model, plain and with refined edges."""
    return formatted(
        read_csv(results / "edges.csv"),
        {
            "held-out set": "{set}",
            "images": "{images:.0f}",
            "fg IoU": "{fg_iou_per_image_plain:.4f}",
            "refined fg IoU": "{fg_iou_per_image_refined:.4f}",
            "boundary IoU": "{boundary_iou_plain:.4f}",
            "refined boundary IoU": "{boundary_iou_refined:.4f}",
            "alpha error": "{alpha_error:.4f}",
            "with levels": "{alpha_error_levels:.4f}",
            "refined": "{alpha_error_refined:.4f}",
        },
    )


def fairness(results: Path) -> str:
    """Foreground IoU by lighting, number of people and framing on the set of people, ours and a peer."""
    table: dict[str, dict[str, str]] = {}
    for row in read_csv(results / "fairness.csv"):
        if row["set"] == "people":
            shown = table.setdefault(row["group"], {"group": row["group"], "images": row["images"]})
            shown[Path(row["file"]).stem] = f"{float(row['fg_iou_per_image']):.3f}"
    return markdown(list(table.values()), {key: key for key in table["all"]})


def _by_set(heading: str, rows: Sequence[Mapping[str, str]], name: Callable[[Mapping[str, str]], str]) -> str:
    """One line for each file: "mean (median) foreground IoU / boundary IoU / ghosts" on each set."""
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        shown = table.setdefault(name(row), {heading: name(row)})
        mean, median, boundary = (
            "–" if key == "boundary_iou" and key not in row else f"{float(row[key]):.3f}"
            for key in ("fg_iou_per_image", "fg_iou_median", "boundary_iou")
        )
        ghosts = f" / {100 * float(row['ghosts']):.1f} %" if row.get("ghosts") else ""
        shown[row["set"]] = f"{mean} ({median}) / {boundary}{ghosts}"
    return markdown(list(table.values()), {key: key for key in next(iter(table.values()))})


def _spread(scores: Sequence[tuple[float, float]]) -> str:
    parts = []
    for values in zip(*scores, strict=True):
        parts.append(f"{sum(values) / len(values):.3f} ± {(max(values) - min(values)) / 2:.3f}")
    return " / ".join(parts)
