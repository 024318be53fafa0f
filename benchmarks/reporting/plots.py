"""Plots drawn from results files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from ...runtime.files import write_beside

_COLOURS = {"tflite": "#2a6fdb", "onnx": "#d9822b", "torch": "#8c8c8c", "executorch": "#3a9d6e", "coreml": "#a0529c"}
_LEAST_SPAN = 0.05  # of IoU on an axis: smaller differences must look small
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
        scores = {row["class"]: float(str(row["iou"])) for row in rows if (row["file"], row["set"]) == contestant}
        offset = ((len(contestants) - 1) / 2 - place) * height
        label = f"{contestant[0]} on {contestant[1]}"
        axes.barh([y + offset for y in range(len(classes))], [scores[c] for c in classes], height * 0.92, label=label)
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
        [f"{row['model']}  {row['precision']}  {row['backend']}" for row in chosen],
        medians,
        xerr=[[0] * len(chosen), [max(0.0, w) for w in whiskers]],
        color=[_COLOURS.get(row["format"], "#666") for row in chosen],
        ecolor="#444",
    )
    for y, (median, whisker) in enumerate(zip(medians, whiskers, strict=True)):
        end = (median + max(0.0, whisker), y)
        axes.annotate(f"{median:.1f}", end, (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.margins(x=0.08)  # room for the longest bar's figure
    axes.set_xlabel(f"milliseconds per picture, {threads} thread{'s' * (threads > 1)} (bar: median, whisker: p90)")
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def plot_pareto(path: Path, rows: Sequence[Mapping[str, str]], threads: int = 1) -> None:
    """Accuracy against latency for contestants whose accuracy is known; the front is drawn through the best."""
    _save(_pareto(rows, threads, (7, 4.5)), path)


def pareto_svg(rows: Sequence[Mapping[str, str]], threads: int = 1) -> str:
    """The same as an SVG for a page, drawn small, so that its words can be read on a phone."""
    figure = _pareto(rows, threads, (4.6, 3.8))
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "portraitnet"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (latency, accuracy) points those that no other one beats in both, fastest first."""
    ordered = sorted(points, key=lambda p: (p[0], -p[1]))
    return [p for i, p in enumerate(ordered) if all(p[1] > q[1] for q in ordered[:i])]


def _pareto(rows: Sequence[Mapping[str, str]], threads: int, inches: tuple[float, float]) -> plt.Figure:
    known = [row for row in rows if row["fg_iou_per_image"] and int(row["threads"]) == threads]
    figure, axes = plt.subplots(figsize=inches, layout="constrained")
    points = [(float(row["median_ms"]), float(row["fg_iou_per_image"])) for row in known]
    axes.step(*zip(*front(points), strict=True), where="post", color="#bbb", zorder=1)
    models = list(dict.fromkeys(row["model"] for row in known))
    named: dict[str, str] = {}
    for row, place in zip(known, points, strict=True):
        colour = f"C{models.index(row['model']) % 10}" if len(models) > 1 else _COLOURS.get(row["format"], "#666")
        size = 20 + 8 * (float(row["bytes"]) / 1e6) ** 0.7
        axes.scatter(*place, s=size, color=colour, marker=_MARKERS.get(row["precision"], "x"), alpha=0.8, zorder=2)
        named.setdefault(row["model"] if len(models) > 1 else row["format"], colour)
    # In a legend, since names beside the points cover each other: contestants of one network lie close together.
    names = [axes.scatter([], [], s=40, color=colour, marker="D", label=name[:40]) for name, colour in named.items()]
    figure.legend(
        handles=names, fontsize=8, loc="outside lower center", ncols=max(2, int(inches[0] / 2.3)), frameon=False
    )
    kinds = [
        axes.scatter([], [], s=40, color="#666", marker=_MARKERS.get(precision, "x"), label=precision)
        for precision in dict.fromkeys(row["precision"] for row in known)
    ]
    axes.set_xlabel(f"median milliseconds per picture, {threads} thread{'s' * (threads > 1)}")
    axes.set_ylabel("foreground IoU per image")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:.0e}"[0] in "25" else "")
    axes.margins(0.16)
    axes.set_ylim(accuracy_limits([accuracy for _, accuracy in points]))
    axes.grid(alpha=0.25)
    axes.legend(handles=kinds, fontsize=8, title="area: file size", title_fontsize=8)
    return figure


