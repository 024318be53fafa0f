import json

import numpy as np
import pytest
import timm
import torch
from torch import nn

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.weights import write_safetensors
from portraitnet.train.models import Normalize
from portraitnet.train.models.encoders import build_encoder
from portraitnet.train.pretrained.movenet import ENCODER, backbone, read_graph, restore_statistics


@pytest.fixture
def trained():
    """A MobileNetV2 whose batch normalisation does something, and its filters as TensorFlow.js stores them."""
    torch.manual_seed(0)
    encoder = timm.create_model(ENCODER, features_only=True).eval()
    tensors = {}
    convolutions = [(n, m) for n, m in encoder.named_modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    for number, ((_, convolution), norm) in enumerate(zip(convolutions, norms, strict=True)):
        nn.init.uniform_(norm.bias, -0.5, 0.5)
        kind, order = ("depthwise", (2, 3, 0, 1)) if convolution.groups > 1 else ("Conv2D", (2, 3, 1, 0))
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        name = f"net/model_1/model/{number}/{kind}"
        weight = (convolution.weight * scale.view(-1, 1, 1, 1)).detach()
        offset = norm.bias.detach()
        if number == 0:  # theirs sees -1..1
            offset = offset - (weight * ((Normalize().mean / 127.5 - 1) / (Normalize().deviation / 127.5))).sum(
                (1, 2, 3)
            )
            weight = weight / (Normalize().deviation / 127.5)
        tensors[f"{name}_weights"], tensors[f"{name}_bn_offset"] = weight.permute(order), offset
    return encoder, tensors


def _write(path, tensors, kind="float16"):
    entries = [
        {"name": name, "shape": list(value.shape), "dtype": "float32", "quantization": {"dtype": kind}}
        for name, value in tensors.items()
    ]
    path.with_suffix(".bin").write_bytes(b"".join(np.asarray(v).astype(kind).tobytes() for v in tensors.values()))
    path.write_text(json.dumps({"weightsManifest": [{"weights": entries}]}))


def test_a_stored_backbone_computes_what_it_did_before_and_after_its_statistics(trained, tmp_path):
    original, tensors = trained
    _write(tmp_path / "net.json", tensors, "float32")
    pictures = torch.randn(4, 3, 64, 64)
    encoder = backbone(read_graph(tmp_path / "net.json")).eval()
    with torch.no_grad():
        for theirs, ours in zip(original(pictures), encoder(pictures), strict=True):
            torch.testing.assert_close(theirs, ours, atol=1e-3, rtol=1e-3)
        restore_statistics(encoder, pictures.split(2))
        for theirs, ours in zip(original(pictures), encoder(pictures), strict=True):
            torch.testing.assert_close(theirs, ours, atol=1e-3, rtol=1e-3)
    # In training, the pictures' own statistics give the same again: the network goes on from what it knew.
    stem = encoder.bn1(encoder.conv_stem(pictures))
    torch.testing.assert_close(stem, encoder.train().bn1(encoder.conv_stem(pictures)), atol=1e-3, rtol=1e-3)
    write_safetensors(tmp_path / "movenet.safetensors", encoder.state_dict(), {})
    build_encoder(ENCODER, str(tmp_path / "movenet.safetensors"))


def test_another_graph_is_refused(trained, tmp_path):
    _, tensors = trained
    names = list(tensors)
    with pytest.raises(InputError, match="not MoveNet"):
        backbone({name: tensors[name] for name in names[:10]})
    with pytest.raises(InputError, match="does not fit"):
        backbone(dict(tensors) | {names[2]: torch.zeros(3, 3, 5, 1)})
    with pytest.raises(InputError, match="does not exist"):
        read_graph(tmp_path / "none.json")
    _write(tmp_path / "short.json", tensors)
    (tmp_path / "short.bin").write_bytes(b"1234")
    with pytest.raises(InputError, match="no TensorFlow"):
        read_graph(tmp_path / "short.json")
    (tmp_path / "short.json").write_text("[]")
    with pytest.raises(InputError, match="no TensorFlow"):
        read_graph(tmp_path / "short.json")
