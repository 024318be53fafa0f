"""ONNX by torch.onnx.export (opset 18, any batch size); float16 and int8 by onnxruntime's own tools.

Input "image" is uint8 N x H x W x 3, output "scores" float32 N x H x W x C, at every precision.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from ..runtime.contract import METADATA_KEY, Contract
from .conversions import Conversions, Weights
from .graph import ChannelsLast, DeployedGraph
from .quiet import quiet

OPSET = 18
_INPUT, _OUTPUT = "image", "scores"

# onnxruntime enlarges float16 as well.
_IN_FLOAT32 = [operator for operator in DEFAULT_OP_BLOCK_LIST if operator != "Resize"]


def export_onnx(
    graph: DeployedGraph,
    contract: Contract,
    path: Path,
    precision: str,
    pictures: Sequence[np.ndarray] = (),
) -> None:
    """Write `graph` as a checked .onnx at `path`.

    fp16, int8 and w8a32 want a graph that `round_weights` has prepared; int8 takes the ranges of its activations from
    `pictures` (uint8 H x W x 3).
    """
    model = onnx.load_from_string(_converted(graph, contract.size))
    if precision == "fp16":
        # The converter would cast the scales that enlargements share, which stay float32, once for each of them.
        constants = {tensor.name for tensor in model.graph.initializer}
        for stale in [value for value in model.graph.value_info if value.name in constants]:
            model.graph.value_info.remove(stale)
        with quiet():
            model = convert_float_to_float16(model, keep_io_types=True, op_block_list=_IN_FLOAT32)
    elif precision == "int8":
        model = _quantize(model, pictures)
    elif precision == "w8a32":
        _quantize_weights(model)
    used = {node.domain for node in model.graph.node}
    for unused in [entry for entry in model.opset_import if entry.domain not in used]:
        model.opset_import.remove(unused)
    model.producer_name = METADATA_KEY
    onnx.helper.set_model_props(model, {METADATA_KEY: contract.without_artefacts().to_json()})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _with_weights(content: bytes, old: Weights, new: Weights) -> bytes | None:
    """The file with the `new` weights in place of the `old` ones; None unless it holds each of these by its name.

    Each for one operator alone: the converter lets equal constants share a place. It leaves biases of zeros out; one
    that is no longer zero joins its convolution.
    """
    model = onnx.load_from_string(content)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    uses = Counter(name for node in model.graph.node for name in node.input)
    convolutions = {node.input[1]: node for node in model.graph.node if node.op_type == "Conv"}
    for name, before in old.items():
        after = numpy_helper.from_array(new[name].numpy(), name)
        if name in stored and uses[name] == 1 and np.array_equal(numpy_helper.to_array(stored[name]), before.numpy()):
            stored[name].CopyFrom(after)
            continue
        convolution = convolutions.get(f"{name.removesuffix('bias')}weight")
        if uses[name] or before.any() or convolution is None or len(convolution.input) != 2:
            return None
        if new[name].any():
            convolution.input.append(name)
            model.graph.initializer.append(after)
    return model.SerializeToString()


def _convert(graph: DeployedGraph, size: tuple[int, int]) -> Any:
    # Two pictures, because torch.export takes a batch of one for a constant.
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=1024)
    with quiet():
        program = torch.onnx.export(
            ChannelsLast(graph).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[_INPUT],
            output_names=[_OUTPUT],
            dynamic_shapes=({0: batch},),
            external_data=False,
            verbose=False,
        )
    assert program is not None  # None is the answer of the old exporter only
    model = program.model_proto
    for node in model.graph.node:  # stack traces with this machine's paths
        del node.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    return model


def _quantize(model: Any, pictures: Sequence[np.ndarray]) -> Any:
    with quiet(), tempfile.TemporaryDirectory() as scratch:
        plain, ready, done = (str(Path(scratch) / name) for name in ("plain.onnx", "ready.onnx", "done.onnx"))
        onnx.save(model, plain)
        # Its symbolic inference of shapes gives up on the selfie networks; the plain one does for networks like these.
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            done,
            _Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,  # measured: better than int8 on CPUs without signed products
            weight_type=QuantType.QInt8,
        )
        return _with_unsigned_weights(onnx.load(done))


def _quantize_weights(model: Any) -> None:
    """Store each convolution's filters as int8 with a step for each, in place; arithmetic stays float32.

    ONNX Runtime unpacks them when it opens the file: a quarter of the size, the speed of float32.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    filters = {node.input[1] for node in model.graph.node if node.op_type == "Conv" and node.input[1] in constants}
    unpacked = []
    for name in sorted(filters):
        weights = numpy_helper.to_array(constants[name])
        steps = np.maximum(np.abs(weights).reshape(len(weights), -1).max(1), 1e-12).astype(np.float32) / np.float32(127)
        levels = np.round(weights / steps.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int8)
        constants[name].CopyFrom(numpy_helper.from_array(levels, f"{name}_int8"))
        model.graph.initializer.append(numpy_helper.from_array(steps, f"{name}_steps"))
        given = [f"{name}_int8", f"{name}_steps"]
        unpacked.append(onnx.helper.make_node("DequantizeLinear", given, [name], axis=0))
    for place, node in enumerate(unpacked):
        model.graph.node.insert(place, node)
    for value in [value for value in model.graph.value_info if value.name in filters]:
        model.graph.value_info.remove(value)


def _with_unsigned_weights(model: Any) -> Any:
    """The same network with each int8 weight stored as uint8, 128 higher, and zero points to match.

    On x86 processors without int8 dot products (VNNI) onnxruntime adds pairs of uint8 x int8 products in 16 bits,
    which overflow: a trained PortraitNet's mask IoU with torch fell from 0.9945 to 0.9868. Its uint8 x uint8
    kernels never do.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            for name in (node.input[0], node.input[2]):
                signed = numpy_helper.to_array(constants[name])
                if signed.dtype == np.int8:
                    unsigned = (signed.astype(np.int16) + 128).astype(np.uint8)
                    constants[name].CopyFrom(numpy_helper.from_array(unsigned, name))
    return model


class _Pictures(CalibrationDataReader):
    def __init__(self, pictures: Sequence[np.ndarray]) -> None:
        self._next: Iterator[np.ndarray] = iter(pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        picture = next(self._next, None)
        return None if picture is None else {_INPUT: picture[None]}


_converted = Conversions(
    lambda graph, size: _convert(graph, size).SerializeToString(), _with_weights, lambda graph: ChannelsLast(graph)
)
