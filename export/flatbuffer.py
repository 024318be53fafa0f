"""Reading, rewriting and describing .tflite flatbuffers, through the schema's own generated object API."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
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


def with_weights(data: bytes, old: Mapping[str, Any], new: Mapping[str, Any]) -> bytes | None:
    """A .tflite with the `new` weights in place of the `old` ones (tensors by name).

    A file does not name its weights: each is known by its values, in one of the orders that a converter lays axes in.
    None unless every one lies in a place of its own.
    """
    model = read(data)
    places: dict[bytes, list[int]] = {}
    for index, buffer in enumerate(model.buffers):
        if buffer.data is not None and len(buffer.data):
            places.setdefault(bytes(bytearray(buffer.data)), []).append(index)
    content: dict[int, bytes] = {}
    owners: Counter[int] = Counter()
    for name, before in old.items():
        found = {
            (index, after.tobytes())
            for values, after in zip(_orders(before.numpy()), _orders(new[name].numpy()), strict=True)
            for index in places.get(values.tobytes(), ())
        }
        if len(found) != 1:
            return None
        [(index, values)] = found
        if content.setdefault(index, values) != values:
            return None
        owners[index] += 1
    if owners != Counter(t.buffer for graph in model.subgraphs for t in graph.tensors if t.buffer in content):
        return None  # somebody else reads the same values
    for index, values in content.items():
        model.buffers[index].data = np.frombuffer(values, np.uint8)
    return pack(model)


def _orders(weights: np.ndarray) -> list[np.ndarray]:
    """`weights` as torch has them, and as TFLite may: filters out-H-W-in, or 1-H-W-out of depthwise convolutions."""
    return [weights, weights.transpose(0, 2, 3, 1), weights.transpose(1, 2, 3, 0)] if weights.ndim == 4 else [weights]


def set_metadata(model: Any, name: str, content: str | bytes) -> None:
    """Embed `content` as the model's metadata `name`."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content.encode() if isinstance(content, str) else content, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name.encode(), len(model.buffers) - 1
    model.metadata = [m for m in model.metadata or [] if m.name != entry.name] + [entry]


def op_histogram(path: str | Path) -> Counter[str]:
    """How often each operator occurs, with the type that it computes in: {"CONV_2D int8": 55, ...}."""
    model = read(Path(path).read_bytes())
    graph = model.subgraphs[0]
    return Counter(f"{operator_name(model, op)} {type_name(graph.tensors[op.outputs[0]])}" for op in graph.operators)


def weight_types(path: str | Path) -> set[str]:
    """Element types of the stored matrices and filters (two axes and more): {"int8"}, {"float32"}, ..."""
    model = read(Path(path).read_bytes())
    return {
        type_name(tensor)
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.shape is not None and len(tensor.shape) > 1 and model.buffers[tensor.buffer].data is not None
    }


def operator_name(model: Any, op: Any) -> str:
    """Schema name of an operator, as CONV_2D."""
    code = model.operatorCodes[op.opcodeIndex]
    return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def type_name(tensor: Any) -> str:
    """Element type of a tensor, as int8."""
    return _TYPES[tensor.type]


def shift_to_bytes(model: Any) -> None:
    """Turn int8 input and output into uint8 by a QUANTIZE at either end: the same numbers plus 128."""
    graph = model.subgraphs[0]
    signatures = model.signatureDefs or []
    inside = int(graph.inputs[0])
    outside = _shifted_twin(graph, inside)
    graph.operators.insert(0, _quantize(model, outside, inside))
    graph.inputs = _rewired(graph.inputs, inside, outside, [d.inputs for d in signatures])
    inside = int(graph.outputs[0])
    outside = _shifted_twin(graph, inside)
    graph.operators.append(_quantize(model, inside, outside))
    graph.outputs = _rewired(graph.outputs, inside, outside, [d.outputs for d in signatures])


