"""TFLite by litert-torch and ai-edge-quantizer: float32, float16 weights, and int8 throughout.

Input and output, which are also the contract's:
  fp32, fp16  float32 1 x H x W x 3, values 0..255 -> float32 1 x H x W x C, 0..1. (A uint8 input with a
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
from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.utils import qsv_utils

from ..runtime.backends.announcements import allocate
from ..runtime.contract import METADATA_KEY, Contract
from ..runtime.errors import InputError
from . import flatbuffer
from .graph import ChannelsLast, DeployedGraph
from .quiet import quiet

_SIGNATURE, _INPUT = "serving_default", "args_0"
_LOGIT = 8.0  # 255 times the sigmoid of -8 is 0.09
_INPUT_TENSOR = f"{_SIGNATURE}_{_INPUT}"


def export_tflite(
    graph: DeployedGraph,
    contract: Contract,
    path: Path,
    precision: str,
    pictures: Sequence[np.ndarray] = (),
    threads: int = 2,
) -> None:
    """Write `graph` as a .tflite at `path`.

    fp16 and int8 want a graph that `round_weights` has prepared; int8 takes the ranges of its activations from
    `pictures` (uint8 H x W x 3).
    Raises InputError when an int8 file would hold a float operator or leave XNNPACK in the middle.
    """
    model = flatbuffer.read(_convert(graph, contract.size))
    flatbuffer.fuse_padding(model)
    if precision == "int8":
        flatbuffer.write_out_hard_swish(model)
    content = flatbuffer.pack(model)
    if precision == "fp16":
        content = _quantize(content, _half_weights())
    elif precision == "int8":
        content = _quantize(content, recipe.static_wi8_ai8(), pictures, threads)
    model = flatbuffer.read(content)
    if precision == "int8":
        flatbuffer.shift_to_bytes(model)
    flatbuffer.set_metadata(model, METADATA_KEY, contract.without_artefacts().to_json())
    path.write_bytes(flatbuffer.pack(model))
    found = residency(path)
    if found.partitions != 1:
        raise InputError(f"{path.name} splits into {found.partitions} XNNPACK partitions instead of 1: {found}")
    floats = [op for op in flatbuffer.op_histogram(path) if "float" in op]
    if precision == "int8" and floats:
        raise InputError(f"{path.name} should be int8 throughout, but holds {', '.join(floats)}")


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


def _quantize(content: bytes, rules: Any, pictures: Sequence[np.ndarray] = (), threads: int = 2) -> bytes:
    tool = quantizer.Quantizer(content)
    tool.load_quantization_recipe(rules)
    ranges = None
    with quiet():
        if tool.need_calibration:
            ranges = _ranges(content, tool, pictures, threads)
        return bytes(tool.quantize(ranges, enable_progress_report=False).quantized_model)


def _ranges(content: bytes, tool: Any, pictures: Sequence[np.ndarray], threads: int) -> dict[str, Any]:
    seen = calibrator.Calibrator(content, num_threads=threads, qsv_update_func=qsv_utils.moving_average_update)
    data = ({_INPUT: picture[None].astype(np.float32)} for picture in pictures)
    rules = recipe_manager.RecipeManager()
    rules.load_quantization_recipe(tool.get_quantization_recipe())
    seen.calibrate({_SIGNATURE: list(data)}, rules)
    ranges = seen.get_model_qsvs()
    # A byte is a byte, whatever the darkest and brightest calibration pixel were.
    picture_range = ranges[_INPUT_TENSOR]
    picture_range["min"] = np.zeros_like(picture_range["min"])
    picture_range["max"] = np.full_like(picture_range["max"], 255)
    # Beyond these the output byte does not change, so the steps are better spent on what is in doubt.
    for name in _sigmoid_inputs(content):
        ranges[name]["min"] = np.maximum(ranges[name]["min"], -_LOGIT)
        ranges[name]["max"] = np.minimum(ranges[name]["max"], _LOGIT)
    return ranges


def _sigmoid_inputs(content: bytes) -> list[str]:
    """The name of the logits, where the model's output is their sigmoid."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    return [
        graph.tensors[op.inputs[0]].name.decode()
        for op in graph.operators
        if op.outputs[0] in graph.outputs and flatbuffer.operator_name(model, op) == "LOGISTIC"
    ]


def _half_weights() -> Any:
    rules = recipe_manager.RecipeManager()
    half = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    for operation in (qtyping.TFLOperationName.CONV_2D, qtyping.TFLOperationName.DEPTHWISE_CONV_2D):
        rules.add_quantization_config(".*", operation, half, algorithm_key=AlgorithmName.FLOAT_CASTING)
    return rules.get_quantization_recipe()
