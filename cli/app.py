"""`portraitnet`: train, evaluate, export, run and benchmark portrait segmentation, each in one command."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from .. import __version__
from ..runtime.errors import InputError, one_line
from .api import api_command
from .benchmark import benchmark_app
from .data import data_app
from .export import export_command
from .models import models_command
from .phone import phone_app
from .run import Threads, comma_separated, run_command, serve_command, webcam_command

app = typer.Typer(
    help="Train, export, run and benchmark portrait segmentation for phones. Start with: portraitnet demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Top-level module -> the pip extra that brings it.
_EXTRAS = {
    "train": ["torch", "timm", "lightning", "safetensors", "filelock", "yaml", "scipy", "tensorboard", "tensorboardX"],
    "teacher": ["transformers"],
    "export": ["onnx", "onnxscript", "coremltools", "litert_torch", "ai_edge_quantizer", "tensorflow"],
    "executorch": ["executorch"],
    "report": ["matplotlib", "skimage", "jinja2"],
    "matting": ["pymatting", "numba"],
    "api": ["fastapi", "uvicorn", "prometheus_client", "python_multipart"],
}

_INTERRUPTED = 130  # exit code

app.add_typer(data_app, name="data")
app.add_typer(benchmark_app, name="benchmark")
app.add_typer(phone_app, name="phone")
app.command("run")(run_command)
app.command("webcam")(webcam_command)
app.command("serve")(serve_command)
app.command("api")(api_command)
app.command("export")(export_command)
app.command("models")(models_command)


def main() -> None:
    """Entry point: bad input is one line on stderr and exit code 2; Ctrl-C is exit code 130."""
    # TensorFlow and its kin announce themselves on stderr, where users look for our one clear line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # Threads that spin while they wait starve the data loader's, and whatever else runs, by a factor of ten.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    stopped_by = _stop_as_by_ctrl_c()
    try:
        from ..runtime.console import show_notices

        show_notices()
        app()
    except InputError as error:
        _fail(str(error), 2)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        extra = next((name for name, modules in _EXTRAS.items() if missing in modules), None)
        if extra is None:
            raise
        _fail(f"this command needs {missing}; install it with: pip install 'portraitnet[{extra}]'", 2)
    except BrokenPipeError:  # the reader of our output left, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise
        _fail(one_line(f"{error.filename}: {error.strerror}"), 2)
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != _INTERRUPTED:  # what Typer makes of KeyboardInterrupt
            raise
        if stopped_by:
            _fail("stopped", 128 + stopped_by[0])
        _fail("interrupted", _INTERRUPTED)


def _stop_as_by_ctrl_c() -> list[int]:
    """Let a closed terminal or a stopped service finish recordings and remove half files, as Ctrl-C does.

    Returns a list that will hold the signal that came.
    """
    process = os.getpid()
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a data loader's worker, which has nothing to finish
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        came.append(number)
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):  # Windows has no second
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP: so do we
            signal.signal(number, stop)
    return came


def _fail(message: str, code: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(code) from None


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


demo_app = typer.Typer(help="Everything once, on what ships; or a drawing of the camera's geometry.")
app.add_typer(demo_app, name="demo")


@demo_app.callback(invoke_without_command=True)
def demo_command(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("demo-report"),
) -> None:
    """Everything once, on what ships: train, export, run, benchmark; ends with an HTML report."""
    from ..benchmarks.demo import demo

    if context.invoked_subcommand is None:
        print(f"report: {demo(out)}")


@demo_app.command("camera")
def demo_camera_command(
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("camera.png"),
) -> None:
    """Draw a picture under a similarity (scale 0.5, 45 degrees, shift (50, -50)), and a cube projected into it."""
    from ..train.synthetic.cube import draw_camera

    print(f"drawing: {draw_camera(out)}")


@app.command("train")
def train_command(
    recipe: Annotated[str, typer.Argument(help="A recipe that ships (`portraitnet recipes`), or a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Changes to it: section.key=value, as in run.steps=900.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/RECIPE unless given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    logger: Annotated[
        str, typer.Option(help="tensorboard, csv, wandb or mlflow; several separated by commas; none.")
    ] = "tensorboard",
) -> None:
    """Train a recipe. `portraitnet train demo` needs no data set: it learns from rendered portraits.

    Your own photographs (images/ and masks/ with the same names in DIR):
    portraitnet train portraitnet_folder data.root=DIR

    On several GPUs: torchrun --nproc-per-node N -m portraitnet train RECIPE ...
    """
    from ..train.loop import train
    from ..train.recipe import load_recipe

    if accelerator not in ("auto", "cpu", "cuda", "mps"):
        raise InputError(f"accelerator {accelerator!r} is none of auto, cpu, cuda, mps")
    loaded = load_recipe(recipe, overrides or [])
    loggers = [] if logger == "none" else comma_separated(logger)
    best = train(loaded, out or Path("runs") / loaded.name, resume, accelerator, loggers)
    print(f"best checkpoint: {best}")


@app.command("recipes")
def recipes_command() -> None:
    """List the recipes that ship, with what each one says about itself."""
    from ..train.recipe import load_recipe, shipped_recipes

    for name in shipped_recipes():
        print(name)
        print(textwrap.indent(textwrap.fill(load_recipe(name).about, 96), "    "))


@app.command("evaluate")
def evaluate_command(
    models: Annotated[
        list[Path], typer.Argument(help=".safetensors, .onnx, .tflite, .mlpackage, or bundles' folders.")
    ],
    data: Annotated[list[str], typer.Option(help="Data set, as DIR or KIND:DIR; may be given several times.")],
    kind: Annotated[str, typer.Option(help="folder, voc, voc_person, eg1800_portraitnet, ...")] = "folder",
    split: Annotated[str, typer.Option(help="train, val or all.")] = "all",
    holdout: Annotated[float, typer.Option(help="Share held out by file hash, for sets without splits.")] = 0.2,
    only_portraits: Annotated[bool, typer.Option(help="Keep pictures framed like portraits.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="At most so many pictures of each set.")] = 0,
    worst: Annotated[Path | None, typer.Option(help="Write a sheet of the worst cases to this picture.")] = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="Write photographs, truths and every model's masks side by side to this picture."),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, max=200, help="Photographs of each set in --figure.")] = 20,
    edge_refine: Annotated[bool, typer.Option("--edge-refine", help="Score portraits with refined edges.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the scores to this folder, as CSV and PNG.")] = None,
    threads: Threads = 2,
) -> None:
    """Score models in any format by the same code: foreground IoU per image, boundary IoU, pooled mIoU.

    Models of many classes also get IoU, accuracy and Dice of each class. Several models or several sets give the
    cross-data-set table, a row for each model:
    portraitnet evaluate a.safetensors b.tflite --data people --data voc_person:VOCdevkit

    --figure shows pictures that cover all classes, a row for each: photograph, truth, model 1, model 2 ... A folder of
    photographs without masks is shown alone: portraitnet evaluate small mobile --data photos --figure side-by-side.png
    """
    from ..benchmarks.quality.accuracy import class_table, cross_table, headline, open_all, score, write_cross_table
    from ..benchmarks.reporting.table import table
    from ..export.models import open_model
    from ..runtime.console import progress_bar
    from ..train.datasets import label_of, open_source, source_kinds
    from ..train.evaluate import photographs, shots_of, without_masks, write_figure, write_worst_cases
    from ..train.recipe import SourceSpec

    segmenter = open_model(models[0], threads=threads)
    if figure and all(without_masks(Path(place)) for place in data):
        shots = (shot for place in data for shot in photographs(Path(place), pictures))
        write_figure(figure, open_all(models, threads), shots)
        print(f"figure: {figure}")
        return
    sets = []
    for place in data:
        named, _, path = place.partition(":")
        chosen, path = (named, path) if path and named in source_kinds() else (kind, place)
        spec = SourceSpec(chosen, path, split, holdout, only_portraits=only_portraits, limit=limit)
        sets.append((label_of(spec), open_source(spec, Path(), segmenter.contract.size, segmenter.contract.classes)))
    single = len(models) * len(sets) == 1
    if worst and not single:
        raise InputError("--worst shows one model on one set; name one of each")
    with progress_bar() as progress:
        scored = score(models, sets, progress, edge_refine)
    rows = [one.row for one in scored]
    if single:
        for name, value in scored[0].scores.summary().items():
            print(f"{name:20} {value:.4f}" if isinstance(value, float) else f"{name:20} {value}")
    else:
        print(f"{headline(rows)}\n")
        print(table(cross_table(rows)))
    if len(scored[0].classes) > 2:
        print(f"\n{table(class_table(scored))}")
    if out:
        print(write_cross_table(scored, out))
    if figure:
        shots = (shot for _, source in sets for shot in shots_of(source, pictures))
        write_figure(figure, open_all(models, threads), shots)
        print(f"figure: {figure}")
    if worst:
        write_worst_cases(worst, segmenter, sets[0][1], scored[0].scores)
        print(f"worst cases: {worst}")
