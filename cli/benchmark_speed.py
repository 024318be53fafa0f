"""What it costs: `portraitnet benchmark latency`, `roofline`, `live`, `video`, `startup`, `training` and `arm`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..runtime.errors import InputError
from .benchmark_options import (
    RECIPE,
    RESULTS,
    Models,
    Out,
    Peers,
    Recipe,
    ThreadCounts,
    default_models,
    print_results,
    thread_counts,
)
from .run import comma_separated, parse_size

Rivals = Annotated[
    bool,
    typer.Option(
        "--rivals",
        help="Add ResNet18/34/50/101 encoders; `--rivals pspnet`: PSPNet, ASPP, OCR (random weights: time alone).",
    ),
]
_PSPNET = Path("pspnet")  # in the place of a model: the networks of a published comparison
Runs = Annotated[int, typer.Option(min=1, help="Counted runs of each contestant.")]


def latency_command(
    models: Models = None,
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
    rivals: Rivals = False,
    peer: Peers = None,
    threads: ThreadCounts = "1,2",
    runs: Runs = 50,
    cold_starts: Annotated[
        int, typer.Option(min=0, help="Fresh processes for each contestant's cold start and peak memory.")
    ] = 3,
    data: Annotated[
        Path | None, typer.Option(help="Score every artefact on the first held-out set of --recipe below this folder.")
    ] = None,
    recipe: Recipe = RECIPE,
    out: Out = RESULTS,
) -> None:
    """Milliseconds of models: all contestants take turns in one process; median, p90, cold start, memory, end to end.

    portraitnet benchmark latency mobile-bundle --backend all --rivals

    The segmentation networks of a published comparison, against their published mIoU:
    portraitnet benchmark latency --rivals pspnet --size 512
    """
    from ..benchmarks.latency.computer import Measure, benchmark_latency
    from ..benchmarks.latency.contestants import RIVALS
    from ..benchmarks.latency.engines import chosen_engines
    from ..benchmarks.latency.published import PUBLISHED_MIOU
    from ..benchmarks.quality.accuracy import held_out_sets
    from ..benchmarks.reporting.table import latency_markdown
    from ..runtime.console import progress_bar

    counts = thread_counts(threads)
    published = rivals and _PSPNET in (models or [])
    named = [model for model in models or [] if not (published and model == _PSPNET)]
    contestants = [*(default_models(named) if named else []), *(peer or [])]
    if rivals and not (published or contestants):
        raise InputError("name at least one model that the ResNet encoders are the rivals of")
    others = tuple(PUBLISHED_MIOU) if published else RIVALS if rivals else ()
    with progress_bar() as progress:
        path = benchmark_latency(
            *(contestants, out, counts, others),
            data=held_out_sets(recipe, data)[0][1] if data else None,
            measure=Measure(runs, cold_starts),
            engines=chosen_engines(backend),
            sizes=[parse_size(one) for one in comma_separated(size)],
            progress=progress,
        )
    print_results(path, latency_markdown)


def roofline_command(
    models: Models = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="CPU threads.")] = 1,
    runs: Runs = 50,
    out: Out = RESULTS,
) -> None:
    """Where a .tflite's time goes: every layer timed by itself, beside what this machine does at best."""
    from ..benchmarks.latency.roofline import benchmark_roofline, table
    from ..runtime.console import progress_bar

    with progress_bar() as progress:
        path = benchmark_roofline(default_models(models), out, threads, runs, progress)
    print_results(path, table)


def live_command(
    models: Models = None,
    threads: ThreadCounts = "1,2",
    turns: Annotated[int, typer.Option(min=1, help="Turns of 60 frames for each contestant.")] = 9,
    soak: Annotated[int, typer.Option(min=0, help="Then so many frames in a row, watching memory.")] = 0,
    mediapipe_python: Annotated[
        Path | None, typer.Option(help="A Python with mediapipe 0.10.21, whose pipelines take turns with ours.")
    ] = None,
    out: Out = RESULTS,
) -> None:
    """Frames per second, and CPU time per frame, of whole pipelines at 720p; also beside MediaPipe's, at equal work.

    --threads are pictures under way at a time in the live pipeline, as `webcam --threads` has it.
    """
    from ..benchmarks.latency.live import benchmark_live, table
    from ..runtime.console import progress_bar

    counts = thread_counts(threads)
    with progress_bar() as progress:
        path = benchmark_live(default_models(models), counts, out, turns, soak, mediapipe_python, progress)
    print_results(path, table)


