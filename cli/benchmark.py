"""`portraitnet benchmark`: measure here, compare two runs, and draw the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from ..runtime.errors import InputError
from .run import comma_separated, parse_size

if TYPE_CHECKING:
    from rich.progress import Progress

_EXPERIMENTS = (
    "latency, roofline, accuracy, fairness, edges, flicker, video (720p clip), live, training, startup, arm, runs"
)


class _MeasureUnlessNamed(TyperGroup):
    """`benchmark MODEL ...` means `benchmark measure MODEL ...`: the word is only there for --help."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["measure", *args]
        return super().parse_args(ctx, args)  # type: ignore[arg-type]


benchmark_app = typer.Typer(
    cls=_MeasureUnlessNamed,
    no_args_is_help=True,
    help="Measure on this computer (`benchmark MODELS`), compare two runs, or draw the report of many.",
)


@benchmark_app.command("measure")
def measure_command(
    models: Annotated[
        list[Path] | None, typer.Argument(help="Bundles' folders, or .tflite, .onnx, .pte, .safetensors files.")
    ] = None,
    what: Annotated[str, typer.Option(help=f"{_EXPERIMENTS}.")] = "latency",
    backend: Annotated[
        str,
        typer.Option(
            help="torch, torch-compiled, onnxruntime, openvino, litert, tensorflow, executorch, coreml, or all that "
            "are installed; the usual ones unless given."
        ),
    ] = "",
    size: Annotated[
        str, typer.Option(help="Export .safetensors at these input sizes, as 128,224,160x256, and time those.")
    ] = "",
    rivals: Annotated[
        bool, typer.Option("--rivals", help="Add ResNet18/34/50/101 encoders (random weights: time alone).")
    ] = False,
    peer: Annotated[
        list[Path] | None,
        typer.Option(help="A peer's YAML (benchmarks/peers/*.yaml), for latency and accuracy; may be repeated."),
    ] = None,
    threads: Annotated[str, typer.Option(help="Thread counts.")] = "1,2",
    runs: Annotated[int, typer.Option(min=1, help="Counted runs of each contestant; for flicker, clips.")] = 50,
    cold_starts: Annotated[
        int, typer.Option(min=0, help="Fresh processes for each contestant's cold start and peak memory.")
    ] = 3,
    data: Annotated[
        Path | None,
        typer.Option(help="Score on --recipe's held-out sets below this folder (latency: on the first)."),
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="Whose held-out sets, or whose training; portraitnet_folder for images/ and masks/.")
    ] = "portraitnet_mobile",
    soak: Annotated[int, typer.Option(min=0, help="For live: so many frames in a row, watching memory.")] = 0,
    mediapipe_python: Annotated[
        Path | None, typer.Option(help="For live: a Python with mediapipe 0.10.21, whose example takes turns.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for CSV, Markdown and plots.")] = Path("benchmark-results"),
) -> None:
    """Measure on this computer: all contestants take turns in one process; median, p90 and count are told.

    The word `measure` may be left out: portraitnet benchmark mobile-bundle --backend all --rivals
    """
    from rich.progress import Progress

    from ..benchmarks.reporting.table import read_csv
    from ..runtime.shipped import find_model

    ours = [find_model(model) for model in models or []]
    contestants = [*ours, *(peer or [])]
    counts = tuple(int(t) for t in comma_separated(threads) if t.isdigit() and int(t) > 0)
    if not counts:
        raise InputError(f"threads {threads!r}: write counts such as 1,2")
    with Progress() as progress:
        if what == "latency":
            from ..benchmarks.latency.computer import Measure, benchmark_latency
            from ..benchmarks.latency.contestants import RIVALS
            from ..benchmarks.latency.engines import chosen_engines
            from ..benchmarks.quality.accuracy import held_out_sets

            path = benchmark_latency(
                *(contestants, out, counts, RIVALS if rivals else ()),
                data=held_out_sets(recipe, data)[0][1] if data else None,
                measure=Measure(runs, cold_starts),
                engines=chosen_engines(backend),
                sizes=[parse_size(one) for one in comma_separated(size)],
                progress=progress,
            )
        elif what == "roofline":
            from ..benchmarks.latency.roofline import benchmark_roofline

            path = benchmark_roofline(ours or [_default()], out, counts[0], runs, progress)
        elif what == "accuracy":
            from ..benchmarks.quality.accuracy import benchmark_accuracy

            path = benchmark_accuracy(contestants, recipe, data or Path(), out, progress)
        elif what in ("fairness", "edges", "flicker"):
            path = _on_pictures(what, contestants, recipe, data, runs, out, progress)
        elif what == "arm":
            from ..benchmarks.arm import benchmark_arm

            path = benchmark_arm(ours or [_default()], out, rivals, progress)
        elif what == "live":
            from ..benchmarks.latency.live import benchmark_live

            path = benchmark_live(ours or [_default()], counts, out, runs, soak, mediapipe_python, progress)
        elif what == "training":
            from ..benchmarks.latency.training import benchmark_training
            from ..train.recipe import load_recipe

            loaded = load_recipe(recipe, [f"data.root={data}"] if data else [])
            path = benchmark_training(loaded, out, runs, progress=progress)
        elif what == "runs":
            from ..benchmarks.reporting.runlog import log_runs

            path = log_runs(ours, out)
        elif what == "video":
            from ..benchmarks.latency.commands import benchmark_video

            path = benchmark_video(out, ours[0] if ours else None)
        elif what == "startup":
            from ..benchmarks.latency.commands import benchmark_startup

            path = benchmark_startup(out)
        else:
            raise InputError(f"--what {what!r} is none of {_EXPERIMENTS}")
    if what == "latency":
        print(path.with_suffix(".md").read_text(encoding="utf-8"))
    elif what == "roofline":
        _print_slowest(path)
    else:
        for row in read_csv(path):
            print("  ".join(row[key] for key in row if key not in ("machine", "python", "versions")))
    print(path)


