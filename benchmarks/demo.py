"""`portraitnet demo`: train, export, run and benchmark with what ships; ends with one HTML page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..export.bundle import export_bundle
from ..export.calibration import Pictures
from ..runtime.backends import default_weights
from ..runtime.console import console, progress_bar
from ..runtime.contract import Artefact, Contract
from ..runtime.files import write_text
from ..runtime.media.images import save_image
from ..runtime.process import run
from ..runtime.segmenter import Segmenter
from ..train.data.augment import Target, augment
from ..train.data.draws import Canvases, draw
from ..train.datasets.synthetic import Synthetic
from ..train.engine.checkpoint import Checkpoint, load_checkpoint
from ..train.engine.history import read_history
from ..train.loop import train
from ..train.recipe import SourceSpec, load_recipe
from ..train.synthetic import render_portrait
from .latency.clip import sample_portrait, write_panning_clip
from .latency.computer import Measure, benchmark_latency
from .reporting import plots
from .reporting.table import read_csv

PAGE = "index.html"
_NOTHING = "–"
_BACKGROUNDS = {"blur": "blur", "colour": "#2f7d6b"}


@dataclass
class Steps:
    """Announces the steps of the demo with the time they usually take, and says how long each one took."""

    count: int
    console: Console = console
    seconds: dict[str, float] = field(default_factory=dict)  # step -> wall time

    @contextmanager
    def step(self, title: str, usual: str) -> Iterator[None]:
        """One step; `usual` is the time it takes on two cores."""
        self.console.rule(f"{len(self.seconds) + 1}/{self.count}  {title} (about {usual})")
        began = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - began
        self.console.print(f"{title}: done in {spoken(self.seconds[title])}")


def spoken(seconds: float) -> str:
    """A duration for people: `48 s`, `3 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def demo(out: Path, steps: int = 0, runs: int = 30) -> Path:
    """Train on rendered portraits, export the shipped weights, run them, time them; returns the HTML page.

    `steps` shortens the training run and `runs` the timing, for tests; 0 keeps the recipe's steps.
    """
    say = Steps(4)
    console.print("Times are of two idle cores.")
    with say.step("train on rendered portraits", "3 minutes"):
        trained = _train(out, steps)
    with say.step("export the shipped weights and compare with torch", "3 minutes"):
        checkpoint = load_checkpoint(default_weights().with_suffix(".safetensors"))
        bundle = out / "bundle"
        contract = _export(checkpoint, bundle)
    with say.step("replace the background in a picture and a clip", "20 seconds"):
        _pictures(out)
    with say.step("measure latency next to ResNet encoders", "3 minutes"), progress_bar() as progress:
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
        parity=_without_empty([_parity_row(artefact) for artefact in contract.artefacts]),
        latency=sorted(read_csv(csv), key=lambda row: (row["threads"], float(row["median_ms"]))),
        steps={title: spoken(seconds) for title, seconds in say.seconds.items()},
        total=spoken(sum(say.seconds.values())),
    )
    write_text(out / PAGE, page)
    console.print(f"everything took {spoken(sum(say.seconds.values()))}; open the report in a browser")
    return out / PAGE


def _export(checkpoint: Checkpoint, bundle: Path) -> Contract:
    """The bundle, with a line for each file that is under way and the time since the start."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(what: str) -> None:
            progress.update(task, description=what)
            if not console.is_terminal:  # nothing moves in a log: a line for each
                console.print(what)

        return export_bundle(checkpoint, bundle, calibration=_variants(checkpoint.size), on_progress=show)


def _without_empty(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows without the columns in which none says anything."""
    said = {name for row in rows for name, value in row.items() if value != _NOTHING}
    return [{name: value for name, value in row.items() if name in said} for row in rows]


def _parity_row(artefact: Artefact) -> dict[str, str]:
    facts = artefact.parity
    place = facts.get("xnnpack")
    drop = facts.get("accuracy_drop")
    return {
        "artefact": artefact.file,
        "MB": f"{artefact.bytes / 1e6:.1f}",
        "largest difference": f"{facts['max_abs']:.2g}",
        "mask IoU": f"{facts['mask_iou']:.4f}",
        "accuracy lost": _NOTHING if drop is None else f"{drop:+.2f} points",
        "XNNPACK": f"{place['delegated']} of {place['nodes']} nodes, {place['partitions']} partition"
        if place
        else _NOTHING,
        "gate": facts["failed"] or "passed",
    }


def _train(out: Path, steps: int) -> dict[str, object]:
    folder = out / "training"
    changes = [f"run.steps={steps}", f"run.evaluate_every={steps}"] if steps else []
    recipe = load_recipe("demo", changes)
    # Continues an earlier demo's run; if that one had finished, nothing is left to do.
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
        run([portrait], segmenter, out / name, background, output, overwrite=True, progress=True)
    clip = write_panning_clip(out / "clip.mp4", size=(480, 854), seconds=4)
    run([clip], segmenter, out / "clip-blur.mp4", "blur", overwrite=True, progress=True)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("demo.html")
