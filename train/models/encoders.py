"""Encoders: any timm network that gives features at 1/2 .. 1/32, with weights from timm, a file, or none."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models._efficientnet_blocks import InvertedResidual
from torch import nn

from ...runtime.errors import InputError
from ..engine.weights import read_safetensors
from .base import ModelSpec
from .padding import use_black_border

STRIDES = [2, 4, 8, 16, 32]


def build_encoder(
    name: str, weights: str = "none", paper_options: bool = False, output_stride: int = 32, padding: str = "torch"
) -> Any:
    """A timm feature extractor (a Module with `feature_info`).

    Batch x 3 x H x W -> five maps at strides 2, 4, 8, 16 and 32; no stride exceeds `output_stride`, and convolutions
    are dilated where one would.

    `weights` is "imagenet" (timm's pretrained weights, fetched from its hub), "none", or a .safetensors file: one with
    timm's names for this network, or a checkpoint of ours that has this encoder. `paper_options` gives PortraitNet's
    own MobileNetV2: ReLU in place of ReLU6, and the 1x1 expansion of the first (t = 1) block kept. With `padding`
    "tensorflow" strided convolutions pad as in `padding.py`; the weights are those for "torch".
    """
    if not timm.is_model(name):
        near = timm.list_models(f"*{name[:6]}*")[:3]
        raise InputError(f"timm has no encoder {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    options: dict[str, Any] = {"act_layer": nn.ReLU} if paper_options else {}
    if output_stride < STRIDES[-1]:
        options["output_stride"] = output_stride
    if padding == "tensorflow":
        options["pad_type"] = "same"
    try:
        encoder: Any = timm.create_model(name, features_only=True, pretrained=weights == "imagenet", **options)
    except (NotImplementedError, TypeError) as error:
        if padding == "tensorflow":
            raise InputError(
                f"encoder {name!r} cannot be padded as in TensorFlow; leave model.padding at torch"
            ) from error
        raise InputError(f"encoder {name!r} cannot be dilated to output stride {output_stride}") from error
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"encoder {name!r} could not be made with weights {weights!r}: {_first_line(error)}. "
            "Without a network give model.encoder_weights=FILE.safetensors, or none"
        ) from error
    wanted = [min(stride, output_stride) for stride in STRIDES]
    if encoder.feature_info.reduction() != wanted:
        raise InputError(f"encoder {name!r} has strides {encoder.feature_info.reduction()}, not {wanted}")
    if weights not in ("imagenet", "none"):
        _load_file(encoder, Path(weights))
    if paper_options:
        if not name.startswith("mobilenetv2"):
            raise InputError(f"paper_options describe the paper's MobileNetV2; {name!r} has none")
        _keep_first_expansion(encoder)
    if padding == "tensorflow" and not use_black_border(encoder):
        raise InputError(f"encoder {name!r} cannot be padded as in TensorFlow; leave model.padding at torch")
    return encoder


def first_stages(network: nn.Module, count: int) -> list[nn.Module]:
    """The modules of a network's encoder up to its `count`th map (strides 2, 4, ...), in order.

    A module that holds others may be among them although the later of these are not.

    Raises InputError for a network that has no timm encoder, and for an encoder whose stages cannot be told apart.
    """
    if not count:
        return []
    encoder: Any = getattr(network, "encoder", None)
    if not hasattr(encoder, "feature_info"):
        raise InputError("optimizer.frozen_stages needs a network with an encoder of timm's; set it to 0")
    stage = encoder.feature_info.module_name(count - 1)
    stages = tuple(f"{name}." for name in (stage, stage.replace(".", "_")))  # timm flattens some networks
    modules = [(f"{name}.", module) for name, module in encoder.named_modules()]
    ends = [place for place, (name, _) in enumerate(modules) if name.startswith(stages)]
    if not ends:
        raise InputError(f"the stages of this encoder cannot be told apart ({stage}); set optimizer.frozen_stages to 0")
    return [module for _, module in modules[: ends[-1] + 1]]


def refuse_encoder_weights(spec: ModelSpec) -> None:
    """Raise InputError where a recipe names encoder weights for a network that has no timm encoder."""
    if spec.encoder_weights != "none":
        raise InputError(
            f"model.encoder_weights is {spec.encoder_weights!r}, but {spec.architecture} has no encoder of timm's; "
            "put a checkpoint of the whole network into run.start_from"
        )


def _load_file(encoder: Any, path: Path) -> None:
    stored, _ = read_safetensors(path)
    inside = {key.removeprefix("encoder."): value for key, value in stored.items() if key.startswith("encoder.")}
    stored, own = inside or stored, encoder.state_dict()
    missing = [key for key in own if key not in stored or stored[key].shape != own[key].shape]
    if missing:
        raise InputError(
            f"{path} does not fit this encoder: {len(missing)} of {len(own)} tensors are missing or differ in "
            f"shape, the first is {missing[0]}"
        )
    encoder.load_state_dict({key: stored[key].to(own[key].dtype) for key in own})


def _keep_first_expansion(encoder: Any) -> None:
    """Give the t = 1 block a 1x1 expansion that starts as the identity, so loaded weights keep their meaning."""
    first = encoder.blocks[0][0]
    channels = first.conv_dw.in_channels
    block = InvertedResidual(channels, first.conv_pw.out_channels, exp_ratio=1.0, noskip=True, act_layer=nn.ReLU)
    nn.init.dirac_(block.conv_pw.weight)
    names = {"conv_dw": "conv_dw", "bn1": "bn2", "conv_pw": "conv_pwl", "bn2": "bn3"}
    renamed = OrderedDict(
        (f"{names[key.split('.')[0]]}.{key.split('.', 1)[1]}", value) for key, value in first.state_dict().items()
    )
    with torch.no_grad():
        block.load_state_dict(renamed, strict=False)
    encoder.blocks[0][0] = block


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
