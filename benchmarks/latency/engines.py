"""What can run a model's file in a benchmark: the libraries that people choose between, each behind one Backend.

Nothing heavy is imported before an engine is opened, so that a fresh process can tell what each of them costs.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ...runtime.backends import (
    MODEL_FORMATS,
    CompiledModelBackend,
    OnnxBackend,
    OpenVinoBackend,
    TfliteBackend,
    installed_providers,
    open_backend,
)
from ...runtime.contract import Backend
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
    provider: str = ""  # of ONNX Runtime, by its device

    def absent(self) -> str:
        """Why it cannot run here; empty when it can."""
        if self.format == "coreml" and platform.system() != "Darwin":
            return "CoreML runs on a Mac only"
        if self.provider and self.provider not in installed_providers():
            return f"this onnxruntime has no provider for {self.provider}"
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


_TORCH = ("torch", "portraitnet.train.predict")
ENGINES = (
    Engine("torch", "torch eager", "torch", ("torch",), _torch, imports=_TORCH),
    Engine("torch-compiled", "torch compiled", "torch", ("torch",), _torch_compiled, False, _TORCH),
    Engine("onnxruntime", "onnxruntime", "onnx", ("onnxruntime",), OnnxBackend, imports=("onnxruntime",)),
    *(
        Engine(
            f"onnxruntime-{device}",
            f"onnxruntime {label}",
            "onnx",
            ("onnxruntime",),
            partial(OnnxBackend, device=device),
            False,
            ("onnxruntime",),
            device,
        )
        for device, label in (("cuda", "CUDA"), ("directml", "DirectML"), ("coreml", "CoreML"))
    ),
    Engine("openvino", "OpenVINO", "onnx", ("openvino",), OpenVinoBackend, False, ("openvino", "onnxruntime")),
    Engine(
        "litert", "LiteRT/XNNPACK", "tflite", ("ai_edge_litert",), open_backend, imports=("ai_edge_litert.interpreter",)
    ),
    Engine(
        "compiled-model",
        "LiteRT CompiledModel",
        "tflite",
        ("ai_edge_litert",),
        CompiledModelBackend,
        False,
        ("ai_edge_litert.compiled_model",),
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