def accuracy_limits(accuracies: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis of shares: every value inside with a margin, and small differences drawn small."""
    low, high = min(accuracies), max(accuracies)
    span = max(high - low, _LEAST_SPAN)
    middle = (low + high) / 2
    top = min(middle + 0.66 * span, 1 + 0.1 * span)
    return top - 1.32 * span, top


def plot_tradeoff(
    path: Path, panels: Mapping[str, Mapping[str, tuple[float, float]]], titles: Mapping[str, str]
) -> None:
    """A panel for each set: models by (median ms, IoU), ours as circles, others as squares; the front in grey."""
    figure, grid = plt.subplots(2, 2, figsize=(9, 7), layout="constrained", sharex=True)
    fastest_first = sorted(next(iter(panels.values())).items(), key=lambda item: item[1][0])
    colours = {model: f"C{number}" for number, (model, _) in enumerate(fastest_first)}
    marks = {model: "s" if "/" in model else "o" for model in colours}
    for axes, (name, models) in zip(grid.flat, panels.items(), strict=True):
        axes.step(*zip(*front(list(models.values())), strict=True), where="post", color="#bbb", zorder=1)
        for model, place in models.items():
            axes.scatter(*place, s=70, color=colours[model], marker=marks[model], alpha=0.85, zorder=2)
        axes.set_title(titles[name], fontsize=10)
        axes.set_ylim(accuracy_limits([accuracy for _, accuracy in models.values()]))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:.0e}"[0] in "25" else "")
        axes.margins(x=0.12)
        axes.grid(alpha=0.25)
    handles = [grid[0, 0].scatter([], [], s=50, color=colours[m], marker=marks[m], label=m) for m in colours]
    figure.legend(handles=handles, fontsize=9, loc="outside upper center", ncols=4, frameon=False)
    figure.supxlabel("median milliseconds per picture, 1 thread", fontsize=10)
    figure.supylabel("foreground IoU per image", fontsize=10)
    _save(figure, path)


def plot_published(
    path: Path, rows: Sequence[Mapping[str, str]], scores: Mapping[str, float], threads: int = 1
) -> None:
    """mIoU as others published it (by model) against our milliseconds; a colour for each model, a mark each format."""
    known = [row for row in rows if row["model"] in scores and int(row["threads"]) == threads]
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    kinds = list(dict.fromkeys(f"{row['format']} {row['precision']}" for row in known))
    for number, model in enumerate(dict.fromkeys(row["model"] for row in known)):
        own = [row for row in known if row["model"] == model]
        for row in own:
            mark = "osD^v<>P"[kinds.index(f"{row['format']} {row['precision']}") % 8]
            axes.scatter(float(row["median_ms"]), scores[model], color=f"C{number}", marker=mark, alpha=0.8)
        fastest = min(float(row["median_ms"]) for row in own)
        name = model.removesuffix("_cityscapes")
        axes.annotate(name, (fastest, scores[model]), (4, 6), textcoords="offset points", fontsize=8)
    for number, kind in enumerate(kinds):
        axes.scatter([], [], color="#666", marker="osD^v<>P"[number % 8], label=kind)
    axes.set_xlabel(f"median milliseconds per picture, ours, {threads} thread{'s' * (threads > 1)}")
    axes.set_ylabel("mIoU on Cityscapes, published, not ours")
    axes.set_xscale("log")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    _save(figure, path)


def plot_roofline(path: Path, rows: Sequence[Mapping[str, str]], labelled: int) -> None:
    """Each layer's speed against its MACs per byte, under the machine's roof; the area is its share of the time."""
    peak, copied = float(rows[0]["peak_gmacs"]), float(rows[0]["copy_gb_per_second"])
    layers = [row for row in rows if int(row["macs"]) and row["layer"] != "whole model"]
    layers.sort(key=lambda row: -float(row["median_ms"]))
    total = sum(float(row["median_ms"]) for row in rows if row["layer"] != "whole model")
    figure, axes = plt.subplots(figsize=(7.5, 5), layout="constrained")
    reach = [float(row["macs"]) / float(row["bytes"]) for row in layers]
    speed = [float(row["macs"]) / float(row["median_ms"]) / 1e6 for row in layers]
    ends = [min(reach) / 2, peak / copied, max(*reach, peak / copied) * 2]
    axes.plot(ends, [ends[0] * copied, peak, peak], color="#888", linewidth=1.2)
    axes.annotate(f"{peak:.0f} G MAC/s", (ends[2], peak), (-4, -12), textcoords="offset points", ha="right", fontsize=8)
    for kind, colour in (("DEPTHWISE_CONV_2D", "#d9822b"), ("", "#2a6fdb")):
        chosen = [i for i, row in enumerate(layers) if (row["operator"] == "DEPTHWISE_CONV_2D") == bool(kind)]
        areas = [12 + 2500 * float(layers[i]["median_ms"]) / total for i in chosen]
        axes.scatter([reach[i] for i in chosen], [speed[i] for i in chosen], areas, colour, alpha=0.55)
        axes.scatter([], [], 40, colour, alpha=0.55, label="depthwise" if kind else "dense")
    for i, row in enumerate(layers[:labelled]):
        note = f"{row['layer']}: {float(row['median_ms']):.2f} ms"
        right = reach[i] > (ends[0] * ends[2]) ** 0.5  # of the middle: its words go to the left
        shift = (-8, 6) if right else (8, 6)
        axes.annotate(
            *(note, (reach[i], speed[i]), shift),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=7,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    axes.set_xlabel("MACs per byte of input, weights and output")
    axes.set_ylabel("G MAC/s reached")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, title="area: share of the time", loc="lower right")
    _save(figure, path)


def plot_training(path: Path, steps: Sequence[Mapping[str, float]], scores: Sequence[Mapping[str, float]]) -> None:
    """Loss of every step; foreground IoU, or mIoU of more than two classes, of every evaluation."""
    figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
    axes.plot([r["step"] for r in steps], [r["loss"] for r in steps], color="#2a6fdb", linewidth=0.9)
    axes.set_xlabel("step")
    axes.set_ylabel("loss", color="#2a6fdb")
    axes.spines[["top"]].set_visible(False)
    right = axes.twinx()
    columns = list(scores[0]) if scores else []
    metric = "miou" if any(key.endswith("/miou") for key in columns) else "fg_iou_per_image"
    for name in [key for key in columns if key.endswith(f"/{metric}")]:
        right.plot([r["step"] for r in scores], [r[name] for r in scores], "o-", label=name, color="#d9822b")
    right.set_ylabel(f"{metric}, held out", color="#d9822b")
    right.set_ylim(0, 1)
    right.spines[["top"]].set_visible(False)
    _save(figure, path)


def plot_scores(path: Path, runs: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """The headline score of each evaluation over a run's steps, a panel for each held-out set, a colour for each run.

    The score is mIoU where a run has it, else foreground IoU. Runs without a score are left out.
    """
    panels: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for run, rows in runs.items():
        columns = list(rows[0]) if rows else []
        metric = "/miou" if any(name.endswith("/miou") for name in columns) else "/fg_iou_per_image"
        for column in (name for name in columns if name.endswith(metric)):
            title = f"{column.removesuffix(metric)}, {metric.removeprefix('/')}"
            panels.setdefault(title, {})[run] = [row["step"] for row in rows], [row[column] for row in rows]
    wide = min(len(panels), 3)
    tall = -(-len(panels) // wide)
    figure, grid = plt.subplots(tall, wide, figsize=(3.2 * wide + 2, 2.4 * tall), layout="constrained", squeeze=False)
    drawn = [run for run in runs if any(run in panel for panel in panels.values())]
    colours = dict(zip(drawn, plt.cm.turbo([(i + 0.5) / len(drawn) for i in range(len(drawn))]), strict=True))
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    for axes, (title, panel) in zip(grid.flat, panels.items(), strict=False):
        for run, (steps, scores) in panel.items():
            axes.plot(steps, scores, "o-", markersize=4, color=colours[run])
        axes.set_ylim(*accuracy_limits([score for _, scores in panel.values() for score in scores]))
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    for axes in grid[-1]:
        axes.set_xlabel("step", fontsize=8)
    lines = [plt.Line2D([], [], marker="o", markersize=4, color=colours[run], label=run) for run in drawn]
    figure.legend(handles=lines, loc="outside right upper", fontsize=8, ncols=-(-len(lines) // 30))
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    with write_beside(path) as temporary:
        figure.savefig(temporary, dpi=130)
    plt.close(figure)
