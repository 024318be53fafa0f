"""Strided convolutions that phones' runtimes pad by themselves: at the end alone, as TensorFlow does.

torch pads a strided 3x3 convolution on both sides, for which TFLite needs an operator of its own, and another to
subtract the mean before the first one, so that its zeros are the mean colour. timm's `pad_type="same"` pads at the end;
the stem here pads with black, and takes the raw picture. Without those six operators PortraitNet's int8 TFLite takes
0.97 of the time, its int8 ONNX 0.95 (224x224, 1 thread, x86).
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in 0..1: what encoders expect


class BlackBorderStem(nn.Conv2d):
    """A first convolution, 3x3 of stride 2, on normalised RGB of even sides, with black after the last row and column.

    Its weights mean what they would mean to a convolution padded with zeros, which are the mean colour.
    """

    black: torch.Tensor

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__(3, convolution.out_channels, 3, stride=2, bias=False)
        self.weight = convolution.weight
        self.register_buffer(
            "black", -(torch.tensor(MEAN) / torch.tensor(DEVIATION)).view(1, 3, 1, 1), persistent=False
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        from_black = nn.functional.pad(x - self.black, (0, 1, 0, 1))
        return super().forward(from_black) + self.offset()

    def offset(self) -> torch.Tensor:
        """What black adds to each channel: 1 x channels x 1 x 1."""
        return (self.weight * self.black).sum((1, 2, 3)).view(1, -1, 1, 1)

    def on_raw(self, deviation: torch.Tensor) -> nn.Module:
        """The same for RGB that is not normalised, in the scale of `deviation` (3 x 1 x 1), with zeros for padding."""
        plain = nn.Conv2d(3, self.out_channels, 3, stride=2)
        shift = self.offset().flatten()
        plain.weight.data = self.weight.detach() / deviation
        plain.bias.data = (shift if self.bias is None else shift + self.bias).detach()  # type: ignore[union-attr]
        return padded_at_the_end(plain)


def use_black_border(encoder: Any) -> bool:
    """Give an `encoder` made with pad_type="same" its `BlackBorderStem`; False when its stem is none that it fits."""
    stem = getattr(encoder, "conv_stem", None)
    if not (
        isinstance(stem, Conv2dSame) and stem.kernel_size == (3, 3) and stem.stride == (2, 2) and stem.bias is None
    ):
        return False
    encoder.conv_stem = BlackBorderStem(stem)
    return True


def padded_at_the_end(convolution: nn.Conv2d) -> nn.Module:
    """A strided convolution of odd kernel as a plain one with its padding before it, for maps of even sides."""
    rows, columns = (k - 2 for k in convolution.kernel_size)
    before = [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2]
    bare = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        stride=2,
        groups=convolution.groups,
        bias=convolution.bias is not None,
    )
    bare.weight, bare.bias = convolution.weight, convolution.bias
    return nn.Sequential(nn.ZeroPad2d(tuple(before)), bare)  # type: ignore[arg-type]