def video_command(
    models: Models = None,
    threads: ThreadCounts = "1",
    encoder: Annotated[str, typer.Option(help="Encoders of `run`: fast,small,hardware.")] = "fast",
    runs: Annotated[int, typer.Option(min=1, help="Runs of each contestant.")] = 3,
    out: Out = RESULTS,
) -> None:
    """Frames/s of `portraitnet run` on a 10 s clip of 1280x720, beside decoding and encoding alone.

    --threads are those of the model, as `run --threads` has it; the other stages have threads of their own.
    """
    from ..benchmarks.latency.video import benchmark_video, table
    from ..runtime.media.kinds import ENCODERS

    encoders = comma_separated(encoder)
    if not encoders or any(one not in ENCODERS for one in encoders):
        raise InputError(f"--encoder {encoder!r}: choose among {', '.join(ENCODERS)}")
    path = benchmark_video(default_models(models), thread_counts(threads), out, runs, encoders=encoders)
    print_results(path, table)


def startup_command(
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each command.")] = 10,
    out: Out = RESULTS,
) -> None:
    """Seconds that the command line takes to start, as whole processes."""
    from ..benchmarks.latency.startup import benchmark_startup, table

    print_results(benchmark_startup(out, repeats), table)


def training_command(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="As of `train`; on a CPU: run.batch=16 run.precision=32-true."),
    ] = None,
    recipe: Annotated[str, typer.Option(help="Whose training.")] = "portraitnet_mobile",
    data: Annotated[Path | None, typer.Option(help="Folder of the recipe's data sets (data.root).")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Counted steps of each contestant.")] = 20,
    out: Out = RESULTS,
) -> None:
    """Images per second of training, beside the network alone and the feed alone."""
    from ..benchmarks.latency.training import benchmark_training, table
    from ..runtime.console import progress_bar
    from ..train.recipe import load_recipe

    loaded = load_recipe(recipe, [*([f"data.root={data}"] if data else []), *(overrides or [])])
    with progress_bar() as progress:
        path = benchmark_training(loaded, out, steps, progress=progress)
    print_results(path, table)


def arm_command(models: Models = None, rivals: Rivals = False, out: Out = RESULTS) -> None:
    """Instructions of one inference on emulated ARM cores (after `make arm64`; Debian with qemu-user and gcc)."""
    from ..benchmarks.arm import benchmark_arm, table
    from ..runtime.console import progress_bar

    if any(model.suffix != ".tflite" for model in models or []):
        raise InputError("benchmark arm runs .tflite files; name those")
    with progress_bar() as progress:
        path = benchmark_arm(default_models(models), out, rivals, progress)
    print_results(path, table)


def page_command(
    models: Models = None,
    engines: Annotated[str, typer.Option(help="Browsers to time.")] = "chromium,firefox,webkit",
    mediapipe: Annotated[
        Path | None,
        typer.Option(
            help="MediaPipe's selfie_segmenter_landscape.tflite, with its metadata: its web task takes turns."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Counted rounds.")] = 7,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each contestant in a round.")] = 12,
    out: Out = RESULTS,
) -> None:
    """Frames/s and milliseconds by stage of the browser page, at 640x480 and 1280x720 (`make web-speed` builds it)."""
    from ..benchmarks.page.speed import benchmark_page, table
    from ..runtime.console import progress_bar
    from ..runtime.shipped import find_model

    with progress_bar() as progress:
        files = [find_model(model) for model in models or [Path("nano")]]
        path = benchmark_page(files, out, comma_separated(engines), mediapipe, rounds, frames, progress)
    print_results(path, table)


COMMANDS: dict[str, Callable[..., None]] = {
    "latency": latency_command,
    "roofline": roofline_command,
    "live": live_command,
    "video": video_command,
    "startup": startup_command,
    "training": training_command,
    "arm": arm_command,
    "page": page_command,
}
