"""`portraitnet benchmark`: one command for each experiment, a comparison of two runs, and the report of many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import benchmark_quality, benchmark_speed
from .run import comma_separated

benchmark_app = typer.Typer(
    no_args_is_help=True,
    help="Measure on this computer, compare two runs, or draw the report of many. Start with: portraitnet benchmark "
    "latency MODELS",
)
for experiments in (benchmark_speed.COMMANDS, benchmark_quality.COMMANDS):
    for name, command in experiments.items():
        benchmark_app.command(name)(command)


@benchmark_app.command("page")
def page_command(
    models: Annotated[list[Path] | None, typer.Argument(help=".tflite files or names; nano unless given.")] = None,
    engines: Annotated[str, typer.Option(help="Browsers to time.")] = "chromium,firefox,webkit",
    mediapipe: Annotated[
        Path | None,
        typer.Option(help="selfie_segmentation_landscape.tflite of the mediapipe wheel: its web task takes turns."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Counted rounds.")] = 7,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each contestant in a round.")] = 12,
    out: Annotated[Path, typer.Option(help="Folder for page.csv.")] = Path("benchmark-results"),
) -> None:
    """Frames/s and milliseconds by stage of the browser page, at 640x480 and 1280x720 (`make web-speed` builds it)."""
    from rich.progress import Progress

    from ..benchmarks.page.speed import benchmark_page
    from ..benchmarks.reporting.table import read_csv
    from ..runtime.shipped import find_model

    files = [find_model(model) for model in models or [Path("nano")]]
    with Progress() as progress:
        path = benchmark_page(files, out, comma_separated(engines), mediapipe, rounds, frames, progress)
    columns = ("engine", "contestant", "size", "frames_per_second", "model_ms", "compose_ms", "times_mediapipe")
    for row in read_csv(path):
        print("  ".join(row.get(key, "") for key in columns))
    print(path)


@benchmark_app.command("compare")
def compare_command(
    before: Annotated[Path, typer.Argument(help="A latency CSV of `portraitnet benchmark latency`.")],
    after: Annotated[Path, typer.Argument(help="Another one, with the same contestants.")],
    threshold: Annotated[
        float, typer.Option(min=0, help="Percent; exit code 1 when a contestant is slower by more, with confidence.")
    ] = 5.0,
    reference: Annotated[
        str, typer.Option(help="Part of one contestant's name: its time in each round is the unit of both runs.")
    ] = "",
) -> None:
    """Which differences of two runs are real: paired ratios with a 95 % interval; exit code 1 on a regression.

    In CI: portraitnet benchmark compare main.csv branch.csv --threshold 5 --reference resnet18
    """
    from ..benchmarks.reporting.compare import compare, comparison_rows
    from ..benchmarks.reporting.table import table

    comparison = compare(before, after, reference)
    print(table(comparison_rows(comparison, threshold / 100)))
    for names, where in ((comparison.only_before, before), (comparison.only_after, after)):
        if names:
            print(f"only in {where}: {'; '.join(names)}")
    if not comparison.same_machine and not reference:
        print("note: the two runs name different machines; --reference cancels a difference that falls on all alike")
    slower = comparison.regressions(threshold / 100)
    if slower:
        print(f"slower by more than {threshold:g} %: {'; '.join(change.name for change in slower)}")
        raise typer.Exit(1)


@benchmark_app.command("report")
def report_command(
    folder: Annotated[
        Path, typer.Argument(help="Folder with CSVs of `portraitnet benchmark` and `portraitnet phone`.")
    ],
    out: Annotated[Path | None, typer.Option(help="The page; FOLDER/report.html unless given.")] = None,
) -> None:
    """One self-contained page of everything measured: plots, tables, devices, and the commands that give them."""
    from ..benchmarks.reporting.report import write_report

    print(write_report(folder, out or folder / "report.html"))
