"""The measured tables of README.md and docs/benchmarks/: accuracy. Each from its results file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...runtime.shipped import SHIPPED
from ..quality import edges as edges_benchmark
from ..quality import fairness as fairness_benchmark
from ..quality import flicker
from ..quality import mattes as mattes_benchmark
from ..quality.accuracy import by_set, iou_cell, outline_cell
from .runlog import SCORES as RUN_SCORES
from .table import formatted, markdown, read_csv, run_of

EQUAL = "equal_"  # runs of rivals_portraits in runs.csv
# Sets of runs.csv, and what a page calls them.
_JUDGED = {"eg1800_official": "EG1800", "selfies_test": "selfies", "people_test": "people"}
SCORES = "accuracy_portraits_test"
# Sets of it in the README.
_FRONT = {"eg1800_official": "IoU, EG1800", "selfies": "IoU, selfies", "people": "IoU, any framing"}


def models(results: Path) -> str:
    """The shipped .tflite files on one page: use, size, latency on one thread, foreground IoU per image."""
    latencies = {
        row["model"]: row
        for row in sorted(read_csv(results / "latency_224x224.csv"), key=lambda row: -float(row["median_ms"]))
        if row["threads"] == "1" and row["format"] == "tflite"
    }
    scores = {(row["file"], row["set"]): row for row in read_csv(results / f"{SCORES}.csv")}
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
                **{shown: f"{float(scores[file, name]['fg_iou_per_image']):.3f}" for name, shown in _FRONT.items()},
            }
        )
    return markdown(rows, {key: key for key in rows[0]})


def card(results: Path) -> str:
    """Mean foreground IoU per image of the trained weights on every held-out set, for the model card."""
    table: dict[str, dict[str, str]] = {}
    for row in read_csv(results / f"{SCORES}.csv"):
        if row["file"].endswith(".safetensors"):
            name = Path(row["file"]).stem.removeprefix("portraitnet-")
            shown = table.setdefault(name, {"model": f"`{name}`"})
            shown[f"{row['set']} ({row['images']})"] = f"{float(row['fg_iou_per_image']):.3f}"
    rows = [table[model.name] for model in SHIPPED]
    return markdown(rows, {key: key for key in rows[0]})


def accuracy(results: Path) -> str:
    """Foreground IoU of the shipped files and of their peers on every test set: mean (median)."""
    rows = [*_scores(results), *read_csv(results / f"{SCORES}_best.csv")]
    return by_set(rows, "model", _model, iou_cell)


def outlines(results: Path) -> str:
    """Boundary IoU and ghosts of the shipped files and of their peers on every test set."""
    return by_set(_scores(results), "model", _model, outline_cell)


def _scores(results: Path) -> list[dict[str, str]]:
    """The files that phones run, ours and others'; and `mobile` before it was rounded to int8."""
    return [
        row
        for row in read_csv(results / f"{SCORES}.csv")
        if not row["file"].endswith(".safetensors") or "mobile" in row["file"]
    ]


def _model(row: Mapping[str, str]) -> str:
    file = Path(row["file"])
    if "mobile" not in file.stem:
        return file.stem
    return f"{file.stem} ({'fp32' if file.suffix == '.safetensors' else 'int8'})"


def encoders(results: Path) -> str:
    """One decoder on several encoders, trained alike: accuracy, and cost of the .tflite on one thread."""
    costs = {
        (row["encoder"], row["precision"]): row
        for row in read_csv(results / "latency_224x224.csv")
        if row["threads"] == "1" and row["format"] == "tflite" and row["backend"].startswith("LiteRT")
    }
    table = []
    for run in read_csv(results / "runs.csv"):
        if not run["run"].startswith(EQUAL):
            continue
        full, small = costs[run["encoder"], "fp32"], costs[run["encoder"], "int8"]
        milliseconds = float(full["median_ms"])
        table.append(
            {
                "encoder": run["encoder"].removesuffix("_100"),
                **{shown: f"{float(run[name]):.3f}" for name, shown in _JUDGED.items()},
                "fp32 ms": f"{milliseconds:.1f}",
                "FPS": f"{1000 / milliseconds:.0f}",
                "int8 ms": f"{float(small['median_ms']):.1f}",
                "int8 MB": f"{int(small['bytes']) / 1e6:.1f}",
                "model's memory, MB": f"{float(full['model_mb']):.0f}",
                "M parameters": f"{int(full['parameters']) / 1e6:.1f}",
                "M MACs": f"{int(full['macs']) / 1e6:.0f}",
            }
        )
    return markdown(table, {key: key for key in table[0]})


