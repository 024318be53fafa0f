"""`portraitnet demo`: the whole way on what ships, ending in one HTML page to look at."""

from __future__ import annotations

import time
from pathlib import Path

import jinja2
import torch
from rich.console import Console
from rich.progress import Progress

from ..export.bundle import export_bundle
from ..export.calibration import Pictures
from ..runtime.backends import default_weights
from ..runtime.contract import Artefact
from ..runtime.files import write_text
from ..runtime.media.images import save_image
from ..runtime.process import run
from ..runtime.segmenter import Segmenter
from ..train.data.augment import Target, augment
from ..train.data.draws import Canvases, draw
from ..train.datasets.synthetic import Synthetic
from ..train.engine.checkpoint import load_checkpoint
from ..train.engine.history import read_history
from ..train.loop import train
from ..train.recipe import SourceSpec, load_recipe
from ..train.synthetic import render_portrait
from .latency.clip import sample_portrait, write_panning_clip
from .latency.computer import Measure, benchmark_latency
from .reporting import plots
from .reporting.table import read_csv

PAGE = "index.html"
_BACKGROUNDS = {"blur": "blur", "colour": "#2f7d6b"}


def demo(out: Path, steps: int = 0, runs: int = 30) -> Path:
    """Train on rendered portraits, export the shipped weights, run them, time them; returns the HTML page.

    `steps` shortens the training run and `runs` the timing, for tests; 0 keeps the recipe's steps.
    """
    console = Console()
    began = time.monotonic()
    console.rule("1/4  train on rendered portraits (no download)")
    trained = _train(out, steps)
    console.rule("2/4  export the shipped weights, each artefact proven equal to its torch model")
    checkpoint = load_checkpoint(default_weights().with_suffix(".safetensors"))
    bundle = out / "bundle"
    contract = export_bundle(checkpoint, bundle, calibration=_variants(checkpoint.size), on_progress=console.print)
    console.rule("3/4  replace a background, in a picture and in a clip")
    _pictures(out)
    console.rule("4/4  measure latency")
    with Progress() as progress:
        scenes = Synthetic(contract.size, split="val", limit=48)
        csv = benchmark_latency(
            *([bundle], out / "benchmark"),
            rivals=("resnet18", "resnet50"),
            data=scenes,
            measure=Measure(runs, cold_starts=1),
            progress=progress,
        )
    page = _template().render(
        trained=trained,
        checkpoint=checkpoint.facts,
        contract=contract,
        parity=[_parity_row(artefact) for artefact in contract.artefacts],
        latency=sorted(read_csv(csv), key=lambda row: (row["threads"], float(row["median_ms"]))),
        minutes=(time.monotonic() - began) / 60,
    )
    write_text(out / PAGE, page)
    console.print(f"[bold]open {out / PAGE}[/bold]")
    return out / PAGE


def _parity_row(artefact: Artefact) -> dict[str, str]:
    facts = artefact.parity
    place = facts.get("xnnpack")
    drop = facts.get("accuracy_drop")
    return {
        "artefact": artefact.file,
        "MB": f"{artefact.bytes / 1e6:.1f}",
        "largest difference": f"{facts['max_abs']:.2g}",
        "mask IoU": f"{facts['mask_iou']:.4f}",
        "accuracy lost": "–" if drop is None else f"{drop:+.2f} points",
        "XNNPACK": f"{place['delegated']} of {place['nodes']} nodes, {place['partitions']} partition" if place else "–",
        "gate": facts["failed"] or "passed",
    }


def _train(out: Path, steps: int) -> dict[str, object]:
    folder = out / "training"
    changes = [f"run.steps={steps}", f"run.evaluate_every={steps}"] if steps else []
    recipe = load_recipe("demo", changes)
    # An earlier demo's run is continued; when it was finished, nothing is left to do.
    best = train(recipe, folder, resume=True)
    history, scores = read_history(folder / "steps.csv"), read_history(folder / "scores.csv")
    plots.plot_training(out / "training.png", history, scores)
    for index, seed in enumerate((3, 11, 27)):
        save_image(out / f"rendered-{index}.png", render_portrait(seed, (224, 224))[0])
    return {"recipe": recipe, "checkpoint": best, "scores": scores[-1], "first_loss": history[0]["loss"]}


def _variants(size: tuple[int, int], count: int = 96) -> Pictures:
    """The one photograph that needs no download, turned, zoomed, shifted and recoloured as in training."""
    photograph = torch.from_numpy(sample_portrait())
    height, width, _ = photograph.shape
    images, nobody = photograph.expand(count, -1, -1, -1), torch.zeros(count, height, width, dtype=torch.uint8)
    whole = torch.tensor([[0, 0, height, width]] * count)
    spec = load_recipe("portraitnet_mobile").data.augment
    _, draws = draw(0, 0, count, [1], [SourceSpec("folder")], spec)
    canvases = Canvases.plain(images, nobody, whole)
    changed, _, _ = augment(canvases, draws, Target(size))
    views = list(changed.permute(0, 2, 3, 1).to(torch.uint8).contiguous().numpy())
    return Pictures(views[: count // 2], views[count // 2 :], None, "variants of the sample portrait")


def _pictures(out: Path) -> None:
    segmenter = Segmenter.load(default_weights())
    portrait = out / "portrait.png"
    save_image(portrait, sample_portrait())
    jobs = {f"portrait-{name}.png": (spec, "composite") for name, spec in _BACKGROUNDS.items()}
    jobs["portrait-mask.png"] = ("none", "mask")
    jobs["portrait-cutout.png"] = ("none", "cutout")
    for name, (background, output) in jobs.items():
        run([portrait], segmenter, out / name, background, output, overwrite=True)
    clip = write_panning_clip(out / "clip.mp4", size=(480, 854), seconds=4)
    run([clip], segmenter, out / "clip-blur.mp4", "blur", overwrite=True)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("demo.html")
