"""What runs a model's file: LiteRT, ONNX Runtime, OpenVINO, or CoreML on a Mac, all behind one call.

Every file carries its own contract; a file without one is refused, since its sizes and meaning would be guesses. For
other people's models a YAML file says them (peer.py).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ..contract import MODEL_JSON, Artefact, Backend, Contract
from ..errors import InputError
from ..files import bytes_of, sha256_of
from ..shipped import default_weights, find_model, shipped_model
from .compiled_model import CompiledModelBackend
from .coreml import CoreMLBackend
from .litert import TfliteBackend, contract_inside
from .onnx import OnnxBackend, installed_providers, open_session
from .openvino import OpenVinoBackend
from .peer import PEER_SUFFIXES, open_peer
from .processor import has_int8_dot_products, preference

__all__ = [
    "DEVICES",
    "MAX_MODEL_BYTES",
    "MODEL_FORMATS",
    "CompiledModelBackend",
    "CoreMLBackend",
    "OnnxBackend",
    "OpenVinoBackend",
    "TfliteBackend",
    "contract_inside",
    "default_weights",
    "device_of",
    "find_model",
    "installed_providers",
    "open_backend",
    "open_session",
]

MODEL_FORMATS = {".onnx": "onnx", ".tflite": "tflite", ".mlpackage": "coreml"}
MAX_MODEL_BYTES = 1 << 30
DEVICES = ("auto", "cpu", "gpu", "cuda", "directml", "coreml", "openvino")
_OF_ONNX = ("cuda", "directml", "coreml", "openvino")  # devices that run .onnx files here


def open_backend(path: str | Path, threads: int = 2, device: str = "auto") -> Backend:
    """Open a shipped model by name, a bundle folder (its fastest artefact, hash checked) or one loose model file.

    `threads` is the number of CPU threads. `device` is one of DEVICES: "auto" is a GPU that ONNX Runtime has a provider
    for, where the file is an .onnx, else the CPU; "gpu" is any GPU. What runs is told by `device_of`.
    Raises InputError when the file is not a model with our contract, or the device is not there or does not take all
    of the network.
    """
    if threads < 1:
        raise InputError(f"threads must be at least 1, not {threads}")
    if device not in DEVICES:
        raise InputError(f"device {device!r} is none of {', '.join(DEVICES)}")
    path = _file_for(path, device)
    if path.is_dir() and path.suffix != ".mlpackage":
        return _open_bundle(path, threads, device)
    if path.suffix == ".safetensors":
        raise InputError(f"{path} is a training checkpoint; `portraitnet export` makes a file that runs from it")
    if path.suffix in PEER_SUFFIXES:
        return open_peer(path, threads)
    if path.suffix not in MODEL_FORMATS:
        raise InputError(
            f"{path} is no model that runs here: give a bundle folder or one of {', '.join(MODEL_FORMATS)}"
        )
    if bytes_of(path) > MAX_MODEL_BYTES:
        raise InputError(f"{path} is larger than {MAX_MODEL_BYTES >> 20} MiB: not a model of this project")
    if path.suffix == ".tflite" and not _has_litert():
        path = _onnx_instead(path)
    if path.suffix == ".onnx":
        return _open_onnx(path, threads, device)
    if path.suffix == ".tflite":
        return _open_tflite(path, threads, device)
    if device not in ("auto", "coreml"):
        raise InputError(f"{path} runs on CoreML; leave --device at auto")
    return CoreMLBackend(path)


def device_of(backend: Backend) -> str:
    """What a backend really runs on, as "CPU (LiteRT/XNNPACK)"."""
    return str(getattr(backend, "device", type(backend).__name__))


def _file_for(path: str | Path, device: str) -> Path:
    """The file of a model's name: an .onnx where the device wants one or int8 would be slow, else the .tflite."""
    found, model = find_model(path), shipped_model(str(path))
    if model is None or found != model.file():
        return found
    slow = model.int8 and not has_int8_dot_products() and device in ("auto", "cpu")
    return find_model(path, ".onnx") if slow or device in _OF_ONNX else found


def _open_onnx(path: Path, threads: int, device: str) -> Backend:
    if device == "openvino":
        return OpenVinoBackend(path, threads)
    installed = installed_providers()
    if device == "cpu" or (device == "auto" and list(installed) == ["cpu"]):
        return OnnxBackend(path, threads)
    gpus = [name for name in installed if name != "cpu" and device in ("auto", "gpu", name)]
    problems = []
    for name in gpus:
        try:
            return OnnxBackend(path, threads, name)
        except InputError as error:
            problems.append(str(error))
    if device == "auto":
        return OnnxBackend(path, threads)
    raise InputError(
        problems[0]
        if problems
        else f"device {device}: this onnxruntime has {', '.join(installed)} alone; install onnxruntime-gpu (CUDA) or "
        "onnxruntime-directml, or use --device cpu"
    )


def _open_tflite(path: Path, threads: int, device: str) -> Backend:
    if device in _OF_ONNX:
        raise InputError(f"{path}: device {device} runs .onnx files; name the .onnx of the same export")
    return CompiledModelBackend(path, threads, "gpu") if device == "gpu" else TfliteBackend(path, threads)


def _open_bundle(folder: Path, threads: int, device: str) -> Backend:
    contract = Contract.read(folder)
    formats = ("tflite", "onnx") if _has_litert() else ("onnx",)
    order = [kind for kind in preference() if kind[0] in formats and (device not in _OF_ONNX or kind[0] == "onnx")]
    runnable = [a for a in contract.artefacts if (a.format, a.precision) in order]
    if not runnable:
        held = ", ".join(a.file for a in contract.artefacts) or "no artefact"
        raise InputError(f"{folder} holds {held}: nothing that runs here ({' or '.join(formats)}); export one")
    chosen: Artefact = min(runnable, key=lambda a: order.index((a.format, a.precision)))
    path = folder / chosen.file
    if sha256_of(path) != chosen.sha256:
        raise InputError(f"{path} is not the file that {MODEL_JSON} describes (its hash differs); export again")
    backend = open_backend(path, threads, device)
    if (backend.contract.size, backend.contract.classes) != (contract.size, contract.classes):
        raise InputError(f"{path} and {folder / MODEL_JSON} disagree on input size or classes; export again")
    backend.contract = contract
    return backend


def _has_litert() -> bool:
    """Whether LiteRT is installed: there is no wheel of it for Intel Macs."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def _onnx_instead(path: Path) -> Path:
    """The .onnx of the same model, beside its .tflite."""
    onnx = path.with_suffix(".onnx")
    if not onnx.is_file():
        raise InputError(f"{path} needs ai-edge-litert, which is not installed here; use the model's .onnx")
    return onnx
