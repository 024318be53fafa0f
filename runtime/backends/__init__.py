"""What runs a model's file: ONNX Runtime, LiteRT (XNNPACK), or CoreML on a Mac, all behind one call.

Every file carries its own contract; a file without one is refused, since its sizes and meaning would be guesses.
"""

from __future__ import annotations

from pathlib import Path

from ..contract import MODEL_JSON, Artefact, Backend, Contract
from ..errors import InputError
from ..files import bytes_of, sha256_of
from ..shipped import default_weights, find_model
from .coreml import CoreMLBackend
from .litert import TfliteBackend, contract_inside
from .onnx import OnnxBackend, open_session

__all__ = [
    "MAX_MODEL_BYTES",
    "MODEL_FORMATS",
    "CoreMLBackend",
    "OnnxBackend",
    "TfliteBackend",
    "contract_inside",
    "default_weights",
    "find_model",
    "open_backend",
    "open_session",
]

MODEL_FORMATS = {".onnx": "onnx", ".tflite": "tflite", ".mlpackage": "coreml"}
MAX_MODEL_BYTES = 1 << 30
_PREFERENCE = [  # fastest first, on a CPU
    ("tflite", "int8"),
    ("tflite", "fp32"),
    ("tflite", "fp16"),
    ("onnx", "fp32"),
    ("onnx", "int8"),
    ("onnx", "fp16"),
]


def open_backend(path: str | Path, threads: int = 2) -> Backend:
    """Open a shipped model by name, a bundle folder (its fastest artefact, hash checked) or one loose model file.

    `threads` is the number of CPU threads. Raises InputError when the file is not a model with our contract.
    """
    path = find_model(path)
    if threads < 1:
        raise InputError(f"threads must be at least 1, not {threads}")
    if path.is_dir() and path.suffix != ".mlpackage":
        return _open_bundle(path, threads)
    if path.suffix == ".safetensors":
        raise InputError(f"{path} is a training checkpoint; `portraitnet export` makes a file that runs from it")
    if path.suffix not in MODEL_FORMATS:
        raise InputError(
            f"{path} is no model that runs here: give a bundle folder or one of {', '.join(MODEL_FORMATS)}"
        )
    if bytes_of(path) > MAX_MODEL_BYTES:
        raise InputError(f"{path} is larger than {MAX_MODEL_BYTES >> 20} MiB: not a model of this project")
    if path.suffix == ".onnx":
        return OnnxBackend(path, threads)
    return TfliteBackend(path, threads) if path.suffix == ".tflite" else CoreMLBackend(path)


def _open_bundle(folder: Path, threads: int) -> Backend:
    contract = Contract.read(folder)
    runnable = [a for a in contract.artefacts if (a.format, a.precision) in _PREFERENCE]
    if not runnable:
        held = ", ".join(a.file for a in contract.artefacts) or "no artefact"
        raise InputError(f"{folder} holds {held}: nothing that runs here (.tflite or .onnx); export one of them")
    chosen: Artefact = min(runnable, key=lambda a: _PREFERENCE.index((a.format, a.precision)))
    path = folder / chosen.file
    if sha256_of(path) != chosen.sha256:
        raise InputError(f"{path} is not the file that {MODEL_JSON} describes (its hash differs); export again")
    backend = open_backend(path, threads)
    if (backend.contract.size, backend.contract.classes) != (contract.size, contract.classes):
        raise InputError(f"{path} and {folder / MODEL_JSON} disagree on input size or classes; export again")
    backend.contract = contract
    return backend