@benchmark_app.command("compare")
def compare_command(
    before: Annotated[Path, typer.Argument(help="A latency CSV of `portraitnet benchmark`.")],
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


def _on_pictures(
    what: str, contestants: list[Path], recipe: str, data: Path | None, runs: int, out: Path, progress: Progress
) -> Path:
    from ..benchmarks.quality.accuracy import held_out_sets
    from ..benchmarks.quality.edges import benchmark_edges
    from ..benchmarks.quality.fairness import benchmark_fairness
    from ..benchmarks.quality.flicker import benchmark_flicker

    if not contestants or data is None:
        raise InputError(f"--what {what} needs models, and --data with the photographs of --recipe's held-out sets")
    sets = held_out_sets(recipe, data)
    if what == "fairness":
        return benchmark_fairness(contestants, sets, out, progress)
    if what == "edges":
        return benchmark_edges(contestants, sets, out, 2, progress)
    return benchmark_flicker(contestants, sets[:1], out, runs, progress)


def _default() -> Path:
    from ..runtime.backends import default_weights

    return default_weights()


def _print_slowest(path: Path) -> None:
    from ..benchmarks.latency.roofline import slowest
    from ..benchmarks.reporting.table import read_csv

    rows = read_csv(path)
    whole = rows[-1]
    print(
        f"whole model {float(whole['median_ms']):.2f} ms, {100 * float(whole['share_of_limit']):.0f} % of what this "
        f"machine did at best ({float(whole['peak_gmacs']):.0f} G MAC/s, {float(whole['copy_gb_per_second']):.0f} GB/s)"
    )
    for row in slowest(rows):
        share = f"{100 * float(row['share_of_limit']):.0f} % of its {row['bound']} limit"
        print(f"  {row['layer']}: {float(row['median_ms']):.2f} ms, {share}")
