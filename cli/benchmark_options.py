"""Options that several commands of `portraitnet benchmark` share, and how their results are printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..runtime.errors import InputError
from .run import comma_separated

MOST_THREADS = 64

Models = Annotated[
    list[Path] | None,
    typer.Argument(help="Models that ship by name, bundles' folders, .tflite, .onnx, .pte, .safetensors files."),
]
Peers = Annotated[
    list[Path] | None, typer.Option("--peer", help="A peer's YAML (benchmarks/peers/*.yaml); repeatable.")
]
Out = Annotated[Path, typer.Option(help="Folder for CSV, Markdown and plots.")]
Data = Annotated[Path, typer.Option(help="Folder of the recipe's held-out data sets.")]
Recipe = Annotated[str, typer.Option(help="Whose held-out sets; portraitnet_folder for images/ and masks/.")]
ThreadCounts = Annotated[str, typer.Option(help="Thread counts, as in 1,2.")]
RESULTS = Path("benchmark-results")
RECIPE = "portraits_test"


def thread_counts(text: str) -> tuple[int, ...]:
    """Counts from `1,2`. Raises InputError when any part is no count from 1 to 64."""
    counts = []
    for part in comma_separated(text) or [text]:
        if not (part.isascii() and part.isdigit() and 1 <= int(part[:4]) <= MOST_THREADS):
            raise InputError(f"--threads {text!r}: {part!r} is no count from 1 to {MOST_THREADS}; write 1,2")
        counts.append(int(part))
    return tuple(dict.fromkeys(counts))


def default_models(models: Sequence[Path] | None) -> list[Path]:
    """The files of the models as named on the command line, or of the shipped default."""
    from ..runtime.shipped import DEFAULT, find_model

    return [find_model(model) for model in models or [Path(DEFAULT)]]


def print_results(path: Path, table: Callable[[Sequence[Mapping[str, str]]], str]) -> None:
    """Print a results file as its experiment's table, then where it lies."""
    from ..benchmarks.reporting.table import read_csv

    print(table(read_csv(path)))
    print(path)
