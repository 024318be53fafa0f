"""TFLite by litert-torch and ai-edge-quantizer: float32, and the precisions of quantize.py.

Input and output, which are also the contract's:
  all but int8  float32 1 x H x W x 3, values 0..255 -> float32 1 x H x W x C, 0..1. (A uint8 input with a
              DEQUANTIZE behind it was measured: 6 to 10 % slower for no gain.)
  int8        uint8 1 x H x W x 3 -> uint8 1 x H x W x C. Output bytes are scores times 255. TFLite fixes the
              sigmoid's int8 step at 1/256, which is what the tensor states; read as byte / 255, so that 0 and 1
              both exist (the difference is under one step).
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..runtime.backends.announcements import allocate
from ..runtime.contract import METADATA_KEY, Contract
from ..runtime.errors import InputError
from . import flatbuffer
from .conversions import Conversions
from .graph import ChannelsLast, DeployedGraph
from .quantize import Quantizer
from .quiet import quiet

_FLOAT_ENDS = ("fp32", "fp16", "w8a32", "w8a16", "int8-mixed")


def export_tflite(
    graph: DeployedGraph,
    contract: Contract,
    path: Path,
    precision: str,
    pictures: Sequence[np.ndarray] = (),
    threads: int = 2,
) -> dict[str, Any]:
    """Write `graph` as a .tflite at `path`; of "int8-mixed", the facts name the operators that stayed float32.

    All but fp32 want a graph that `round_weights` has prepared; int8, int8-mixed and w8a16 take the ranges of their
    activations from `pictures` (uint8 H x W x 3).
    Raises InputError when an int8 file would hold a float operator, or a file would leave XNNPACK in the middle
    (w8a16 is for NPUs: XNNPACK takes none of it).
    """
    model, kept = quantized(graph, contract.size, precision, pictures, threads)
    flatbuffer.set_metadata(model, METADATA_KEY, contract.without_artefacts().to_json())
    path.write_bytes(flatbuffer.pack(model))
    found = residency(path)
    if found.partitions != 1 and precision != "w8a16":
        raise InputError(f"{path.name} splits into {found.partitions} XNNPACK partitions instead of 1: {found}")
    floats = [op for op in flatbuffer.op_histogram(path) if "float" in op]
    if precision == "int8" and floats:
        raise InputError(f"{path.name} should be int8 throughout, but holds {', '.join(floats)}")
    return {"kept_float32": kept} if precision == "int8-mixed" else {}


def quantized(
    graph: DeployedGraph, size: tuple[int, int], precision: str, pictures: Sequence[np.ndarray] = (), threads: int = 2
) -> tuple[Any, list[str]]:
    """`graph` at input `size` as a flatbuffer model (schema.ModelT), and the names of what stayed float32."""
    model = flatbuffer.read(_converted(graph, size))
    flatbuffer.fuse_padding(model)
    if precision in ("int8", "int8-mixed", "w8a16"):
        flatbuffer.write_out_hard_swish(model)
    if precision == "fp32":
        return model, []
    content, kept = Quantizer(flatbuffer.pack(model), pictures, threads).quantize(precision)
    model = flatbuffer.read(content)
    if precision not in _FLOAT_ENDS:
        flatbuffer.shift_to_bytes(model)
    return model, kept


@dataclass(frozen=True)
class Residency:
    """How much of a .tflite its delegate runs: `delegated` of `nodes` operators, in `partitions` pieces.

    One partition means that data enters and leaves the delegate once. `left` counts what the delegate
    declined; for int8 files that is the QUANTIZE at either end, which only flips the top bit.
    """

    nodes: int
    delegated: int
    partitions: int
    left: dict[str, int]


def residency(path: str | Path) -> Residency:
    """What LiteRT's XNNPACK delegate really takes of a .tflite, read from the interpreter after delegation."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    allocate(interpreter)
    # There is no public way to see the delegated graph; the nodes that a delegate node replaced stay listed.
    listed = interpreter._get_ops_details()
    own = [op for op in listed if op["op_name"] != "DELEGATE"]
    delegates = [op for op in listed if op["op_name"] == "DELEGATE"]
    taken = set().union(*(_replaced(delegate, own) for delegate in delegates))
    left = Counter(op["op_name"] for op in own if op["index"] not in taken)
    return Residency(len(own), len(taken), len(delegates), dict(left))


def _replaced(delegate: dict[str, Any], own: Iterable[dict[str, Any]]) -> set[int]:
    """Indices of the operators between a delegate node's outputs and its inputs."""
    maker = {int(tensor): op for op in own for tensor in op["outputs"]}
    given = {int(tensor) for tensor in delegate["inputs"]}
    open_tensors, taken = [int(tensor) for tensor in delegate["outputs"]], set()
    while open_tensors:
        op = maker.get(open_tensors.pop())
        if op is not None and op["index"] not in taken:
            taken.add(op["index"])
            open_tensors += [int(tensor) for tensor in op["inputs"] if int(tensor) not in given]
    return taken


def gpu_verdict(path: Path) -> str:
    """What TensorFlow's analyzer says about the GPU delegate: "every op", or the first reason against it."""
    with quiet():
        import tensorflow

    said = io.StringIO()
    with quiet(), contextlib.redirect_stdout(said):
        tensorflow.lite.experimental.Analyzer.analyze(model_path=str(path), gpu_compatibility=True)
    lines = [line.strip() for line in said.getvalue().splitlines() if "GPU" in line]
    if any("looks compatible" in line for line in lines):
        return "every op"
    return next((line for line in lines if "WARNING" in line), "unknown")[:200]


def tensorflow_difference(path: Path, pictures: Sequence[np.ndarray]) -> float:
    """Largest difference, in steps of 1/255, between TensorFlow's own interpreter and LiteRT's."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        import tensorflow

        one = Interpreter(str(path), num_threads=1)
        other = tensorflow.lite.Interpreter(str(path), num_threads=1)
    worst = 0.0
    for interpreter in (one, other):
        allocate(interpreter)
    for picture in pictures:
        first, second = (_invoke(interpreter, picture) for interpreter in (one, other))
        worst = max(worst, float(np.abs(first - second).max()))
    return worst


def _invoke(interpreter: Any, picture: np.ndarray) -> np.ndarray:
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(taken["index"], picture[None].astype(taken["dtype"]))
    interpreter.invoke()
    scores = interpreter.get_tensor(given["index"]).astype(np.float64)
    return scores if given["dtype"] == np.uint8 else scores * 255


def _convert(graph: DeployedGraph, size: tuple[int, int]) -> bytes:
    import litert_torch

    with quiet(), tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "model.tflite"
        litert_torch.convert(ChannelsLast(graph, inside=True).eval(), (torch.zeros(1, *size, 3),)).export(str(target))
        return target.read_bytes()


_converted = Conversions(
    lambda graph, size: _convert(graph, size), flatbuffer.with_weights, lambda graph: ChannelsLast(graph, inside=True)
)
