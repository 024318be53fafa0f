"""Opening any model that this project writes, checkpoints and CoreML packages too, as a Segmenter."""

from __future__ import annotations

import platform
from pathlib import Path

from ..runtime.backends import open_backend
from ..runtime.contract import Backend
from ..runtime.segmenter import Segmenter
from ..runtime.shipped import find_model


def open_any_backend(path: str | Path, threads: int = 2) -> Backend:
    """A Backend for a shipped model's name, a .safetensors, .onnx, .tflite, .mlpackage, .pte or a bundle's folder.

    Checkpoints run in torch; an .mlpackage runs in CoreML on a Mac and in our own evaluator elsewhere.
    """
    path = find_model(path)
    if path.suffix == ".safetensors":
        import torch

        from ..train.engine.checkpoint import load_checkpoint
        from ..train.predict import TorchBackend

        torch.set_num_threads(threads)
        return TorchBackend.of(load_checkpoint(path))
    if path.suffix == ".mlpackage" and platform.system() != "Darwin":
        from .mil import MilBackend

        return MilBackend(path)
    if path.suffix == ".pte":
        from .executorch_export import ExecutorchBackend

        return ExecutorchBackend(path)
    return open_backend(path, threads)


def open_model(path: str | Path, threads: int = 2) -> Segmenter:
    """A Segmenter over `open_any_backend`."""
    return Segmenter(open_any_backend(path, threads))


def precision_of(path: str | Path) -> str:
    """fp32, fp16 or int8: the smallest type that a .tflite or .onnx file stores its filters in."""
    path = Path(path)
    types = _onnx_types(path) if path.suffix == ".onnx" else _tflite_types(path)
    if types & {"int8", "uint8"}:
        return "int8"
    return "fp16" if "float16" in types else "fp32"


def _tflite_types(path: Path) -> set[str]:
    from .flatbuffer import weight_types

    return weight_types(path)


def _onnx_types(path: Path) -> set[str]:
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    return {onnx.TensorProto.DataType.Name(t.data_type).lower() for t in graph.initializer if len(t.dims) > 1}
