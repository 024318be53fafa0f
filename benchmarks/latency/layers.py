"""The layers of a .tflite, each as a model of its own: what it computes, what it moves, and a file that runs it alone.

LiteRT's Python interpreter cannot time single operators; a file of one operator can be timed like any
other, by the very kernels that the whole model uses.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ...export import flatbuffer
from ...runtime.errors import InputError

_BYTES = {
    schema.TensorType.FLOAT32: 4,
    schema.TensorType.FLOAT16: 2,
    schema.TensorType.INT32: 4,
    schema.TensorType.UINT8: 1,
    schema.TensorType.INT8: 1,
    schema.TensorType.INT64: 8,
}


@dataclass(frozen=True)
class Layer:
    """One operator. `moved` counts the bytes of its inputs, weights and output; `file` is it alone, as a .tflite."""

    index: int
    name: str
    operator: str
    type: str  # of its output
    macs: int
    moved: int
    file: bytes


def layers_of(path: Path) -> list[Layer]:
    """Every operator of a .tflite, in order; weights stored as float16 are unpacked within the layer they belong to."""
    model = flatbuffer.read(path.read_bytes())
    if len(model.subgraphs) != 1:
        raise InputError(f"{path} has {len(model.subgraphs)} graphs; only files with one can be timed by layer")
    graph = model.subgraphs[0]
    unpacked = {
        int(op.outputs[0]): op
        for op in graph.operators
        if flatbuffer.operator_name(model, op) == "DEQUANTIZE"
        and model.buffers[graph.tensors[op.inputs[0]].buffer].data is not None
    }
    layers = [op for op in graph.operators if int(op.outputs[0]) not in unpacked]
    return [_layer(model, graph, number, op, unpacked) for number, op in enumerate(layers)]


def _layer(model: Any, graph: Any, number: int, op: Any, unpacked: Mapping[int, Any]) -> Layer:
    operator = flatbuffer.operator_name(model, op)
    inputs = [graph.tensors[i] for i in op.inputs if i >= 0]
    output = graph.tensors[op.outputs[0]]
    weights = _shape(inputs[1]) if len(inputs) > 1 and operator in _KERNELS else ()
    kernel = f" {weights[1]}x{weights[2]}" if len(weights) == 4 else ""
    size = "x".join(map(str, _shape(output)[1:]))
    return Layer(
        number,
        f"{number} {operator}{kernel} to {size}",
        operator,
        flatbuffer.type_name(output),
        _macs(operator, weights, inputs, output),
        sum(int(np.prod(_shape(t))) * _BYTES.get(t.type, 4) for t in (*inputs, output)),
        _alone(model, graph, [*(unpacked[int(i)] for i in op.inputs if int(i) in unpacked), op]),
    )


_KERNELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


def _macs(operator: str, weights: Sequence[int], inputs: Sequence[Any], output: Any) -> int:
    """Multiply-accumulates: those of convolutions and matrix products; all else counts as moving bytes."""
    if operator == "TRANSPOSE_CONV":  # inputs: output shape, weights, picture
        return int(np.prod(_shape(inputs[2]))) * int(np.prod(weights[:3]))
    if operator not in _KERNELS:
        return 0
    each = weights[1:3] if operator == "DEPTHWISE_CONV_2D" else weights[1:]
    return int(np.prod(_shape(output))) * int(np.prod(each))


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(side) for side in tensor.shape) if tensor.shape is not None else ()


def _alone(model: Any, graph: Any, operators: Sequence[Any]) -> bytes:
    """A .tflite with these operators, their constants, and what else the first ones need as the model's inputs."""
    single, part = schema.ModelT(), schema.SubGraphT()
    codes = list(dict.fromkeys(op.opcodeIndex for op in operators))
    single.version, single.operatorCodes = model.version, [model.operatorCodes[code] for code in codes]
    single.buffers, single.subgraphs = [schema.BufferT()], [part]
    part.tensors, moved = [], {-1: -1}
    for index in dict.fromkeys(int(i) for op in operators for i in (*op.inputs, *op.outputs)):
        if index < 0:
            continue
        tensor = copy.copy(graph.tensors[index])
        constant = model.buffers[tensor.buffer]
        tensor.buffer = 0
        if constant.data is not None:
            single.buffers.append(constant)
            tensor.buffer = len(single.buffers) - 1
        moved[index] = len(part.tensors)
        part.tensors.append(tensor)
    part.operators = [copy.copy(op) for op in operators]
    for op in part.operators:
        op.opcodeIndex = codes.index(op.opcodeIndex)
        op.inputs = np.array([moved[int(i)] for i in op.inputs], np.int32)
        op.outputs = np.array([moved[int(i)] for i in op.outputs], np.int32)
    made = {int(i) for op in part.operators[:-1] for i in op.outputs}
    last = part.operators[-1]
    part.inputs = np.array(
        [i for i in last.inputs if i >= 0 and part.tensors[i].buffer == 0 and int(i) not in made], np.int32
    )
    part.outputs = last.outputs
    return flatbuffer.pack(single)


def dense_layer(precision: str, channels: int = 512, side: int = 28) -> Layer:
    """A 1x1 convolution of `channels` to `channels` at `side` x `side`, which comes nearest to the machine's peak.

    `precision` is fp32 or int8.
    """
    quantized = precision == "int8"
    kind = schema.TensorType.INT8 if quantized else schema.TensorType.FLOAT32
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (channels, 1, 1, channels)).astype(np.int8)
    stored = weights if quantized else weights.astype(np.float32)
    bias = np.zeros(channels, np.int32 if quantized else np.float32)
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT() for _ in range(3)]
    model.buffers[1].data = np.frombuffer(stored.tobytes(), np.uint8)
    model.buffers[2].data = np.frombuffer(bias.tobytes(), np.uint8)
    picture = (1, side, side, channels)
    graph.tensors = [
        _tensor(picture, kind, 0, [0.02] if quantized else []),
        _tensor(weights.shape, kind, 1, [0.01] * channels if quantized else []),
        _tensor((channels,), schema.TensorType.INT32 if quantized else kind, 2, [2e-4] * channels if quantized else []),
        _tensor(picture, kind, 0, [0.5] if quantized else []),
    ]
    code, op = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 3
    model.operatorCodes = [code]
    op.opcodeIndex, op.inputs, op.outputs = 0, np.array([0, 1, 2], np.int32), np.array([3], np.int32)
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.Conv2DOptions, schema.Conv2DOptionsT()
    op.builtinOptions.strideH = op.builtinOptions.strideW = 1
    graph.operators, graph.inputs, graph.outputs = [op], np.array([0], np.int32), np.array([3], np.int32)
    return _layer(model, graph, 0, op, {})


def _tensor(shape: Sequence[int], kind: int, buffer: int, scales: Sequence[float]) -> Any:
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer = np.array(shape, np.int32), kind, buffer
    tensor.name = f"tensor{buffer}{len(shape)}".encode()
    if scales:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.array(scales, np.float32)
        tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
    return tensor
