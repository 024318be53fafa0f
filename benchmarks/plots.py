"""Plots drawn from results files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from ..runtime.files import write_beside

_COLOURS = {"tflite": "#2a6fdb", "onnx": "#d9822b", "torch": "#8c8c8c"}
_MARKERS = {"fp32": "o", "fp16": "s", "int8": "^", "?": "x"}


def plot_matrix(path: Path, rows: Sequence[Mapping[str, object]], names: str, title: str) -> None:
    """A table of shares of 1 in colours; `names` is the column that names the rows."""
    columns = [key for key in rows[0] if key != names]
    values = [[float(str(row[key])) for key in columns] for row in rows]
    figure, axes = plt.subplots(figsize=(2.5 + 1.3 * len(columns), 1.4 + 0.5 * len(rows)), layout="constrained")
    axes.imshow(values, cmap="viridis", vmin=min(0.5, *(v for row in values for v in row)), vmax=1, aspect="auto")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            axes.text(x, y, f"{value:.3f}", ha="center", va="center", color="white" if value < 0.85 else "black")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), [str(row[names]) for row in rows])
    axes.set_title(title, fontsize=10)
    _save(figure, path)


def plot_classes(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Bars of the IoU of each class, a colour for each model and set, the commonest class on top."""
    shares = {str(row["class"]): float(str(row["share"])) for row in rows}
    classes = sorted(shares, key=lambda name: shares[name] if shares[name] == shares[name] else 0)
    contestants = list(dict.fromkeys((row["file"], row["set"]) for row in rows))
    height = 0.8 / len(contestants)
    figure, axes = plt.subplots(
        figsize=(8, 1.5 + 0.22 * len(classes) * max(1.2, len(contestants))), layout="constrained"
    )
    for place, contestant in enumerate(contestants):
        mine = {row["class"]: float(str(row["iou"])) for row in rows if (row["file"], row["set"]) == contestant}
        offset = ((len(contestants) - 1) / 2 - place) * height
        label = f"{contestant[0]} on {contestant[1]}"
        axes.barh([y + offset for y in range(len(classes))], [mine[c] for c in classes], height * 0.92, label=label)
    axes.set_yticks(range(len(classes)), [f"{name}  ({100 * shares[name]:.1f} %)" for name in classes])
    axes.set_xlabel("IoU (in brackets: share of the pixels)")
    axes.set_xlim(0, 1)
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def plot_latency(path: Path, rows: Sequence[Mapping[str, str]], threads: int = 1) -> None:
    """Bars of median latency with p90 whiskers, one per contestant with `threads` threads, fastest on top."""
    chosen = sorted((row for row in rows if int(row["threads"]) == threads), key=lambda row: -float(row["median_ms"]))
    figure, axes = plt.subplots(figsize=(8, 0.34 * len(chosen) + 1.4), layout="constrained")
    medians = [float(row["median_ms"]) for row in chosen]
    whiskers = [float(row["p90_ms"]) - median for row, median in zip(chosen, medians, strict=True)]
    axes.barh(
        [f"{row['model']}  {row['format']} {row['precision']}" for row in chosen],
        medians,
        xerr=[[0] * len(chosen), [max(0.0, w) for w in whiskers]],
        color=[_COLOURS[row["format"]] for row in chosen],
        ecolor="#444",
    )
    for y, median in enumerate(medians):
        axes.text(median * 0.02, y, f"{median:.1f}", va="center", color="white", fontsize=8)
    axes.set_xlabel(f"milliseconds per picture, {threads} thread{'s' * (threads > 1)} (bar: median, whisker: p90)")
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def plot_pareto(path: Path, rows: Sequence[Mapping[str, str]], threads: int = 1) -> None:
    """Accuracy against latency for contestants whose accuracy is known; the front is drawn through the best."""
    known = [row for row in rows if row["fg_iou_per_image"] and int(row["threads"]) == threads]
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    points = sorted((float(row["median_ms"]), float(row["fg_iou_per_image"])) for row in known)
    front = [p for i, p in enumerate(points) if all(p[1] > q[1] for q in points[:i])]
    axes.step(*zip(*front, strict=True), where="post", color="#bbb", zorder=1)
    models = list(dict.fromkeys(row["model"] for row in known))
    named: set[str] = set()
    for row in known:
        place = float(row["median_ms"]), float(row["fg_iou_per_image"])
        colour = f"C{models.index(row['model'])}" if len(models) > 1 else _COLOURS[row["format"]]
        size = 20 + 8 * (float(row["bytes"]) / 1e6) ** 0.7
        axes.scatter(*place, s=size, color=colour, marker=_MARKERS[row["precision"]], alpha=0.8, zorder=2)
        name = row["model"] if len(models) > 1 else f"{row['format']} {row['precision']}"
        if name not in named:
            named.add(name)
            axes.annotate(name, place, (6, 8), textcoords="offset points", fontsize=8)
    for precision in dict.fromkeys(row["precision"] for row in known):
        axes.scatter([], [], s=40, color="#666", marker=_MARKERS[precision], label=precision)
    axes.set_xlabel(f"median milliseconds per picture, {threads} thread{'s' * (threads > 1)}")
    axes.set_ylabel("foreground IoU per image")
    axes.margins(0.12)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, title="area: file size")
    _save(figure, path)


def plot_training(path: Path, steps: Sequence[Mapping[str, float]], scores: Sequence[Mapping[str, float]]) -> None:
    """Loss of every step, and foreground IoU of every evaluation."""
    figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
    axes.plot([r["step"] for r in steps], [r["loss"] for r in steps], color="#2a6fdb", linewidth=0.9)
    axes.set_xlabel("step")
    axes.set_ylabel("loss", color="#2a6fdb")
    axes.spines[["top"]].set_visible(False)
    right = axes.twinx()
    for name in [key for key in scores[0] if key.endswith("fg_iou_per_image")] if scores else []:
        right.plot([r["step"] for r in scores], [r[name] for r in scores], "o-", label=name, color="#d9822b")
    right.set_ylabel("foreground IoU, held out", color="#d9822b")
    right.set_ylim(0, 1)
    right.spines[["top"]].set_visible(False)
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    with write_beside(path) as temporary:
        figure.savefig(temporary, dpi=130)
    plt.close(figure)
