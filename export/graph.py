"""The graph that ships: raw RGB in, alpha (or scores per class) out, in forms that converters and phones like.

Every rewrite here is exact: the deployed graph equals the trained network to float rounding.
"""

from __future__ import annotations

import copy
from itertools import product
from typing import cast

import numpy as np
import torch
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPBlock
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from ..runtime.errors import InputError
from ..train.models import Normalize, PortraitNet, without_training_heads
from ..train.models.detail import DetailHead
from ..train.models.folding import fold_batch_norms
from ..train.models.padding import BlackBorderStem, padded_at_the_end


class DeployedGraph(nn.Module):
    """Batch x 3 x H x W float RGB 0..255 -> batch x (1 or classes) x H x W scores in 0..1.

    Two classes become one channel: softmax of two logits is the sigmoid of their difference, and the
    difference of two linear filters is one filter. Heads for training are gone. The trained model is left alone.
    """

    mean: torch.Tensor | None
    scale: torch.Tensor | None

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = without_training_heads(model).eval().requires_grad_(False)
        normalize = Normalize()
        self.single = _collapse_head(self.model)
        fold_batch_norms(self.model)
        _join_last_upsampling(self.model)
        _split_transposed_convolutions(self.model)
        _pad_pools_with_zeros(self.model)
        _write_out_pyramids(self.model)
        raw = _fold_normalisation(self.model, normalize)
        folded = raw or _fold_scale(self.model, normalize.deviation)
        _write_out_end_padding(self.model)
        _give_biases(self.model)
        self.register_buffer("mean", None if raw else normalize.mean, persistent=False)
        self.register_buffer("scale", None if folded else 1 / normalize.deviation, persistent=False)

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        x = rgb if self.mean is None else rgb - self.mean
        if self.scale is not None:
            x = x * self.scale
        logits = self.model(x).mask
        return torch.sigmoid(logits) if self.single else torch.softmax(logits, dim=1)


def _give_biases(model: nn.Module) -> None:
    """Every convolution gets a bias: rounding moves it, and may then change weights alone (conversions.py)."""
    for conv in (module for module in model.modules() if isinstance(module, nn.Conv2d) and module.bias is None):
        conv.bias = nn.Parameter(torch.zeros(conv.out_channels), requires_grad=False)