def fuse_padding(model: Any) -> None:
    """Let convolutions pad by themselves where a PAD before them does what TensorFlow's SAME would do."""
    graph = model.subgraphs[0]
    maker = {int(op.outputs[0]): op for op in graph.operators}
    readers = Counter(int(tensor) for op in graph.operators for tensor in op.inputs)
    fused = []
    for op in graph.operators:
        pad = maker.get(int(op.inputs[0])) if operator_name(model, op) in ("CONV_2D", "DEPTHWISE_CONV_2D") else None
        if pad is None or operator_name(model, pad) != "PAD" or readers[int(pad.outputs[0])] != 1:
            continue
        amounts = model.buffers[graph.tensors[pad.inputs[1]].buffer].data
        kind = np.int32 if type_name(graph.tensors[pad.inputs[1]]) == "int32" else np.int64
        sides, kernel = graph.tensors[pad.inputs[0]].shape, graph.tensors[op.inputs[1]].shape
        options = op.builtinOptions
        wanted = [
            (0, 0),
            _same_padding(sides[1], kernel[1], options.strideH, options.dilationHFactor),
            _same_padding(sides[2], kernel[2], options.strideW, options.dilationWFactor),
            (0, 0),
        ]
        if (
            options.padding == schema.Padding.VALID
            and np.frombuffer(amounts, kind).tolist() == np.ravel(wanted).tolist()
        ):
            options.padding = schema.Padding.SAME
            op.inputs[0] = pad.inputs[0]
            fused.append(id(pad))
    graph.operators = [op for op in graph.operators if id(op) not in fused]


def write_out_hard_swish(model: Any) -> None:
    """Replace each HARD_SWISH, which XNNPACK does not take in int8, by x times RELU6(x + 3) times 1/6."""
    graph = model.subgraphs[0]
    if not any(operator_name(model, op) == "HARD_SWISH" for op in graph.operators):
        return
    three, sixth = (_constant(model, value) for value in (3.0, 1 / 6))
    written = []
    for op in graph.operators:
        if operator_name(model, op) != "HARD_SWISH":
            written.append(op)
            continue
        (x,), (result,) = op.inputs, op.outputs
        gate, product = (_like(graph, x, name) for name in (b"_gate", b"_gated"))
        written += [
            _binary(model, "Add", x, three, gate, schema.ActivationFunctionType.RELU6),
            _binary(model, "Mul", x, gate, product),
            _binary(model, "Mul", product, sixth, result),
        ]
    graph.operators = written


def _constant(model: Any, value: float) -> int:
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(np.float32(value).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.shape, tensor.type = np.array([1], np.int32), schema.TensorType.FLOAT32
    tensor.buffer = len(model.buffers) - 1
    tensor.name = f"constant_{value:.3f}".encode()
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def _like(graph: Any, index: int, suffix: bytes) -> int:
    twin = copy.deepcopy(graph.tensors[index])
    twin.name += suffix
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def _binary(model: Any, kind: str, a: int, b: int, result: int, activation: int = 0) -> Any:
    """An ADD or MUL ("Add", "Mul") of two tensors."""
    options = getattr(schema, f"{kind}OptionsT")()
    options.fusedActivationFunction = activation
    return _operator(model, kind, [a, b], [result], options)


def _operator(model: Any, kind: str, inputs: list[int], outputs: list[int], options: Any, version: int = 1) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind.upper())
    code.version = version
    model.operatorCodes.append(code)
    op = schema.OperatorT()
    op.opcodeIndex = len(model.operatorCodes) - 1
    op.inputs, op.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
    op.builtinOptionsType = getattr(schema.BuiltinOptions, f"{kind}Options")
    op.builtinOptions = options
    return op


def _same_padding(side: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    reach = (kernel - 1) * dilation + 1
    total = max((-(-side // stride) - 1) * stride + reach - side, 0)
    return total // 2, total - total // 2


def _shifted_twin(graph: Any, index: int) -> int:
    """A uint8 tensor that means the same as int8 tensor `index`; its index."""
    twin = copy.deepcopy(graph.tensors[index])
    twin.type, twin.buffer, twin.name = schema.TensorType.UINT8, 0, twin.name + b"_bytes"
    twin.quantization.zeroPoint = twin.quantization.zeroPoint + 128
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def _quantize(model: Any, source: int, target: int) -> Any:
    return _operator(model, "Quantize", [source], [target], schema.QuantizeOptionsT(), version=2)


def _rewired(ends: Any, old: int, new: int, signatures: list[Any]) -> np.ndarray:
    for tensor in (tensor for tensors in signatures for tensor in tensors):
        if tensor.tensorIndex == old:
            tensor.tensorIndex = new
    return np.array([new if end == old else end for end in ends], np.int32)
