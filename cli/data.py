"""`portraitnet data`: look at a data set before training on it, and label photographs that have no masks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..runtime.errors import InputError

data_app = typer.Typer(help="Check data sets, and label photographs with a teacher.", no_args_is_help=True)
_SHOWN = 20  # odd pictures named on the terminal


@data_app.command("check")
def check_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A data set, as it was downloaded.")],
    kind: Annotated[str, typer.Option(help="Read it as this kind; recognised by its files unless given.")] = "",
    classes: Annotated[
        str, typer.Option(help="Names of a folder set's labels, in order; background,person unless given.")
    ] = "",
    holdout: Annotated[float, typer.Option(help="Share held out by hash, for sets without splits.")] = 0.2,
    limit: Annotated[int, typer.Option(min=0, help="Read only so many pictures of each split.")] = 0,
    sheet: Annotated[Path, typer.Option(help="Where the contact sheet goes.")] = Path("data-check.png"),
) -> None:
    """Tell what a data set is, count its pictures, and name what is missing or odd in it.

    Knows: images/ + masks/ of your own (folder), EG1800 in three packs, Supervise-Portrait, AISegment, EasyPortrait,
    CelebAMask-HQ, PP-HumanSeg14K, P3M-10k, PASCAL VOC, Cityscapes and FASSEG. The contact sheet shows pictures under
    their labels, then the odd ones. Class weights are what `loss.class_weights: inverse_log` would use.
    """
    from ..runtime.console import progress_bar
    from ..train.data.balance import about_absent
    from ..train.data.check import check_data, write_contact_sheet
    from ..train.datasets.base import PORTRAIT_CLASSES

    names = tuple(part.strip() for part in classes.split(",") if part.strip()) or PORTRAIT_CLASSES
    with progress_bar() as progress:
        task = progress.add_task("reading", total=None)
        report = check_data(
            folder, kind, names, limit, holdout, lambda total: progress.update(task, total=total, advance=1)
        )
    also = f" (also readable as {', '.join(report.others)})" if report.others else ""
    print(f"{folder}: {report.kind}{also}")
    for split, source in report.sources.items():
        lacking = f", {len(source.skipped)} without a file: {', '.join(source.skipped[:3])}" if source.skipped else ""
        print(f"  {split}: {len(source)} pictures{lacking}")
    for problem in report.problems:
        print(f"  not usable: {problem}")
    if report.sizes:
        areas = sorted(report.sizes, key=lambda size: size[0] * size[1])
        smallest, middle, largest = (f"{s[1]}x{s[0]}" for s in (areas[0], areas[len(areas) // 2], areas[-1]))
        print(f"  {len(areas)} read; sizes {smallest} to {largest}, median {middle}\n")
    print(f"{'class':20} {'of pixels':>10} {'in pictures':>12} {'weight':>8}")
    shares = report.shares
    for name, pixels, pictures, weight in zip(
        report.classes, shares.pixels, shares.pictures, shares.weights, strict=True
    ):
        print(f"{name:20} {100 * pixels:9.2f}% {100 * pictures:11.1f}% {weight:8.3f}")
    print(f"\nodd: {len(report.odd) or 'nothing'}")
    for oddity in report.odd[:_SHOWN]:
        print(f"  {oddity.split} {oddity.name}: {oddity.what}")
    if len(report.odd) > _SHOWN:
        print(f"  and {len(report.odd) - _SHOWN} more")
    write_contact_sheet(sheet, report)
    print(f"contact sheet: {sheet}")
    if report.unreadable:
        total = report.unreadable + len(report.sizes)
        raise InputError(f"{report.unreadable} of {total} pictures cannot be used; they are named above")
    if warning := about_absent(report.absent, report.classes):
        print(f"WARNING: {warning}", file=sys.stderr)


@data_app.command("label")
def label_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Photographs.")],
    out: Annotated[Path, typer.Option(help="Folder that will train as a `folder` set.")],
    teacher: Annotated[
        str, typer.Option(help="sam, or one of our models: a bundle's folder, .safetensors, .onnx or .tflite.")
    ],
    sam_weights: Annotated[
        Path | None, typer.Option(help="Folder of a SAM for transformers: config.json, model.safetensors.")
    ] = None,
    prompt: Annotated[
        Path | None, typer.Option(help="Model whose people SAM is asked for; the shipped one unless given.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="CPU threads.")] = 2,
    device: Annotated[str, typer.Option(help="Where SAM runs: cpu, cuda or mps.")] = "cpu",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Label again what has a mask in --out.")] = False,
    soft: Annotated[
        bool, typer.Option("--soft", help="Write the teacher's alpha as masks: soft labels, for loss.soft_labels.")
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(metavar="MASKS", help="With --soft: masks by hand of the same names, mixed half and half."),
    ] = None,
) -> None:
    """Write masks, with a confidence for every pixel, for photographs that have none.

    OUT gets images (a link to DIR), masks/, confidence/, labels.csv and comparison.png. It trains as a `folder` set, in
    which pixels of low confidence are left out. Started again, it goes on where it stopped.

    With --soft a run can learn from the teacher without asking it at every step (loss.soft_labels): OUT trains as an
    `alpha_folder` set. In pictures that have a mask in --truth each pixel keeps its label; the teacher's share only
    makes it less certain.
    """
    from ..export.models import open_model
    from ..runtime.backends import default_weights
    from ..runtime.console import progress_bar
    from ..train.labelling.label import label_folder
    from ..train.labelling.teacher import ModelTeacher, SamTeacher, Teacher

    chosen: Teacher
    if truth is not None and not soft:
        raise InputError("--truth is mixed into soft labels; add --soft")
    if device not in ("cpu", "cuda", "mps"):
        raise InputError(f"device {device!r} is none of cpu, cuda, mps")
    if teacher == "sam":
        if sam_weights is None:
            raise InputError("SAM needs --sam-weights FOLDER (config.json, model.safetensors, ...)")
        chosen = SamTeacher(sam_weights, open_model(prompt or default_weights(), threads), device)
    else:
        chosen = ModelTeacher(open_model(Path(teacher), threads))
    with progress_bar() as progress:
        task = progress.add_task("labelling", total=None)
        label_folder(
            folder, out, chosen, overwrite, lambda total: progress.update(task, total=total, advance=1), soft, truth
        )
    print(f"labels: {out}\ncomparison: {out / 'comparison.png'}")
    if soft:
        print(f"a set of a recipe: {{kind: alpha_folder, path: {out}}}, with loss.soft_labels above 0")
    else:
        print(f"train on them with: portraitnet train portraitnet_folder data.root={out}")


@data_app.command("sam")
def sam_command(
    pictures: Annotated[list[Path], typer.Argument(help="Photographs.")],
    sam_weights: Annotated[
        Path, typer.Option(help="Folder of a SAM for transformers: config.json, model.safetensors.")
    ],
    out: Annotated[Path, typer.Option(help="The figure to write.")] = Path("sam.png"),
    model: Annotated[
        list[Path] | None, typer.Option(help="Semantic models shown beside; the first one's people are boxes.")
    ] = None,
    point: Annotated[
        list[str] | None, typer.Option(help="Point prompt X,Y as shares of the picture; its middle unless given.")
    ] = None,
    grid: Annotated[int, typer.Option(min=1, max=64, help="Everything: so many points a side.")] = 16,
    threads: Annotated[int, typer.Option(min=1, max=64, help="CPU threads.")] = 2,
    device: Annotated[str, typer.Option(help="Where SAM runs: cpu, cuda or mps.")] = "cpu",
) -> None:
    """Show Segment Anything's masks for boxes, for points and of everything, beside semantic masks, in one figure."""
    from ..benchmarks.quality.accuracy import open_all
    from ..runtime.backends import default_weights
    from ..train.labelling.prompts import parse_points, write_prompts
    from ..train.labelling.sam import Sam

    points = parse_points(point or [])
    if device not in ("cpu", "cuda", "mps"):
        raise InputError(f"device {device!r} is none of cpu, cuda, mps")
    models = open_all(model or [default_weights()], threads)
    write_prompts(out, pictures, Sam(sam_weights, device), models, points, grid)
    print(f"figure: {out}")
