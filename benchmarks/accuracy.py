"""Scores of several models, in any format, on the held-out sets of a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.progress import Progress

from ..export.models import open_model
from ..runtime.errors import InputError
from ..train.datasets import Source, label_of, open_source
from ..train.evaluate import evaluate
from ..train.recipe import load_recipe
from .table import provenance, write_csv


def held_out_sets(recipe: str, root: Path) -> list[tuple[str, Source]]:
    """The recipe's validation sets below `root`, each with its short name."""
    loaded = load_recipe(recipe)
    return [
        (label_of(spec), open_source(spec, root, loaded.data.size, loaded.model.classes))
        for spec in loaded.data.validate
    ]


def score(models: Sequence[Path], sets: Sequence[tuple[str, Source]], progress: Progress) -> list[dict[str, object]]:
    """Every metric of every model file on every set: a row for each pair, set by set.

    Raises InputError when a model knows other classes than a set.
    """
    if not models:
        raise InputError("name the models to score: .safetensors, .onnx, .tflite, .mlpackage or bundles' folders")
    alike = len({model.name for model in models}) < len(models)  # runs/a/best and runs/b/best
    rows: list[dict[str, object]] = []
    for label, source in sets:
        for model in models:
            segmenter = open_model(model)
            if segmenter.contract.classes != source.classes:
                raise InputError(
                    f"{model} has {len(segmenter.contract.classes)} classes but set {label} has {len(source.classes)}"
                )
            task = progress.add_task(f"{label}, {model.name}", total=len(source))
            scores = evaluate(segmenter, source, partial(progress.advance, task)).summary()
            rows.append(
                {"set": label, "file": "/".join(model.parts[-2:]) if alike else model.name, **scores, **provenance()}
            )
    return rows


def benchmark_accuracy(models: Sequence[Path], recipe: str, root: Path, out: Path, progress: Progress) -> Path:
    """Write accuracy_NAME.csv into `out`: `score` on the recipe's held-out sets below `root`."""
    path = out / f"accuracy_{recipe.removeprefix('portraitnet_')}.csv"
    write_csv(path, score(models, held_out_sets(recipe, root), progress))
    return path


def headline(rows: Sequence[Mapping[str, object]]) -> str:
    """The metric that sums up the rows of `score`: of portraits, or of many classes."""
    return "miou" if "miou" in rows[0] else "fg_iou_per_image"


def cross_table(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """The headline metric of `score` as a matrix: a row for each model, a column for each set."""
    metric = headline(rows)
    matrix: dict[object, dict[str, object]] = {}
    for row in rows:
        matrix.setdefault(row["file"], {"file": row["file"]})[str(row["set"])] = row[metric]
    return list(matrix.values())


def write_cross_table(rows: Sequence[Mapping[str, object]], out: Path) -> Path:
    """Write cross_datasets.csv (every metric) and cross_datasets.png (the matrix in colours) into `out`."""
    from .plots import plot_matrix

    write_csv(out / "cross_datasets.csv", rows)
    plot_matrix(out / "cross_datasets.png", cross_table(rows), "file", headline(rows))
    return out / "cross_datasets.csv"
