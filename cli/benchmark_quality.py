"""How good it is: `portraitnet benchmark accuracy`, `fairness`, `edges`, `mattes`, `flicker`; and `runs`, a log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..runtime.errors import InputError
from .benchmark_options import RECIPE, RESULTS, Data, Models, Out, Peers, Recipe, default_models, print_results

if TYPE_CHECKING:
    from ..train.datasets import Source


def accuracy_command(
    data: Data, models: Models = None, peer: Peers = None, recipe: Recipe = RECIPE, out: Out = RESULTS
) -> None:
    """Foreground IoU, boundary IoU and pooled mIoU of each model on each held-out set of a recipe."""
    from ..benchmarks.quality.accuracy import benchmark_accuracy, table
    from ..runtime.console import progress_bar

    contestants, _ = _on_photographs(models, peer, recipe, data)
    with progress_bar() as progress:
        path = benchmark_accuracy(contestants, recipe, data, out, progress)
    print_results(path, table)


def fairness_command(
    data: Data, models: Models = None, peer: Peers = None, recipe: Recipe = RECIPE, out: Out = RESULTS
) -> None:
    """Accuracy by light, contrast, number of people, framing, size and shape of the picture."""
    from ..benchmarks.quality.fairness import benchmark_fairness, table
    from ..runtime.console import progress_bar

    contestants, sets = _on_photographs(models, peer, recipe, data)
    with progress_bar() as progress:
        path = benchmark_fairness(contestants, sets, out, progress)
    print_results(path, table)


def edges_command(
    data: Data,
    models: Models = None,
    recipe: Recipe = RECIPE,
    threads: Annotated[int, typer.Option(min=1, max=64, help="CPU threads for the cost of refinement.")] = 2,
    out: Out = RESULTS,
) -> None:
    """What levels and edge refinement bring on photographs, and what refinement costs at 720p."""
    from ..benchmarks.quality.edges import benchmark_edges, table
    from ..runtime.console import progress_bar

    contestants, sets = _on_photographs(models, None, recipe, data)
    with progress_bar() as progress:
        path = benchmark_edges(contestants, sets, out, threads, progress)
    print_results(path, table)


def mattes_command(
    models: Models = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with images/ and masks/ that are alpha; may be given several times."),
    ] = None,
    rendered: Annotated[int, typer.Option(min=0, help="Rendered portraits, whose alpha is exact.")] = 24,
    matting: Annotated[bool, typer.Option(help="Closed-form matting too: seconds for each picture.")] = True,
    holdout: Annotated[
        float, typer.Option(min=0, max=1, help="Only pictures of --data that a recipe's holdout of this share keeps.")
    ] = 0.0,
    out: Out = RESULTS,
) -> None:
    """SAD, MSE, Grad and Conn of alpha: without refinement, with edge refinement, and with matting."""
    from ..benchmarks.quality.mattes import benchmark_mattes, table
    from ..runtime.console import progress_bar

    if not (data or rendered):
        raise InputError("there is nothing to measure on: give --data, or --rendered above 0")
    contestants = default_models(models)
    with progress_bar() as progress:
        path = benchmark_mattes(contestants, data or [], rendered, matting, out, progress, holdout)
    print_results(path, table)


def flicker_command(
    data: Data,
    models: Models = None,
    recipe: Recipe = RECIPE,
    clips: Annotated[int, typer.Option(min=1, help="Clips of each kind of camera.")] = 20,
    out: Out = RESULTS,
) -> None:
    """How much masks tremble on clips made of photographs, with and without smoothing."""
    from ..benchmarks.quality.flicker import benchmark_flicker, table
    from ..runtime.console import progress_bar

    contestants, sets = _on_photographs(models, None, recipe, data)
    with progress_bar() as progress:
        path = benchmark_flicker(contestants, sets[:1], out, clips, progress)
    print_results(path, table)


def runs_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of training runs, stopped ones too.")],
    out: Out = RESULTS,
) -> None:
    """A log of training runs: recipe, steps done, last scores. Rows of other runs in runs.csv stay.

    runs_scores.csv holds every score of the last evaluation.
    """
    from ..benchmarks.reporting.runlog import log_runs
    from ..benchmarks.reporting.table import table

    print_results(log_runs(runs, out), table)


def _on_photographs(
    models: Sequence[Path] | None, peers: Sequence[Path] | None, recipe: str, data: Path
) -> tuple[list[Path], list[tuple[str, Source]]]:
    from ..benchmarks.quality.accuracy import held_out_sets

    contestants = [*(default_models(models) if models else []), *(peers or [])]
    if not contestants:
        raise InputError(
            "name at least one model: a .tflite, .onnx or .safetensors file, a bundle's folder, or a --peer"
        )
    return contestants, held_out_sets(recipe, data)


COMMANDS: dict[str, Callable[..., None]] = {
    "accuracy": accuracy_command,
    "fairness": fairness_command,
    "edges": edges_command,
    "mattes": mattes_command,
    "flicker": flicker_command,
    "runs": runs_command,
}
