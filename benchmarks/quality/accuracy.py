"""Scores of several models, in any format, on the held-out sets of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import Progress

from ...runtime.contract import Contract
from ...runtime.errors import InputError
from ...runtime.metrics import SegmentationScores
from ...runtime.segmenter import Segmenter
from ...train.datasets import Source, label_of, open_source
from ...train.evaluate import evaluate
from ...train.recipe import load_recipe
from ..latency.contestants import open_contestant
from ..reporting.table import markdown, provenance, write_csv

BEST = "the best of them, picture by picture"


def held_out_sets(recipe: str, root: Path) -> list[tuple[str, Source]]:
    """The recipe's validation sets below `root`, each with its short name."""
    loaded = load_recipe(recipe)
    return [
        (label_of(spec), open_source(spec, root, loaded.data.size, loaded.model.classes))
        for spec in loaded.data.validate
    ]


@dataclass(frozen=True)
class Scored:
    """One model's scores on one set."""

    set: str
    file: str
    contract: Contract
    scores: SegmentationScores

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in order."""
        return self.contract.classes

    @property
    def row(self) -> dict[str, object]:
        """Every metric, as CSV columns."""
        cost = {"parameters": self.contract.parameters or "", "macs": self.contract.macs or ""}
        return {"set": self.set, "file": self.file, **self.scores.summary(), **cost, **provenance()}

    def class_rows(self) -> list[dict[str, object]]:
        """IoU, accuracy and Dice of each class, and its share of the truth; NaN where it never occurs."""
        columns = {
            "share": self.scores.share_per_class(),
            "iou": self.scores.iou_per_class(),
            "accuracy": self.scores.accuracy_per_class(),
            "dice": self.scores.dice_per_class(),
        }
        return [
            {
                "set": self.set,
                "file": self.file,
                "class": name,
                **{key: float(values[index]) for key, values in columns.items()},
            }
            for index, name in enumerate(self.classes)
        ]


def open_all(models: Sequence[Path], threads: int = 2) -> dict[str, Segmenter]:
    """Every model by a unique name."""
    return {_name(model, models): open_contestant(model, threads) for model in models}


def _name(model: Path, models: Sequence[Path]) -> str:
    """The file's name; with its folder's where several are alike, as runs/a/best and runs/b/best."""
    alike = len({other.name for other in models}) < len(models)
    return "/".join(model.parts[-2:]) if alike else model.name


def score(
    models: Sequence[Path], sets: Sequence[tuple[str, Source]], progress: Progress, edge_refine: bool = False
) -> list[Scored]:
    """Every model file on every set, set by set; with `edge_refine`, after edge refinement.

    Raises InputError when a model knows other classes than a set.
    """
    if not models:
        raise InputError("name the models to score: .safetensors, .onnx, .tflite, .mlpackage or bundles' folders")
    scored = []
    for label, source in sets:
        for model in models:
            segmenter = open_contestant(model)
            segmenter.refine = edge_refine
            if segmenter.contract.classes != source.classes:
                raise InputError(
                    f"{model} has {len(segmenter.contract.classes)} classes but set {label} has {len(source.classes)}"
                )
            task = progress.add_task(f"{label}, {model.name}", total=len(source))
            scores = evaluate(segmenter, source, partial(progress.advance, task))
            scored.append(Scored(label, _name(model, models), segmenter.contract, scores))
    return scored


def benchmark_accuracy(models: Sequence[Path], recipe: str, root: Path, out: Path, progress: Progress) -> Path:
    """Write accuracy_NAME.csv into `out`: `score` on the recipe's held-out sets below `root`."""
    path = out / f"accuracy_{recipe.removeprefix('portraitnet_')}.csv"
    scored = score(models, held_out_sets(recipe, root), progress)
    rows = [one.row for one in scored]
    write_csv(path, rows)
    best, best_path = best_of_each_picture(scored), path.with_name(f"{path.stem}_best.csv")
    best_path.unlink(missing_ok=True)  # of another run's models
    if best:
        write_csv(best_path, best)
    write_classes(path.with_name(f"{path.stem}_classes.csv"), scored)
    if len(models) > 1 and len(rows) > len(models):
        from ..reporting.plots import plot_matrix

        plot_matrix(path.with_suffix(".png"), cross_table(rows), "file", headline(rows))
    return path


