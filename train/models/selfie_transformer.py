"""The network of MediaPipe's multi-class selfie segmentation: inverted bottlenecks, attention, a feature pyramid.

Known from its model card ("Vision Transformer with customised bottleneck and decoder") and from the published graph;
the attention is MobileViTv2's (Mehta & Rastegari, 2022). `portraitnet.train.pretrained.mediapipe` writes that
graph's weights for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.models._efficientnet_blocks import InvertedResidual
from torch import nn
from torch.nn import functional

from .base import Logits, ModelSpec
from .encoders import refuse_encoder_weights
from .padding import BlackBorderStem

_STEM = 16
# Channels and stride of each inverted bottleneck, and width and layers of the attention after them; by resolution.
_STAGES = (
    (((64, 1),), None),
    (((128, 2), (128, 1)), None),
    (((256, 2),), (128, 2)),
    (((384, 2),), (192, 4)),
)
_EXPANSION = 6.0
_PATCH = 4
_PYRAMID = 64
_HEAD = 32
_REFINEMENTS = 5


@dataclass(frozen=True)
class SelfieTransformerSpec(ModelSpec):
    """MediaPipe's multi-class selfie network. Its published weights go to run.start_from."""

    stride: ClassVar[int] = 64  # the last stage's 4x4 patches at 1/16

    architecture: Literal["selfie_transformer"] = "selfie_transformer"
    encoder: Literal["mobilevitv2_selfie"] = "mobilevitv2_selfie"

    def build(self) -> SelfieTransformer:
        refuse_encoder_weights(self)
        return SelfieTransformer(len(self.classes))


class SeparableAttention(nn.Module):
    """Each position of a patch looks at that position of all patches: batch x C x positions x patches, the same out.

    Cost is linear in the number of patches. Beside it runs a linear map, where transformers have two layers and an
    activation: the published graph has none between them, and so no use for two.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(channels, channels, 1)
        self.score = nn.Conv2d(channels, 1, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        context = (self.key(x) * self.score(x).softmax(3)).sum(3, keepdim=True)
        return x + self.out(functional.relu(self.value(x)) * context) + self.linear(x)


class AttentionBlock(nn.Module):
    """Local convolutions to fewer channels, attention among patches of 4x4, and back."""

    def __init__(self, channels: int, width: int, layers: int) -> None:
        super().__init__()
        first, second = _convolution(channels, width, 3), _convolution(width, width, 1)
        self.local = nn.Sequential(*first, nn.ReLU(), *second, nn.ReLU())
        self.layers = nn.Sequential(*(SeparableAttention(width) for _ in range(layers)))
        self.project = nn.Conv2d(width, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.local(x)
        height, width = x.shape[2:]
        return self.project(_joined(self.layers(_patches(x)), height, width))


class SelfieTransformerEncoder(nn.Module):
    """Normalised RGB batch x 3 x H x W -> maps of 16, 128, 256 and 384 channels at strides 2, 4, 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = BlackBorderStem(Conv2dSame(3, _STEM, 3, stride=2, bias=False))
        self.bn1 = nn.BatchNorm2d(_STEM)
        stages, width = [], _STEM
        for bottlenecks, attention in _STAGES:
            blocks: list[nn.Module] = []
            for channels, stride in bottlenecks:
                pad_type = "same" if stride > 1 else ""
                blocks.append(InvertedResidual(width, channels, stride=stride, pad_type=pad_type, exp_ratio=_EXPANSION))
                width = channels
            if attention:
                blocks.append(AttentionBlock(width, *attention))
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = functional.relu(self.bn1(self.conv_stem(x)))
        # The first skip is taken before the first bottleneck.
        maps = [x]
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return [maps[0], *maps[2:]]


class SelfieTransformer(nn.Module):
    """Encoder, a feature pyramid whose levels are summed at half the input's size, a head of separable convolutions.

    Of two classes the mask's head gives the person's logit alone; the background's is zero.
    """

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.encoder = SelfieTransformerEncoder()
        widths = [_STEM, *(stage[0][-1][0] for stage in _STAGES[1:])]
        self.laterals = nn.ModuleList(nn.Conv2d(width, _PYRAMID, 1) for width in widths)
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(_PYRAMID, _PYRAMID, 3, padding=1, groups=_PYRAMID, bias=False),
                nn.Conv2d(_PYRAMID, _PYRAMID, 1),
            )
            for _ in widths
        )
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        head, width = [], _PYRAMID
        for _ in range(_REFINEMENTS):
            head += [*_convolution(width, width, 3, groups=width), nn.ReLU(), *_convolution(width, _HEAD, 1), nn.ReLU()]
            width = _HEAD
        self.head = nn.Sequential(*head)
        self.one_logit = classes == 2
        self.mask_head = nn.ConvTranspose2d(_HEAD, 1 if self.one_logit else classes, 2, stride=2)

    def forward(self, x: torch.Tensor) -> Logits:
        """Normalised RGB batch x 3 x H x W (multiples of 64) -> Logits at the same size."""
        maps = [lateral(each) for lateral, each in zip(self.laterals, self.encoder(x), strict=True)]
        pyramid = [maps.pop()]
        while maps:
            pyramid.append(maps.pop() + self.enlarge(pyramid[-1]))
        total, *deeper = (level(each) for level, each in zip(self.levels, reversed(pyramid), strict=True))
        for index, each in enumerate(deeper, start=1):
            total = total + functional.interpolate(each, scale_factor=2.0**index, mode="bilinear", align_corners=False)
        mask = self.mask_head(self.head(total))
        if self.one_logit:
            mask = torch.cat([torch.zeros_like(mask), mask], 1)
        return Logits(mask, None)


def _convolution(channels_in: int, channels_out: int, kernel: int, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


def _patches(x: torch.Tensor) -> torch.Tensor:
    """Batch x C x H x W -> batch x C x 16 x patches. Written in steps of rank 4, channels last: what phones can do."""
    channels, height, width = map(int, x.shape[1:])  # plain numbers, which tracing leaves out of the graph
    rows = x.permute(0, 2, 3, 1).reshape(-1, _PATCH, width // _PATCH, _PATCH * channels)
    patches = rows.transpose(1, 2).reshape(-1, height * width // _PATCH**2, _PATCH**2, channels)
    return patches.permute(0, 3, 2, 1)


def _joined(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The inverse of `_patches`."""
    channels, height, width = int(x.shape[1]), int(height), int(width)
    patches = x.permute(0, 3, 2, 1).reshape(-1, width // _PATCH, _PATCH, _PATCH * channels)
    return patches.transpose(1, 2).reshape(-1, height, width, channels).permute(0, 3, 1, 2)
