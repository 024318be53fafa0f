"""What MediaPipe's published .tflite graphs hold: their convolutions and scalings, in the order they run."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from ...runtime.contract import MAX_SIDE, MIN_SIDE
from ...runtime.errors import InputError
from ...runtime.files import bytes_of
from .batch_norm import set_gain_of_one

_MAX_BYTES = 32 << 20
_CONVOLUTIONS = {schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.TRANSPOSE_CONV}
_DEPTHWISE = schema.BuiltinOperator.DEPTHWISE_CONV_2D
_TYPES = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}

Weights = tuple[torch.Tensor, torch.Tensor]


class Graph(NamedTuple):
    """What the weights of a graph are.

    `filters` are weights (output channels first, then as torch has them) and biases of its convolutions, `scalings` the
    factors and offsets of channels that are scaled by constants, `size` the (height, width) of its input.
    """

    filters: list[Weights]
    scalings: list[Weights]
    size: tuple[int, int]


def read_graph(path: Path) -> Graph:
    """The graph of a .tflite. Raises InputError for another kind of file."""
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    if bytes_of(path) > _MAX_BYTES:
        raise InputError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: not MediaPipe's selfie segmentation")
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        _, height, width, _ = map(int, model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shape)
        if not all(MIN_SIDE <= side <= MAX_SIDE for side in (height, width)):
            raise ValueError(f"it takes pictures of {height}x{width}")
        return Graph(*_weights(model), (height, width))
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError, struct.error) as error:
        raise InputError(f"{path} is not MediaPipe's selfie segmentation: {error}") from error


@torch.no_grad()
def load_weights(layer: nn.Module, weights: Weights, norm: nn.Module | None = None) -> None:
    """Write weights and biases into a convolution, or the biases into the batch normalisation after it.

    Raises InputError when they do not fit.
    """
    weight, bias = weights
    assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    if layer.weight.shape != weight.shape or bias.shape != (layer.out_channels,):
        found, wanted = tuple(weight.shape), tuple(layer.weight.shape)
        raise InputError(
            f"a convolution has shape {found} and {tuple(bias.shape)} biases where {wanted} and {layer.out_channels} "
            "are wanted: not MediaPipe's selfie segmentation"
        )
    layer.weight.copy_(weight)
    if isinstance(norm, nn.BatchNorm2d):
        set_gain_of_one(norm, bias)
    elif layer.bias is not None:
        layer.bias.copy_(bias)
    elif bias.any():
        raise InputError("a convolution has biases where MediaPipe's selfie segmentation has none")


def _weights(model: schema.ModelT) -> tuple[list[Weights], list[Weights]]:
    graph = model.subgraphs[0]
    source: dict[int, int] = {}  # of what was stored as float16
    filters: list[Weights] = []
    scalings: list[Weights] = []
    factors: dict[int, torch.Tensor] = {}  # of what is multiplied, until something is added to it

    def is_constant(index: int) -> bool:
        return model.buffers[graph.tensors[source.get(index, index)].buffer].data is not None

    def constant(index: int) -> torch.Tensor:
        tensor = graph.tensors[source.get(index, index)]
        values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), _TYPES[tensor.type])
        return torch.from_numpy(values.astype(np.float32).reshape(tensor.shape))

    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        inputs = [int(index) for index in op.inputs]
        if kind == schema.BuiltinOperator.DEQUANTIZE:
            source[int(op.outputs[0])] = inputs[0]
        elif kind in _CONVOLUTIONS or kind == _DEPTHWISE or code.customCode:
            # A transposed convolution is either MediaPipe's own operator or TFLite's, which has its size first.
            weight, bias = constant(inputs[1]), constant(inputs[-1])
            filters.append((weight.permute((3, 0, 1, 2) if kind == _DEPTHWISE else (0, 3, 1, 2)), bias))
        elif kind == schema.BuiltinOperator.MUL and is_constant(inputs[1]):
            factors[int(op.outputs[0])] = constant(inputs[1])
        elif kind == schema.BuiltinOperator.ADD and inputs[0] in factors and is_constant(inputs[1]):
            scalings.append((factors.pop(inputs[0]), constant(inputs[1])))
    return filters, scalings
