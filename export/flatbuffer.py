"""Reading, rewriting and describing .tflite flatbuffers, through the schema's own generated object API."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_OPERATORS = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
_TYPES = {v: k.lower() for k, v in vars(schema.TensorType).items() if not k.startswith("_")}


def read(data: bytes) -> Any:
    """Bytes of a .tflite -> schema.ModelT, with every weight inside the object."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    for buffer in model.buffers:
        # ai-edge-quantizer lays weights behind the flatbuffer; packing again would lose them there.
        if buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model: Any) -> bytes:
    """schema.ModelT -> bytes of a .tflite."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def set_metadata(model: Any, name: str, text: str) -> None:
    """Embed `text` as the model's metadata `name`."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(text.encode(), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name.encode(), len(model.buffers) - 1
    model.metadata = [m for m in model.metadata or [] if m.name != entry.name] + [entry]


def op_histogram(path: str | Path) -> Counter[str]:
    """How often each operator occurs, with the type that it computes in: {"CONV_2D int8": 55, ...}."""
    model = read(Path(path).read_bytes())
    graph = model.subgraphs[0]
    return Counter(f"{operator_name(model, op)} {_TYPES[graph.tensors[op.outputs[0]].type]}" for op in graph.operators)


def operator_name(model: Any, op: Any) -> str:
    """Schema name of an operator, as CONV_2D."""
    code = model.operatorCodes[op.opcodeIndex]
    return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def take_bytes(model: Any) -> None:
    """Turn a float32 picture input into uint8 (scale 1, zero point 0) with a DEQUANTIZE behind it."""
    graph = model.subgraphs[0]
    inner = int(graph.inputs[0])
    outer = _twin(graph, inner, schema.TensorType.UINT8, 1.0, 0)
    graph.operators.insert(0, _operator(model, schema.BuiltinOperator.DEQUANTIZE, 2, inner=outer, outer=inner))
    graph.inputs = _rewired(graph.inputs, inner, outer, [d.inputs for d in model.signatureDefs or []])


def shift_to_bytes(model: Any) -> None:
    """Turn int8 input and output into uint8 by a QUANTIZE at either end: the same numbers plus 128."""
    graph = model.subgraphs[0]
    signatures = model.signatureDefs or []
    quantize = schema.BuiltinOperator.QUANTIZE
    inner = int(graph.inputs[0])
    outer = _twin(graph, inner, schema.TensorType.UINT8, *_shifted(graph.tensors[inner]))
    graph.operators.insert(0, _operator(model, quantize, 2, inner=outer, outer=inner))
    graph.inputs = _rewired(graph.inputs, inner, outer, [d.inputs for d in signatures])
    inner = int(graph.outputs[0])
    outer = _twin(graph, inner, schema.TensorType.UINT8, *_shifted(graph.tensors[inner]))
    graph.operators.append(_operator(model, quantize, 2, inner=inner, outer=outer))
    graph.outputs = _rewired(graph.outputs, inner, outer, [d.outputs for d in signatures])


def use_depth_to_space(model: Any) -> int:
    """Replace each RESHAPE, TRANSPOSE, RESHAPE that is a pixel shuffle by one DEPTH_TO_SPACE; how many."""
    graph = model.subgraphs[0]
    replaced = list(_pixel_shuffles(model, graph))
    for first, middle, last in replaced:
        op = _operator(model, schema.BuiltinOperator.DEPTH_TO_SPACE, 1, int(first.inputs[0]), int(last.outputs[0]))
        op.builtinOptionsType = schema.BuiltinOptions.DepthToSpaceOptions
        op.builtinOptions = schema.DepthToSpaceOptionsT()
        op.builtinOptions.blockSize = 2
        position = graph.operators.index(first)
        for old in (first, middle, last):
            graph.operators.remove(old)
        graph.operators.insert(position, op)
    return len(replaced)


def _pixel_shuffles(model: Any, graph: Any) -> Iterator[tuple[Any, Any, Any]]:
    used_by = {}
    for op in graph.operators:
        used_by.setdefault(int(op.inputs[0]), []).append(op)

    def follower(op: Any, name: str) -> Any:
        users = used_by.get(int(op.outputs[0]), [])
        return users[0] if len(users) == 1 and operator_name(model, users[0]) == name else None

    for first in graph.operators:
        middle = follower(first, "TRANSPOSE") if operator_name(model, first) == "RESHAPE" else None
        last = follower(middle, "RESHAPE") if middle else None
        if last is None:
            continue
        _, height, width, channels = (int(side) for side in graph.tensors[first.inputs[0]].shape)
        split = [height, width, 2, channels // 2]
        joined = [1, 2 * height, 2 * width, channels // 4]
        order = np.frombuffer(bytes(model.buffers[graph.tensors[middle.inputs[1]].buffer].data), np.int32)
        if (
            list(graph.tensors[first.outputs[0]].shape) == split
            and list(order) == [0, 2, 1, 3]
            and list(graph.tensors[last.outputs[0]].shape) == joined
        ):
            yield first, middle, last


def _shifted(tensor: Any) -> tuple[float, int]:
    return float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]) + 128


def _twin(graph: Any, index: int, kind: int, scale: float, zero_point: int) -> int:
    """A new tensor of the same shape as `index`, without data; its index."""
    twin = copy.deepcopy(graph.tensors[index])
    twin.type, twin.buffer, twin.name = kind, 0, twin.name + b"_bytes"
    twin.quantization = schema.QuantizationParametersT()
    twin.quantization.scale = np.array([scale], np.float32)
    twin.quantization.zeroPoint = np.array([zero_point], np.int64)
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def _operator(model: Any, builtin: int, version: int, inner: int, outer: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = version
    model.operatorCodes.append(code)
    op = schema.OperatorT()
    op.opcodeIndex = len(model.operatorCodes) - 1
    op.inputs, op.outputs = np.array([inner], np.int32), np.array([outer], np.int32)
    return op


def _rewired(ends: Any, old: int, new: int, signatures: list[Any]) -> np.ndarray:
    for tensor in (tensor for tensors in signatures for tensor in tensors):
        if tensor.tensorIndex == old:
            tensor.tensorIndex = new
    return np.array([new if end == old else end for end in ends], np.int32)
