"""Opening any model that this project writes, checkpoints and CoreML packages too, as a Segmenter."""

from __future__ import annotations

import platform
from pathlib import Path

from ..runtime.backends import open_backend
from ..runtime.segmenter import Backend, Segmenter


def open_any_backend(path: str | Path, threads: int = 2) -> Backend:
    """A Backend for a .safetensors checkpoint, .onnx, .tflite, .mlpackage, .pte or a bundle's folder.

    Checkpoints run in torch; an .mlpackage runs in CoreML on a Mac and in our own evaluator elsewhere.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        import torch

        from ..train.checkpoint import load_checkpoint
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
