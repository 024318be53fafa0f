"""PortraitNet (Zhang et al., "PortraitNet: Real-time Portrait Segmentation Network for Mobile Device", 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import nn

from ...runtime.errors import InputError
from .base import Logits, ModelSpec
from .detail import DetailHead
from .encoders import build_encoder

DECODER_CHANNELS = (96, 32, 24, 16, 8)


@dataclass(frozen=True)
class PortraitNetSpec(ModelSpec):
    """The paper's network, with the choices that make it faster on phones."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"output_stride"})

    architecture: Literal["portraitnet"] = "portraitnet"
    paper_options: bool = False  # the paper's MobileNetV2: ReLU, first block's expansion kept
    # Of MobileNetV2 without paper_options; its blocks have relu6
    stem_activation: Literal["relu6", "relu"] = "relu6"
    # bilinear: upsampling starts as bilinear, and a two-class head with half of its channels for the person; plain:
    # both start as torch's layers do
    initialisation: Literal["bilinear", "plain"] = "bilinear"
    # tensorflow: strided convolutions pad as phones' runtimes do by themselves; exports faster
    padding: Literal["torch", "tensorflow"] = "torch"
    # False: the heads see zeros past the border, as in the paper. True: they see the last upsampling; exports faster
    open_border: bool = False
    # separable: the paper's D-block; plain: that of the U-Net-like rivals
    convolution: Literal["separable", "plain"] = "separable"
    edge_head: bool = True  # predicts boundaries, in training only
    one_logit: bool = False  # the mask head gives the person's logit alone: binary cross entropy
    detail: bool = False  # a head for hair and other fine structure, deployed with the network (6 % more MACs)

    def build(self) -> PortraitNet:
        for name in ("one_logit", "detail"):
            if getattr(self, name) and len(self.classes) != 2:
                raise InputError(f"model.{name} needs two classes, not {len(self.classes)}")
        encoder = build_encoder(self.encoder, self.encoder_weights, self.paper_options, padding=self.padding)
        if self.stem_activation == "relu":
            if not self.encoder.startswith("mobilenetv2"):
                raise InputError(f"model.stem_activation is MobileNetV2's; {self.encoder!r} has its own")
            encoder.bn1.act = nn.ReLU(inplace=True)
        return PortraitNet(
            encoder,
            encoder.feature_info.channels(),
            classes=len(self.classes),
            convolution=self.convolution,
            edge_head=self.edge_head,
            one_logit=self.one_logit,
            open_border=self.open_border,
            plain_start=self.initialisation == "plain",
            detail=self.detail,
        )


def _separable(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in, bias=False),
        nn.BatchNorm2d(channels_in),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        nn.BatchNorm2d(channels_out),
    ]


def _plain(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
    ]


_CONVOLUTIONS = {"separable": _separable, "plain": _plain}


