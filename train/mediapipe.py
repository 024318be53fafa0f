"""A checkpoint of `model.architecture: selfie` out of MediaPipe's selfie segmentation, from its npm package.

    npm pack @mediapipe/selfie_segmentation@0.1.1675465747 && tar xzf mediapipe-selfie_segmentation-*.tgz
    python -m portraitnet.train.mediapipe package/selfie_segmentation.tflite PHOTOGRAPHS selfie.safetensors
    portraitnet train portraitnet_nano run.start_from=selfie.safetensors ...

The published graph (Google, Apache-2.0) holds float16 weights without batch normalisation, which was folded into the
convolutions; see `statistics.py` for how each layer gets it back. What is written computes MediaPipe's logits, divided
by 20: the same mask at 0.5. Theirs are in the hundreds, so sure that the first thing it would learn is to doubt.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from ..runtime.errors import InputError
from ..runtime.files import bytes_of
from ..runtime.geometry import FILL
from .checkpoint import save_checkpoint
from .models import ModelSpec, Normalize, build_model
from .models.selfie import SELFIE_ENCODER, SelfieNet
from .statistics import PHOTOGRAPHS, give_statistics, photographs, set_gain_of_one

_MAX_BYTES = 16 << 20
# On the training photographs of people/, the divisor with the lowest cross entropy is 16 to 24 (landscape model: 12).
STEEPNESS = 20
FACTS = {"training": {"data": "MediaPipe"}}
SPEC = ModelSpec(architecture="selfie", encoder=SELFIE_ENCODER, edge_head=False)


Filters = list[tuple[torch.Tensor, torch.Tensor]]


def read_graph(path: Path) -> tuple[Filters, tuple[int, int]]:
    """Weights and biases of a .tflite's convolutions, and the (height, width) of its input.

    They come in the order they run, weights as torch has them. The graph's only transposed convolution comes as a
    custom operator. Raises InputError for another kind of file.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    if bytes_of(path) > _MAX_BYTES:
        raise InputError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: not MediaPipe's selfie segmentation")
    try:
        graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        _, height, width, _ = map(int, graph.subgraphs[0].tensors[graph.subgraphs[0].inputs[0]].shape)
        return list(_filters(graph)), (height, width)
    except (ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise InputError(f"{path} is not MediaPipe's selfie segmentation: {error}") from error


def _filters(model: schema.ModelT) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    graph = model.subgraphs[0]
    source: dict[int, int] = {}  # of what was stored as float16
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        if kind == schema.BuiltinOperator.DEQUANTIZE:
            source[int(op.outputs[0])] = int(op.inputs[0])
        elif kind in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D) or code.customCode:
            weight, bias = (_half(model, source[int(index)]) for index in op.inputs[1:])
            depthwise = kind == schema.BuiltinOperator.DEPTHWISE_CONV_2D
            yield weight.permute((3, 0, 1, 2) if depthwise else (0, 3, 1, 2)), bias


def _half(model: schema.ModelT, index: int) -> torch.Tensor:
    tensor = model.subgraphs[0].tensors[index]
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float16)
    return torch.from_numpy(values.astype(np.float32).reshape(tensor.shape))


@torch.no_grad()
def network_of(filters: Filters) -> SelfieNet:
    """The network with these filters; batch normalisation only adds their biases yet. InputError if they do not fit."""
    network = build_model(SPEC)
    assert isinstance(network, SelfieNet)
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    norms = iter([m for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
    if len(filters) != len(layers):
        raise InputError(f"{len(filters)} convolutions, not {len(layers)}: not MediaPipe's selfie segmentation")
    normalize = Normalize()
    for number, (layer, (weight, bias)) in enumerate(zip(layers, filters, strict=True)):
        if isinstance(layer, nn.ConvTranspose2d):
            weight, bias = weight.transpose(0, 1) / STEEPNESS, bias / STEEPNESS
        if weight.shape != layer.weight.shape:
            raise InputError(f"convolution {number} has shape {tuple(weight.shape)}, not {tuple(layer.weight.shape)}")
        if number == 0:  # theirs sees 0..1
            bias = bias + (weight * normalize.mean / 255).sum((1, 2, 3))
            weight = weight * normalize.deviation / 255
        layer.weight.copy_(weight)
        if layer.bias is not None:
            layer.bias.copy_(bias)
        else:
            set_gain_of_one(next(norms), bias)
    return network.eval()


def main() -> None:
    """Write MediaPipe's selfie segmentation as a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="selfie_segmentation.tflite of the package, or its _landscape.tflite")
    parser.add_argument("photographs", type=Path, help=f"folder of photographs; the first {PHOTOGRAPHS} are looked at")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    try:
        filters, size = read_graph(given.model)
        network = network_of(filters)
        give_statistics(network, photographs(given.photographs, size))
        save_checkpoint(given.out, network.state_dict(), SPEC, size, FACTS, geometry=FILL)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    print(f"wrote {given.out}: start from it with run.start_from={given.out}")


if __name__ == "__main__":
    main()