def faces(results: Path) -> str:
    """IoU of each of six parts of a face, by how it was trained."""
    return _parts(results, "accuracy_faceparse_fasseg")


def sides(results: Path) -> str:
    """IoU of each of 19 parts of a face, by what its training did with mirrored pictures."""
    return _parts(results, "accuracy_faceparse_sides_celebamask")


def _parts(results: Path, file: str) -> str:
    rows = read_csv(results / f"{file}_classes.csv")
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        shown = table.setdefault(
            row["class"], {"class": row["class"], "of pixels": f"{100 * float(row['share']):.1f} %"}
        )
        shown[run_of(row)] = f"{float(row['iou']):.3f}"
    lines = [*table.values()]
    for name, metric in (("mean IoU", "miou"), ("mean accuracy", "mean_accuracy")):
        scores = read_csv(results / f"{file}.csv")
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
    rows = read_csv(results / "accuracy_cross_portraits.csv")
    return by_set(rows, "trained on", run_of, lambda row: f"{float(row['fg_iou_per_image']):.3f}")


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


def eg1800(results: Path) -> str:
    """Networks trained on one set by the recipes with published settings, on EG1800's official test list."""
    runs = {row["run"]: row for row in read_csv(results / "runs.csv")}
    rows = []
    for scores in read_csv(results / f"{RUN_SCORES}.csv"):
        run = runs[scores["run"]]
        if scores["set"] == "eg1800_official" and run["recipe"].endswith("_eg1800"):
            losses = [part.partition("=")[0] for part in run["losses"].split()]
            trained_on = run["sets"].partition("_")[0]
            extra = " + ".join(losses) or "none"
            rows.append({**run, **scores, "extra": extra, "start": _start(run["from"]), "trained_on": trained_on})
    rows.sort(key=lambda row: str(row["trained_on"]))
    return formatted(
        rows,
        {
            "encoder": "{encoder}",
            "trained on": "{trained_on}",
            "start": "{start}",
            "extra losses": "{extra}",
            "seed": "{seed:.0f}",
            "fg IoU per image": "{fg_iou_per_image:.4f}",
            "pooled mIoU": "{miou_2class_pooled:.4f}",
            "boundary IoU": "{boundary_iou:.3f}",
            "ghosts": "{ghosts:.4f}",
        },
    )


def _start(weights: str) -> str:
    return "ImageNet" if "imagenet" in weights else "random"


def steadiness(results: Path) -> str:
    """Flicker of shipped models, plain, smoothed and with refined outlines."""
    return flicker.table(read_csv(results / "flicker.csv"))


def edges(results: Path) -> str:
    """Foreground and boundary IoU of the shipped model, plain and with refined edges."""
    return edges_benchmark.table(read_csv(results / "edges.csv"))


def mattes(results: Path) -> str:
    """Errors of alpha of the shipped models: without refinement, by the guided filter and by matting."""
    return mattes_benchmark.table(read_csv(results / "mattes.csv"))


def matte_losses(results: Path) -> str:
    """Errors of alpha of the runs on true alpha, without refinement: whole picture / unknown band."""
    rows = [row for row in read_csv(results / "mattes_losses.csv") if row["refinement"] == "none"]
    return formatted(
        [{**row, "training": _training(row)} for row in rows],
        {
            "set": "{set}",
            "training": "{training}",
            "SAD": "{sad:.2f} / {sad_band:.2f}",
            "MSE": "{mse:.4f} / {mse_band:.4f}",
            "Grad": "{grad:.2f} / {grad_band:.2f}",
            "Conn": "{conn:.2f} / {conn_band:.2f}",
            "boundary IoU": "{boundary_iou:.3f}",
        },
    )


def matte_outlines(results: Path) -> str:
    """Foreground and boundary IoU of the same runs on photographs: per image / boundary."""
    rows = read_csv(results / "accuracy_matte_portraits.csv")
    return by_set(
        rows,
        "training",
        _training,
        lambda row: f"{float(row['fg_iou_per_image']):.3f} / {float(row['boundary_iou']):.3f}",
    )


def _training(row: Mapping[str, str]) -> str:
    return {"weights": "as shipped"}.get(run_of(row), run_of(row).removeprefix("mattes-"))


def fairness(results: Path) -> str:
    """Foreground IoU by lighting, number of people and framing on the set of people, ours and peers."""
    return fairness_benchmark.table([row for row in read_csv(results / "fairness.csv") if row["set"] == "people"])


def _spread(scores: Sequence[tuple[float, float]]) -> str:
    parts = []
    for values in zip(*scores, strict=True):
        parts.append(f"{sum(values) / len(values):.3f} ± {(max(values) - min(values)) / 2:.3f}")
    return " / ".join(parts)
