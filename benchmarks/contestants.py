"""Who takes part in a latency benchmark: every artefact of a model, torch itself, and the ResNet rivals."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..export.bundle import export_bundle
from ..export.calibration import Pictures
from ..export.models import open_model, precision_of
from ..export.tflite_export import Residency, residency
from ..runtime.backends import MODEL_FORMATS
from ..runtime.contract import MODEL_JSON, Contract
from ..runtime.errors import InputError
from ..runtime.files import bytes_of
from ..runtime.segmenter import Segmenter
from ..train.checkpoint import Checkpoint
from ..train.models import ModelSpec, build_model
from .peer import SUFFIXES, PeerBackend, open_peer

RIVALS = ("resnet18", "resnet34", "resnet50")
_BACKEND_OF_FORMAT = {"tflite": "LiteRT/XNNPACK", "onnx": "onnxruntime", "torch": "torch eager"}


@dataclass(frozen=True)
class Contestant:
    """One model in one format and precision on one backend, with `threads` CPU threads."""

    model: str
    format: str
    precision: str
    threads: int
    segmenter: Segmenter
    bytes: int
    trained: bool
    residency: Residency | None

    @property
    def backend(self) -> str:
        return _BACKEND_OF_FORMAT[self.format]

    @property
    def contract(self) -> Contract:
        return self.segmenter.contract


def gather(model: Path, threads: tuple[int, ...], trained: bool = True) -> Iterator[Contestant]:
    """Contestants of a bundle folder, a loose model file, or a peer's YAML; .mlpackage needs a phone or a Mac."""
    if model.suffix in SUFFIXES:
        yield from (_peer(model, count) for count in threads)
        return
    if (model / MODEL_JSON).is_file():
        parts = [
            (model / a.file, a.format, a.precision)
            for a in Contract.read(model).artefacts
            if a.format in ("onnx", "tflite")
        ]
        if not parts:
            raise InputError(f"{model} holds no artefact that runs here; export it with --to onnx,tflite")
    elif model.suffix == ".safetensors":
        parts = [(model, "torch", "fp32")]
    else:
        parts = [(model, MODEL_FORMATS.get(model.suffix.lower(), ""), "")]
    for path, kind, precision in parts:
        for count in threads:
            segmenter = open_model(path, threads=count)
            if kind not in _BACKEND_OF_FORMAT:
                raise InputError(f"{path} cannot be timed on this machine")
            delegated = residency(path) if kind == "tflite" else None
            name = segmenter.contract.name
            yield Contestant(
                name, kind, precision or precision_of(path), count, segmenter, bytes_of(path), trained, delegated
            )


def open_contestant(model: Path, threads: int = 2) -> Segmenter:
    """One of our models in any format, or a peer by its YAML file."""
    return open_peer(model, threads) if model.suffix in SUFFIXES else open_model(model, threads)


def _peer(spec: Path, threads: int) -> Contestant:
    segmenter = open_peer(spec, threads)
    assert isinstance(segmenter.backend, PeerBackend)
    path = segmenter.backend.path
    kind = MODEL_FORMATS[path.suffix]
    delegated = residency(path) if kind == "tflite" else None
    name = segmenter.contract.name
    return Contestant(name, kind, precision_of(path), threads, segmenter, bytes_of(path), True, delegated)


@contextmanager
def rival_bundles(size: tuple[int, int], on_progress: Callable[[str], None]) -> Iterator[list[Path]]:
    """Bundles of PortraitNet's decoder on ResNet18/34/50, with random weights: they tell time, not accuracy."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = []
        pixels = np.random.default_rng(0).integers(0, 256, (4, *size, 3), np.uint8)
        noise = Pictures(list(pixels[:2]), list(pixels[2:]), None, "noise")
        for encoder in RIVALS:
            on_progress(f"exporting the {encoder} rival")
            folders.append(Path(scratch) / f"portraitnet-{encoder}")
            torch.manual_seed(0)
            spec = ModelSpec(encoder=encoder)
            rival = Checkpoint(folders[-1].name, settle(build_model(spec), size), spec, size, {})
            export_bundle(rival, folders[-1], ["tflite"], ["fp32", "int8"], size, noise, True, fine_rounding=False)
        yield folders


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
    contract = contestant.contract
    place = contestant.residency
    return {
        "model": contestant.model,
        "encoder": contract.encoder,
        "format": contestant.format,
        "precision": contestant.precision,
        "backend": contestant.backend,
        "threads": contestant.threads,
        "height": contract.height,
        "width": contract.width,
        "bytes": contestant.bytes,
        "parameters": contract.parameters or "",
        "macs": contract.macs or "",
        "weights": "trained" if contestant.trained else "random",
        "fg_iou_per_image": "",
        "residency": f"{place.delegated}/{place.nodes} in {place.partitions}" if place else "",
    }
