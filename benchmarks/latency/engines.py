"""What can run a model's file in a benchmark: the libraries that people choose between, each behind one Backend.

Nothing heavy is imported before an engine is opened, so that a fresh process can tell what each of them costs.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...runtime.backends import MODEL_FORMATS, TfliteBackend, open_backend
from ...runtime.contract import METADATA_KEY, Backend, Contract
from ...runtime.errors import InputError


@dataclass(frozen=True)
class Engine:
    """One library: `key` as --backend names it, `label` as tables do, the format it runs, the modules it needs."""

    key: str
    label: str
    format: str
    modules: tuple[str, ...]
    open: Callable[[Path, int], Backend]
    usual: bool = True  # takes part unless --backend says otherwise
    imports: tuple[str, ...] = ()  # what `open` brings in, for telling an import's cost from a model's

    def absent(self) -> str:
        """Why it cannot run here; empty when it can."""
        if self.format == "coreml" and platform.system() != "Darwin":
            return "CoreML runs on a Mac only"
        missing = [name for name in self.modules if importlib.util.find_spec(name) is None]
        return f"needs {', '.join(missing)}: pip install {' '.join(missing)}" if missing else ""


def chosen_engines(text: str) -> list[Engine]:
    """Engines by their comma-separated keys; "all" means every one that can run here, "" the usual ones.

    Raises InputError for an unknown one, and for one that was named and cannot run here.
    """
    if text == "all":
        return [engine for engine in ENGINES if not engine.absent()]
    if not text:
        return [engine for engine in ENGINES if engine.usual and not engine.absent()]
    known = {engine.key: engine for engine in ENGINES}
    chosen = []
    for key in (part.strip() for part in text.split(",")):
        if key not in known:
            raise InputError(f"backend {key!r} is none of {', '.join(known)}, all")
        if known[key].absent():
            raise InputError(f"backend {key}: {known[key].absent()}")
        chosen.append(known[key])
    return chosen


def format_of(path: Path) -> str:
    """torch, onnx, tflite, coreml or executorch, by the file's name; empty for anything else."""
    return {".safetensors": "torch", ".pte": "executorch", **MODEL_FORMATS}.get(path.suffix.lower(), "")


def engines_for(path: Path, engines: Sequence[Engine]) -> list[Engine]:
    """Those of `engines` that run this file. Raises InputError when its format is not one that is timed."""
    if not format_of(path):
        raise InputError(f"{path} cannot be timed: give a bundle's folder, .tflite, .onnx, .pte or .safetensors")
    return [engine for engine in engines if engine.format == format_of(path)]


def _torch(path: Path, threads: int) -> Backend:
    import torch

    from ...train.engine.checkpoint import load_checkpoint
    from ...train.predict import TorchBackend

    torch.set_num_threads(threads)
    return TorchBackend.of(load_checkpoint(path))


def _torch_compiled(path: Path, threads: int) -> Backend:
    import torch

    from ...train.engine.checkpoint import load_checkpoint
    from ...train.predict import TorchBackend

    torch.set_num_threads(threads)
    backend = TorchBackend.of(load_checkpoint(path))
    # `compile` of the module, not of the backend's run: the picture's way into a tensor is not what is compared.
    backend.model.compile()
    try:
        backend.run(np.zeros((1, *backend.contract.size, 3), np.uint8))
    except torch._dynamo.exc.BackendCompilerFailed as error:
        raise InputError(
            f"torch cannot compile here (a C++ compiler is needed): {str(error).splitlines()[0]}"
        ) from error
    return backend


def _tensorflow(path: Path, threads: int) -> Backend:
    from ...export.quiet import quiet

    with quiet():
        import tensorflow

        return TfliteBackend(path, threads, tensorflow.lite.Interpreter)


def _executorch(path: Path, threads: int) -> Backend:
    from ...export.executorch_export import ExecutorchBackend

    return ExecutorchBackend(path)


def _contract_of_onnx(path: Path) -> Contract:
    """The contract inside an .onnx, read without a runtime."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        properties = onnx.load(str(path), load_external_data=False).metadata_props
    except DecodeError as error:
        raise InputError(f"{path} is not an ONNX model: it cannot be parsed") from error
    text = next((entry.value for entry in properties if entry.key == METADATA_KEY), None)
    if text is None:
        raise InputError(f"{path} carries no portraitnet contract: it was not made by `portraitnet export`")
    return Contract.from_json(text, f"the contract inside {path}")


class OpenVinoBackend:
    """An .onnx of this project on OpenVINO's CPU plugin, set for latency."""

    def __init__(self, path: Path, threads: int) -> None:
        import openvino

        self.contract = _contract_of_onnx(path)
        core = openvino.Core()
        model = core.read_model(path.read_bytes())  # as bytes: the file cannot then name others to read
        model.reshape([1, *self.contract.size, 3])
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            # Left alone, it computes in bfloat16 where the processor can: another mask than the file's.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._request = core.compile_model(model, "CPU", options).create_infer_request()

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        return np.concatenate([self._request.infer([picture[None]])[0].copy() for picture in batch])


_TORCH = ("torch", "portraitnet.train.predict")
ENGINES = (
    Engine("torch", "torch eager", "torch", ("torch",), _torch, imports=_TORCH),
    Engine("torch-compiled", "torch compiled", "torch", ("torch",), _torch_compiled, False, _TORCH),
    Engine("onnxruntime", "onnxruntime", "onnx", ("onnxruntime",), open_backend, imports=("onnxruntime",)),
    Engine("openvino", "OpenVINO", "onnx", ("openvino",), OpenVinoBackend, False, ("openvino", "onnx")),
    Engine(
        "litert", "LiteRT/XNNPACK", "tflite", ("ai_edge_litert",), open_backend, imports=("ai_edge_litert.interpreter",)
    ),
    Engine("tensorflow", "TensorFlow interpreter", "tflite", ("tensorflow",), _tensorflow, False, ("tensorflow",)),
    Engine(
        "executorch",
        "ExecuTorch/XNNPACK",
        "executorch",
        ("executorch",),
        _executorch,
        imports=("torch", "executorch.runtime"),
    ),
    Engine("coreml", "CoreML", "coreml", ("coremltools",), open_backend, imports=("coremltools",)),
)


def engine_named(key: str) -> Engine:
    """The engine of that key."""
    return next(engine for engine in ENGINES if engine.key == key)