class ChannelsLast(nn.Module):
    """The same graph with pictures as they lie in memory: batch x H x W x 3 -> batch x H x W x channels.

    `inside` also prepares a copy of the graph for a converter that lays every tensor out like that (TFLite).
    """

    def __init__(self, graph: nn.Module, inside: bool = False) -> None:
        super().__init__()
        if inside:
            graph = copy.deepcopy(graph)
            for module in graph.modules():
                if isinstance(module, SubPixelUpsample):
                    module.order_phases_first()
            for parent in list(graph.modules()):
                for name, child in list(parent.named_children()):
                    if isinstance(child, nn.Upsample) and (child.mode, child.scale_factor) == ("nearest", 2.0):
                        setattr(parent, name, DoublePixels())
        # The name must not be `graph`: torch.export's own modules have an attribute of that name.
        self.scores = graph

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return self.scores(rgb.to(torch.float32).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class ScaledAlpha(nn.Module):
    """Alpha times 255, which is what a grayscale picture holds."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        # The name must not be `graph`: torch.export's own modules have an attribute of that name.
        self.scores = graph

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return self.scores(rgb) * 255


class SubPixelUpsample(nn.Module):
    """ConvTranspose2d of stride 2 (kernel 4, padding 1; or 6 and 2) as a 3x3 convolution to four phases and a shuffle.

    Output row 2y + v sees input row y + r - 1 through kernel row 2 - 2r + v + padding, where there is such a row;
    columns alike. So each of the four phases is a 3x3 filter (of kernel 4, with five zeros). Phones run convolutions
    far better than transposed ones: int8 gets 2.4 times faster.
    """

    def __init__(self, up: nn.ConvTranspose2d) -> None:
        super().__init__()
        channels_in, channels_out = up.weight.shape[:2]
        kernel, padding = up.kernel_size[0], int(up.padding[0])
        phases = torch.zeros(channels_out, 2, 2, channels_in, 3, 3)
        for vertical, horizontal, row, column in product(range(2), range(2), range(3), range(3)):
            place = 2 - 2 * row + vertical + padding, 2 - 2 * column + horizontal + padding
            if all(0 <= k < kernel for k in place):
                phases[:, vertical, horizontal, :, row, column] = up.weight[:, :, place[0], place[1]].t()
        self.conv = nn.Conv2d(channels_in, 4 * channels_out, 3, padding=1, bias=up.bias is not None)
        self.conv.weight.data = phases.reshape(4 * channels_out, channels_in, 3, 3)
        if up.bias is not None and self.conv.bias is not None:
            self.conv.bias.data = up.bias.detach().repeat_interleave(4)
        self.phases_first = False

    def order_phases_first(self) -> None:
        """Write the shuffle as converters to channels-last layouts like it: one transpose of rank 4."""
        for parameter in self.conv.parameters():
            parameter.data = parameter.data.unflatten(0, (-1, 4)).transpose(0, 1).flatten(0, 1).contiguous()
        self.phases_first = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        if not self.phases_first:
            return nn.functional.pixel_shuffle(x, 2)
        batch, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(batch * height, width, 2, channels // 2).transpose(1, 2)
        return rows.reshape(batch, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)

    @staticmethod
    def fits(module: nn.Module) -> bool:
        """Whether `module` is the transposed convolution that this class can replace."""
        return (
            isinstance(module, nn.ConvTranspose2d)
            and (module.kernel_size, module.padding) in (((4, 4), (1, 1)), ((6, 6), (2, 2)))
            and module.stride == (2, 2)
            and (module.groups, module.dilation, module.output_padding) == (1, (1, 1), (0, 0))
        )


class DoublePixels(nn.Module):
    """Each pixel four times, by joining channels-last maps with themselves: XNNPACK has no other way to do it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        x = x.permute(0, 2, 3, 1)
        rows = torch.cat([x, x], 3).reshape(batch, height, 1, 2 * width * channels)
        return torch.cat([rows, rows], 2).reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def check_same(trained: nn.Module, graph: DeployedGraph, size: tuple[int, int]) -> float:
    """Largest difference of scores between the trained network and its rewritten graph, on a random picture.

    Raises InputError above 1e-4: an architecture for which a rewrite does not hold must not be exported.
    """
    rgb = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)) * 255
    with torch.inference_mode():
        expected = trained(Normalize()(rgb)).mask.softmax(1)
        found = graph(rgb)
    difference = float((found - (expected[:, 1:] if graph.single else expected)).abs().max())
    if not difference <= 1e-4:
        raise InputError(
            f"the deployed graph differs from the trained network by {difference:.2g}; this architecture cannot be "
            "exported by this version"
        )
    return difference


def _collapse_head(model: nn.Module) -> bool:
    head = model.mask_head
    if not isinstance(head, (nn.Conv2d, nn.ConvTranspose2d)):
        raise InputError(f"{type(model).__name__}.mask_head is no convolution: its classes cannot be collapsed")
    if getattr(model, "one_logit", False):
        model.one_logit = False  # type: ignore[assignment]  # what it gives then is the difference to a background of zero
        return True
    if head.out_channels != 2:
        return False
    background, person = head.weight.data.unbind()
    head.weight.data = (person - background).unsqueeze(0)
    if head.bias is not None:
        head.bias.data = head.bias.data[1:] - head.bias.data[:1]
    head.out_channels = 1
    return True


def _fold_scale(model: nn.Module, deviation: torch.Tensor) -> bool:
    """Divide the stem's weights instead of the picture. (The mean cannot move: the stem pads with zeros.)"""
    stem = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if stem is None or stem.in_channels != 3:
        return False
    stem.weight.data /= deviation
    _fold_into_detail(model, deviation)
    return True


