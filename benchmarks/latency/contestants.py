"""Who takes part in a latency benchmark: every artefact of a model, torch itself, and the ResNet rivals."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...export.bundle import export_bundle
from ...export.calibration import Pictures
from ...export.models import open_model, precision_of
from ...export.tflite_export import Residency, residency
from ...runtime.backends.peer import PEER_SUFFIXES, open_peer
from ...runtime.contract import MODEL_JSON, Contract
from ...runtime.errors import InputError
from ...runtime.files import bytes_of
from ...runtime.segmenter import Segmenter
from ...runtime.shipped import find_model
from ...train.engine.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ...train.models import PortraitNetSpec, build_model
from ..reporting.table import model_columns
from .engines import Engine, chosen_engines, engine_named, engines_for
from .published import PUBLISHED_MIOU, published_spec

RIVALS = ("resnet18", "resnet34", "resnet50", "resnet101")


@dataclass(frozen=True)
class Contestant:
    """One model in one format and precision on one engine, with `threads` CPU threads."""

    model: str
    path: Path
    precision: str
    engine: Engine
    threads: int
    segmenter: Segmenter
    trained: bool
    residency: Residency | None

    @property
    def format(self) -> str:
        return self.engine.format

    @property
    def contract(self) -> Contract:
        return self.segmenter.contract


def gather(
    model: Path, threads: tuple[int, ...], trained: bool = True, engines: Sequence[Engine] = ()
) -> Iterator[Contestant]:
    """Contestants of a bundle folder, a loose file, a shipped name, or a peer's YAML, on `engines` (the usual ones
    unless given).

    A file that none of the engines runs takes no part. Raises InputError for one that no engine here could.
    """
    engines = engines or chosen_engines("")
    model = find_model(model)
    if model.suffix in PEER_SUFFIXES:
        yield from (_peer(model, count) for count in threads)
        return
    if (model / MODEL_JSON).is_file():
        parts = [
            (model / a.file, a.precision) for a in Contract.read(model).artefacts if engines_for(Path(a.file), engines)
        ]
        if not parts:
            raise InputError(f"{model} holds no artefact that runs here; export it with --to onnx,tflite")
    elif model.suffix == ".safetensors":
        parts = [(model, "fp32")]
    else:
        parts = [(model, "")]
    for path, precision in parts:
        for engine in engines_for(path, engines):
            for count in threads:
                segmenter = Segmenter(engine.open(path, count))
                yield Contestant(
                    segmenter.contract.name,
                    path,
                    precision or precision_of(path),
                    engine,
                    count,
                    segmenter,
                    trained,
                    residency(path) if engine.key == "litert" else None,
                )


def open_contestant(model: Path, threads: int = 2) -> Segmenter:
    """One of our models in any format or by its shipped name, or a peer by its YAML file."""
    return open_model(model, threads)


def _peer(spec: Path, threads: int) -> Contestant:
    peer = open_peer(spec, threads)
    segmenter, path = Segmenter(peer), peer.path
    engine = engine_named("litert" if path.suffix == ".tflite" else "onnxruntime")
    delegated = residency(path) if engine.key == "litert" else None
    return Contestant(segmenter.contract.name, path, precision_of(path), engine, threads, segmenter, True, delegated)


@contextmanager
def rival_bundles(
    size: tuple[int, int], encoders: Sequence[str], on_progress: Callable[[str], None]
) -> Iterator[list[Path]]:
    """Files with random weights, for time alone: PortraitNet's decoder on these encoders, or published networks.

    Of a published network (latency.published) there is also the checkpoint, for torch, and an .onnx.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files = []
        for name in encoders:
            on_progress(f"exporting the {name} rival")
            torch.manual_seed(0)
            folder = Path(scratch) / name
            if name in PUBLISHED_MIOU:
                spec = published_spec(name)
                rival = Checkpoint(name, settle(build_model(spec), size), spec, size, {})
                try:
                    files.append(_for_timing(rival, size, folder, ["onnx", "tflite"]))
                except InputError as error:  # XNNPACK has no int8 kernel for an operator
                    on_progress(f"float32 alone of {name}: {error}")
                    files.append(_for_timing(rival, size, folder, ["onnx", "tflite"], ["fp32"]))
                files.append(folder.with_suffix(".safetensors"))
                save_checkpoint(files[-1], rival.model.state_dict(), spec, size, {"name": name})
            else:
                spec = PortraitNetSpec(encoder=name, open_border=True)  # as the shipped mobile
                rival = Checkpoint(f"portraitnet-{name}", settle(build_model(spec), size), spec, size, {})
                files.append(_for_timing(rival, size, folder))
        yield files


@contextmanager
def resized_bundles(
    checkpoint: Path, sizes: Sequence[tuple[int, int]], on_progress: Callable[[str], None]
) -> Iterator[list[Path]]:
    """Bundles of one checkpoint at several input sizes (height, width), for time alone."""
    loaded = load_checkpoint(checkpoint)
    with tempfile.TemporaryDirectory() as scratch:
        folders = []
        for height, width in sizes:
            on_progress(f"exporting {loaded.name} at {height}x{width}")
            folders.append(_for_timing(loaded, (height, width), Path(scratch) / f"{height}x{width}"))
        yield folders


def _for_timing(
    checkpoint: Checkpoint,
    size: tuple[int, int],
    folder: Path,
    formats: Sequence[str] = ("tflite",),
    precisions: Sequence[str] = ("fp32", "int8"),
) -> Path:
    """A bundle whose int8 ranges come from noise: its time is right, its masks are not."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, *size, 3), np.uint8)
    noise = Pictures(list(pixels[:2]), list(pixels[2:]), None, "noise")
    export_bundle(checkpoint, folder, list(formats), list(precisions), size, noise, True, fine_rounding=False)
    return folder


def settle(model: torch.nn.Module, size: tuple[int, int]) -> torch.nn.Module:
    """Give an untrained network batch norms as a trained one has them, so that its int8 scales are ordinary.

    Some encoders start residual branches at zero, which no quantiser can scale.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(2, 3, *size))
    return model.eval()


def facts(contestant: Contestant) -> dict[str, object]:
    """What is known of a contestant before it is timed, as CSV columns."""
    place = contestant.residency
    size = bytes_of(contestant.path)
    return {
        **model_columns(contestant.contract, contestant.format, contestant.precision, size),
        "file": f"{contestant.path.parent.name}/{contestant.path.name}",
        "backend": contestant.engine.label,
        "threads": contestant.threads,
        "weights": "trained" if contestant.trained else "random",
        "fg_iou_per_image": "",
        "residency": f"{place.delegated}/{place.nodes} in {place.partitions}" if place else "",
    }
