"""Scores of several models, in any format, on the held-out sets of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

from ..export.models import open_model
from ..runtime.errors import InputError
from ..train.datasets import label_of, open_source
from ..train.evaluate import evaluate
from ..train.recipe import load_recipe
from .table import provenance, write_csv


def benchmark_accuracy(models: Sequence[Path], recipe: str, root: Path, out: Path, progress: Progress) -> Path:
    """Write accuracy_NAME.csv into `out`: one row per model file and held-out set below `root`."""
    if not models:
        raise InputError("name the models to score: .safetensors, .onnx, .tflite, .mlpackage or bundles' folders")
    held_out = load_recipe(recipe).data.validate
    rows = []
    for spec in held_out:
        for model in models:
            segmenter = open_model(model)
            source = open_source(spec, root, segmenter.contract.size, segmenter.contract.classes)
            task = progress.add_task(f"{label_of(spec)}, {model.name}", total=len(source))
            scores = evaluate(segmenter, source, lambda t=task: progress.advance(t)).summary()
            rows.append({"set": label_of(spec), "file": model.name, **scores, **provenance()})
    path = out / f"accuracy_{recipe.removeprefix('portraitnet_')}.csv"
    write_csv(path, rows)
    return path