def _fold_into_detail(model: nn.Module, deviation: torch.Tensor, mean: torch.Tensor | None = None) -> None:
    """Let a detail head, which has no border, take what the stem takes."""
    head = getattr(model, "detail_head", None)
    if isinstance(head, DetailHead):
        head.scale_picture(1 / deviation, mean)


def _fold_normalisation(model: nn.Module, normalize: Normalize) -> bool:
    """Let a stem that pads with black take the raw picture."""
    stem = getattr(model.encoder, "conv_stem", None)
    if not isinstance(stem, BlackBorderStem):
        return False
    model.encoder.conv_stem = stem.on_raw(normalize.deviation)  # type: ignore[union-attr]
    _fold_into_detail(model, normalize.deviation, normalize.mean)
    return True


def _write_out_end_padding(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Conv2dSame):
                setattr(parent, name, padded_at_the_end(child))


def _join_last_upsampling(model: nn.Module) -> None:
    """Where nothing lies between the last upsampling and the head, not even a border, both are one upsampling."""
    if not (isinstance(model, PortraitNet) and model.open_border):
        return
    up, head = model.upsamples[-1], model.mask_head
    weight = nn.functional.conv2d(cast(torch.Tensor, up.weight).detach(), head.weight.detach(), padding=2)
    joined = nn.ConvTranspose2d(weight.shape[0], weight.shape[1], 6, stride=2, padding=2, bias=False)
    joined.weight.data = weight
    model.upsamples[-1], model.mask_head = nn.Identity(), joined  # type: ignore[assignment]


def _split_transposed_convolutions(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if SubPixelUpsample.fits(child):
                setattr(parent, name, SubPixelUpsample(child))  # type: ignore[arg-type]


def _pad_pools_with_zeros(model: nn.Module) -> None:
    """Pad before a max pool with zeros, not with minus infinity, which mobile delegates leave to the CPU.

    The same wherever the pool follows a ReLU, as in every ResNet; `check_same` refuses an encoder where it is not.
    """
    for parent in list(model.modules()):
        for name, pool in list(parent.named_children()):
            if isinstance(pool, nn.MaxPool2d) and pool.padding:
                padding = pool.padding if isinstance(pool.padding, int) else pool.padding[0]
                bare = nn.MaxPool2d(pool.kernel_size, pool.stride, 0, pool.dilation, ceil_mode=pool.ceil_mode)
                setattr(parent, name, nn.Sequential(nn.ZeroPad2d(padding), bare))


class PyramidBlock(nn.Module):
    """One level of PSPNet's pyramid as products with fixed matrices: pooling to bins of unequal size, and back.

    Both are linear along each axis, so each is a row of weights for every output row: exact, and free of the
    gathers and broadcasts that converters write for them.
    """

    def __init__(self, block: PSPBlock) -> None:
        super().__init__()
        self.bins = block.pool_size
        self.convolution = block.pool[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        x = self.convolution(_along_axes(x, _pooling(height, self.bins), _pooling(width, self.bins)))
        return _along_axes(x, _spreading(self.bins, height), _spreading(self.bins, width))


def _along_axes(x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Batch x C x h x w times (H x h) and (W x w) matrices -> batch x C x H x W."""
    x = nn.functional.linear(x, columns).transpose(2, 3)
    return nn.functional.linear(x, rows).transpose(2, 3)


def _pooling(length: int, bins: int) -> torch.Tensor:
    """bins x length: adaptive average pooling, whose bins overlap where they do not divide the length."""
    weights = np.zeros((bins, length), np.float32)
    for index in range(bins):
        first, last = index * length // bins, -(-(index + 1) * length // bins)
        weights[index, first:last] = 1 / (last - first)
    return torch.from_numpy(weights)


def _spreading(bins: int, length: int) -> torch.Tensor:
    """length x bins: linear interpolation with the outermost bins at the ends."""
    place = np.linspace(0, bins - 1, length)
    return torch.from_numpy((1 - np.abs(place[:, None] - np.arange(bins))).clip(0).astype(np.float32))


def _write_out_pyramids(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, PSPBlock):
                setattr(parent, name, PyramidBlock(child))
