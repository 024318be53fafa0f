"""A head for fine structure at the outline, in the spirit of MODNet's detail branch (Ke et al., 2022)."""

from __future__ import annotations

import torch
from torch import nn

_PICTURE, _WIDTH = 12, 16  # channels: of 2x2 pixels of the picture, and inside the head


class DetailHead(nn.Module):
    """What the picture itself adds to the person's logit, at full size.

    It sees the picture, the encoder's features at half size (`low` channels) and the decoder's at half size (`semantic`
    channels), which say where the outline is. It works at half size, where a 2x2 convolution of stride 2 keeps all 12
    numbers of four pixels, and one transposed convolution writes the full size. That one starts at zero: a network that
    gets the head is the network that it was. There is no batch norm, so that the head can also be trained on its own
    in a network whose statistics are fixed.
    """

    def __init__(self, low: int, semantic: int) -> None:
        super().__init__()
        self.picture = nn.Conv2d(3, _PICTURE, 2, stride=2)
        self.body = nn.Sequential(*_separable(_PICTURE + low + semantic, _WIDTH), *_separable(_WIDTH, _WIDTH))
        self.up = nn.ConvTranspose2d(_WIDTH, 1, 4, stride=2, padding=1)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]

    def forward(self, picture: torch.Tensor, low: torch.Tensor, semantic: torch.Tensor) -> torch.Tensor:
        """Batch x 3 x H x W, and maps of half its size -> batch x 1 x H x W."""
        return self.up(self.body(torch.cat([torch.relu(self.picture(picture)), low, semantic], 1)))

    def scale_picture(self, scale: torch.Tensor, mean: torch.Tensor | None = None) -> None:
        """Take pictures p for which (p - mean) * scale is what it was trained on (both 3 values; None: a mean of 0)."""
        self.picture.weight.data *= scale.view(1, 3, 1, 1)
        if mean is not None:
            self.picture.bias.data -= (self.picture.weight.data * mean.view(1, 3, 1, 1)).sum((1, 2, 3))  # type: ignore[union-attr]


def _separable(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in),
        nn.Conv2d(channels_in, channels_out, 1),
        nn.ReLU(inplace=True),
    ]