class DecoderBlock(nn.Module):
    """The paper's D-block: two convolutions beside a 1x1 shortcut, ReLU after the sum."""

    def __init__(self, channels_in: int, channels_out: int, convolution: str) -> None:
        super().__init__()
        make = _CONVOLUTIONS[convolution]
        self.body = nn.Sequential(
            *make(channels_in, channels_out), nn.ReLU(inplace=True), *make(channels_out, channels_out)
        )
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.shortcut = _project(channels_in, channels_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class PortraitNet(nn.Module):
    """Encoder, five D-blocks each followed by a x2 transposed convolution, skips added at 1/16, 1/8 and 1/4.

    `encoder` gives maps of `encoder_channels` at strides 2..32. Skips whose width differs from the decoder's
    pass a 1x1 projection (never the case with MobileNetV2, whose widths the decoder's defaults are).
    `convolution` is "separable" (the paper) or "plain" (the U-Net-like ResNet rivals). With `one_logit` the
    background's logit is zero, so that cross entropy is the binary cross entropy of the other.

    With `open_border` the last upsampling runs on past the picture's border, where the paper cuts it off and its heads
    see zeros. That changes the outermost pixels alone, and makes upsampling and head one linear filter, which export
    writes as one small convolution.

    With `detail` a `DetailHead` adds to the person's logit.
    """

    def __init__(
        self,
        encoder: nn.Module,
        encoder_channels: Sequence[int],
        classes: int = 2,
        convolution: str = "separable",
        edge_head: bool = True,
        one_logit: bool = False,
        open_border: bool = False,
        plain_start: bool = False,
        detail: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.one_logit, self.open_border = one_logit, open_border
        widths = [encoder_channels[-1], *DECODER_CHANNELS]
        self.blocks = nn.ModuleList(DecoderBlock(above, below, convolution) for above, below in pairwise(widths))
        self.upsamples = nn.ModuleList(_upsample(width) for width in DECODER_CHANNELS)
        skips = zip(reversed(encoder_channels[1:-1]), DECODER_CHANNELS, strict=False)
        self.laterals = nn.ModuleList(
            nn.Identity() if skip == decoder else _project(skip, decoder) for skip, decoder in skips
        )
        if open_border:
            self.upsamples[-1].padding = (0, 0)  # type: ignore[assignment]  # one pixel more on each side: the heads' need
        around = int(not open_border)
        channels = DECODER_CHANNELS[-1]
        self.mask_head = nn.Conv2d(channels, 1 if one_logit else classes, 3, padding=around, bias=False)
        self.edge_head = nn.Conv2d(channels, 2, 3, padding=around, bias=False) if edge_head else None
        self.detail_head = DetailHead(encoder_channels[0], channels) if detail else None
        if plain_start:
            for layer in self.upsamples:
                assert isinstance(layer, nn.ConvTranspose2d)
                layer.reset_parameters()
        else:
            _balance(self.mask_head, self.edge_head)

    def forward(self, x: torch.Tensor) -> Logits:
        """Normalised RGB batch x 3 x H x W (multiples of 32) -> Logits at the same size."""
        picture = x
        half, quarter, eighth, sixteenth, deepest = self.encoder(picture)
        x = self.upsamples[0](self.blocks[0](deepest))
        for stage, skip in enumerate((sixteenth, eighth, quarter), start=1):
            x = self.upsamples[stage](self.blocks[stage](x + self.laterals[stage - 1](skip)))
        semantic = self.blocks[4](x)
        x = self.upsamples[4](semantic)
        mask = self.mask_head(x)
        if self.detail_head is not None:
            detail = self.detail_head(picture, half, semantic)
            mask = mask + (detail if mask.shape[1] == 1 else torch.cat([torch.zeros_like(detail), detail], 1))
        if self.one_logit:
            mask = torch.cat([torch.zeros_like(mask), mask], 1)
        return Logits(mask, self.edge_head(x) if self.edge_head is not None else None)


def _balance(*heads: nn.Module | None) -> None:
    """Let a head of two classes (or of one logit) start with every other channel for the second class.

    The heads have no bias, and their inputs are not negative. Training fits the larger background first; where few
    channels favour the person at the start, it turns those too, and then no person's logit can exceed the background's
    again. A run of 400 steps at 128x128 ended at 0.03 IoU that way; from this start it had 0.83 after 150 steps.
    """
    for head in heads:
        if isinstance(head, nn.Conv2d) and head.out_channels <= 2:
            with torch.no_grad():
                person = head.weight[-1].abs()
                person[::2] *= -1
                head.weight[-1] = person
                head.weight[:-1] = -person


def _upsample(channels: int) -> nn.ConvTranspose2d:
    """x2 transposed convolution that starts as bilinear interpolation (as in FCN, Long et al., 2015).

    torch's own start shrinks the signal 12 times in variance at each of the five, and mixes the channels. On 240
    photographs, 150 steps: cross entropy 0.060 from here, 0.095 from there; held-out portraits 0.846 and 0.830 IoU.
    """
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
    tap = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels)[:, :, None, None] * torch.outer(tap, tap))
    return layer


def _project(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out))
