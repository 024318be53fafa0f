"""Scores of several models, in any format, on the held-out sets of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
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


def benchmark_accuracy(models: Sequence[Path], recipe: str, root: Path, out: Path, progress: Progress) -> Path:
    """Write accuracy_NAME.csv into `out`: one row per held-out set and model file."""
    if not models:
        raise InputError("name the models to score: .safetensors, .onnx, .tflite, .mlpackage or bundles' folders")
    rows: list[dict[str, object]] = []
    for label, source in held_out_sets(recipe, root):
        for model in models:
            segmenter = open_model(model)
            task = progress.add_task(f"{label}, {model.name}", total=len(source))
            scores = evaluate(segmenter, source, partial(progress.advance, task)).summary()
            rows.append({"set": label, "file": model.name, **scores, **provenance()})
    path = out / f"accuracy_{recipe.removeprefix('portraitnet_')}.csv"
    write_csv(path, rows)
    return path