def best_of_each_picture(scored: Sequence[Scored]) -> list[dict[str, object]]:
    """Rows of an oracle, which picks for every picture the model that does best on it, on each set.

    What it still misses is beyond choosing among these models: pictures that none reads, masks that are wrong.
    Portraits alone, and nothing for a single model.
    """
    rows = []
    for name in dict.fromkeys(one.set for one in scored):
        of_set = [one for one in scored if one.set == name]
        if len(of_set) > 1 and len(of_set[0].classes) == 2:
            best = np.max([one.scores.fg_iou for one in of_set], axis=0)
            known = {"fg_iou_per_image": float(best.mean()), "fg_iou_median": float(np.median(best))}
            rows.append({"set": name, "file": BEST, **known, "images": len(best), **provenance()})
    return rows


def write_classes(path: Path, scored: Sequence[Scored]) -> Path | None:
    """Write the classes' scores as CSV, and their IoU as bars beside it; nothing for portraits, of two classes."""
    rows = [row for one in scored for row in one.class_rows() if len(one.classes) > 2]
    if not rows:
        return None
    from ..reporting.plots import plot_classes

    write_csv(path, rows)
    plot_classes(path.with_suffix(".png"), rows)
    return path


def class_table(scored: Sequence[Scored]) -> list[dict[str, object]]:
    """The IoU of each class by model (and set), rarest class first."""
    several = len({one.set for one in scored}) > 1
    rows: dict[object, dict[str, object]] = {}
    for one in scored:
        name = f"{one.file}, {one.set}" if several else one.file
        for row in one.class_rows():
            shown = rows.setdefault(row["class"], {"class": row["class"], "share": row["share"]})
            if len(scored) == 1:
                shown |= {key: row[key] for key in ("iou", "accuracy", "dice")}
            else:
                shown[name] = row["iou"]
    return sorted(rows.values(), key=lambda row: float(str(row["share"])))


def headline(rows: Sequence[Mapping[str, object]]) -> str:
    """The metric that sums up rows of scores: of portraits, or of many classes."""
    return "miou" if "miou" in rows[0] else "fg_iou_per_image"


def cross_table(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """The headline metric of rows of scores as a matrix: a row for each model, a column for each set."""
    metric = headline(rows)
    matrix: dict[object, dict[str, object]] = {}
    for row in rows:
        matrix.setdefault(row["file"], {"file": row["file"]})[str(row["set"])] = row[metric]
    return list(matrix.values())


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of accuracy_NAME.csv as Markdown: a line for each file, a column for each set."""
    if headline(rows) == "fg_iou_per_image":
        return by_set(rows)
    matrix = cross_table(rows)
    return markdown(matrix, {key: key for key in matrix[0]})


def iou_cell(row: Mapping[str, str]) -> str:
    """Foreground IoU per image: mean (median)."""
    return f"{float(row['fg_iou_per_image']):.3f} ({float(row['fg_iou_median']):.3f})"


def outline_cell(row: Mapping[str, str]) -> str:
    """Boundary IoU / share of ghosts; a dash where the row has neither."""
    boundary = f"{float(row['boundary_iou']):.3f}" if row.get("boundary_iou") else "–"
    return f"{boundary} / {100 * float(row['ghosts']):.2f} %" if row.get("ghosts") else boundary


def both_cells(row: Mapping[str, str]) -> str:
    """Foreground IoU, boundary IoU and ghosts."""
    return f"{iou_cell(row)} / {outline_cell(row)}"


def by_set(
    rows: Sequence[Mapping[str, str]],
    heading: str = "file",
    name: Callable[[Mapping[str, str]], str] = lambda row: row["file"],
    cell: Callable[[Mapping[str, str]], str] = both_cells,
) -> str:
    """A line for each file, and on each set its `cell`."""
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        lines.setdefault(name(row), {heading: name(row)})[row["set"]] = cell(row)
    return markdown(list(lines.values()), {key: key for key in next(iter(lines.values()))})


def write_cross_table(scored: Sequence[Scored], out: Path) -> Path:
    """Write cross_datasets.csv (every metric) and .png (the matrix in colours), and classes.csv, into `out`."""
    from ..reporting.plots import plot_matrix

    rows = [one.row for one in scored]
    write_classes(out / "classes.csv", scored)
    write_csv(out / "cross_datasets.csv", rows)
    plot_matrix(out / "cross_datasets.png", cross_table(rows), "file", headline(rows))
    return out / "cross_datasets.csv"
