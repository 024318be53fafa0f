"""Puts models into the Android app as assets: a folder for each, with its .tflite files and a model.json."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..runtime.backends import open_backend
from ..runtime.contract import Artefact, Contract
from ..runtime.errors import InputError
from ..runtime.files import bytes_of, sha256_of, write_folder_beside
from ..runtime.shipped import find_model
from .models import precision_of

IN_APP = ("nano", "small", "mobile")  # of the models that ship: those for live video
# The best first. w8a16 is for NPUs alone.
_FOR_CPU = ("int8", "int8-mixed", "w8a32")
_FOR_GPU = ("fp16",)


def install_in_app(bundle: Path, demo: Path) -> Path:
    """Copy the .tflite files of the folder `bundle` that phones run into the assets of `demo` (android_demo).

    That is int8 (or int8-mixed, or w8a32) for the CPU and fp16 for the GPU, or fp32 where the bundle has neither. A
    model of the same name is replaced, others stay. Returns the model's folder. Raises InputError when the bundle has
    none, or `demo` is no such project.
    """
    models = _models_folder(demo)
    contract = Contract.read(bundle)
    usable = (*_FOR_CPU, *_FOR_GPU, "fp32")
    found = {a.precision: a for a in contract.artefacts if a.format == "tflite" and a.precision in usable}
    if contract.task != "portrait" or not found:
        raise InputError(f"{bundle} has no .tflite of a portrait model: export with --to tflite")
    best = (next((found[p] for p in order if p in found), None) for order in (_FOR_CPU, _FOR_GPU))
    chosen = [artefact for artefact in best if artefact] or [found["fp32"]]
    return _install(models, contract, [(artefact, bundle / artefact.file) for artefact in chosen])


def install_shipped(demo: Path, export_fp16: Callable[[Path, Path], Contract] | None = None) -> list[Path]:
    """Put nano, small and mobile, as they ship, into the app of `demo`; their folders.

    The package has an int8 file of mobile, for CPUs, and float16 files of the others, for both. For those without one
    `export_fp16(checkpoint, folder)` writes a bundle with a float16 .tflite for the GPU; without it only CPUs have one.
    """
    models = _models_folder(demo)
    placed = []
    for name in IN_APP:
        path = find_model(name)
        contract = open_backend(path, 1).contract
        precision = precision_of(path)
        shipped = Artefact(path.name, "tflite", precision, sha256_of(path), bytes_of(path), _counted(path))
        files = [(shipped, path)]
        with tempfile.TemporaryDirectory() as scratch:
            if export_fp16 and precision not in _FOR_GPU:
                bundle = Path(scratch) / "bundle"
                (fp16,) = export_fp16(path.with_suffix(".safetensors"), bundle).artefacts
                files.append((fp16, bundle / fp16.file))
            placed.append(_install(models, contract, files))
    return placed


def _models_folder(demo: Path) -> Path:
    main = demo / "app" / "src" / "main"
    if not (main / "AndroidManifest.xml").is_file():
        raise InputError(f"{demo} is not the Android project: it has no app/src/main/AndroidManifest.xml")
    return main / "assets" / "models"


def _install(models: Path, contract: Contract, files: list[tuple[Artefact, Path]]) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", contract.name):
        raise InputError(f"the model's name {contract.name!r} is no folder's name: letters, digits, dots and dashes")
    with write_folder_beside(models / contract.name) as folder:
        for artefact, path in files:
            shutil.copyfile(path, folder / artefact.file)
        dataclasses.replace(contract, artefacts=tuple(artefact for artefact, _ in files)).write(folder)
    return models / contract.name


def _counted(path: Path) -> dict[str, object]:
    """What XNNPACK takes of a file, which the app shows."""
    from .tflite_export import residency

    return {"xnnpack": dataclasses.asdict(residency(path))}
