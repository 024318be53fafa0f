"""The formats and precisions of `export`: a new one is a row here and a module beside it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..runtime.contract import Contract
from ..runtime.errors import InputError
from .graph import DeployedGraph

PRECISIONS = {
    "fp32": "float32",
    "fp16": "float16 weights (CoreML: arithmetic too)",
    "int8": "int8 weights and activations (CoreML: weights alone)",
    "w8a32": "int8 weights, float32 arithmetic: a quarter of the file, the speed of float",
    "w8a16": "int8 weights, int16 activations: for NPUs; slow on CPUs",
    "int8-mixed": "int8, but for the few operators that the gate wants in float32",
}
DEFAULT_PRECISIONS = ("fp32", "fp16", "int8")
# What `round_weights` does before the converter; int8 weights are the same steps whatever the activations are.
ROUNDING = {"fp16": "fp16", "int8": "int8", "w8a32": "int8", "w8a16": "int8", "int8-mixed": "int8"}


@dataclass(frozen=True)
class Format:
    """One kind of file: the module with its `export_NAME`, the suffix, what it is offered in, the tools it takes."""

    name: str
    suffix: str
    precisions: tuple[str, ...]
    tools: tuple[str, ...]

    def write(
        self, graph: DeployedGraph, contract: Contract, path: Path, precision: str, pictures: Sequence[np.ndarray]
    ) -> dict[str, object]:
        """Write `graph` at `path`; `pictures` (uint8 H x W x 3) calibrate. Facts that only the exporter knows."""
        module = importlib.import_module(f".{self.name}_export", __package__)
        export = getattr(module, f"export_{self.name}")
        calibrated = "pictures" in inspect.signature(export).parameters
        return export(graph, contract, path, precision, *([pictures] if calibrated else [])) or {}


_TFLITE_TOOLS = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert", "tensorflow")
FORMATS = {
    one.name: one
    for one in (
        Format("onnx", ".onnx", ("fp32", "fp16", "int8", "w8a32"), ("onnx", "onnxruntime")),
        Format("tflite", ".tflite", tuple(PRECISIONS), _TFLITE_TOOLS),
        Format("mediapipe", ".mediapipe.tflite", ("fp32", "fp16", "w8a32"), _TFLITE_TOOLS),
        Format("coreml", ".mlpackage", ("fp32", "fp16", "int8", "w8a32"), ("coremltools",)),
        Format("executorch", ".pte", ("fp32", "int8"), ("executorch",)),
    )
}


def combinations(formats: Sequence[str], precisions: Sequence[str]) -> Iterator[tuple[Format, str]]:
    """Every format with each of the precisions that it is offered in. Raises InputError for one that has none."""
    for given, known, what in ((formats, FORMATS, "format"), (precisions, PRECISIONS, "precision")):
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            raise InputError(f"unknown {what} {', '.join(unknown) or '(none)'}; known: {', '.join(known)}")
    for kind in (FORMATS[name] for name in dict.fromkeys(formats)):
        offered = [precision for precision in dict.fromkeys(precisions) if precision in kind.precisions]
        if not offered:
            raise InputError(f"{kind.name} is exported as {', '.join(kind.precisions)}")
        yield from ((kind, precision) for precision in offered)
