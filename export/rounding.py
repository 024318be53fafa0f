"""Rounded weights that change the outputs least, found on calibration pictures before any converter runs.

Rounding each weight to the nearest step is not the best rounding: neighbouring inputs are alike, so errors of
one sign add up (worst in the first depthwise filters, whose taps nearly cancel). Two remedies, both cheap:
steps are chosen by coordinate descent on the output error dw' C dw, with C the covariance of the inputs
(Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", 2020, state the problem), and
the mean error that is left moves into the bias (Nagel et al., "Data-Free Quantization", 2019).

The weights that come out are exact multiples of max|w| / 127 of their output channel, which is the step that
the converters' own symmetric per-channel quantisers take: they round them to themselves.

float16 weights get the second remedy only. Measured on a trained PortraitNet, mean error of alpha: int8 weights
0.0075 -> 0.0032 (both remedies), float16 weights 0.00022 -> 0.00006.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from ..runtime.errors import InputError

_LEVELS = 127
_SWEEPS = 3
_POSITIONS = 256  # output positions looked at, per convolution and picture
_DAMPING = 1e-2
# Filters of more taps keep plain rounding: their covariance would take gigabytes, and so many errors even out.
_MOST_TAPS = 1024
# Below this share of its bias a channel's weights cannot matter, but their tiny step would make the int32 bias
# overflow: such channels come from networks trained with weight decay.
_LEAST_WEIGHT = 2.0**-14


def round_weights(graph: nn.Module, pictures: Sequence[np.ndarray], precision: str) -> None:
    """Move the weights of every convolution of `graph` to "int8" steps or "fp16" numbers, in place.

    `graph` maps float batch x 3 x H x W, 0..255; `pictures` are uint8 H x W x 3 of one size.
    """
    seen = {module: _Covariance(module) for module in graph.modules() if isinstance(module, nn.Conv2d)}
    handles = [conv.register_forward_hook(statistics.add) for conv, statistics in seen.items()]
    with torch.inference_mode():
        for picture in pictures:
            graph(torch.from_numpy(picture).permute(2, 0, 1)[None].float())
    for handle in handles:
        handle.remove()
    for conv, statistics in seen.items():
        if conv.bias is None:
            conv.bias = nn.Parameter(torch.zeros(conv.out_channels), requires_grad=False)
        if precision == "int8":
            _revive_dead_channels(conv)
        weights = conv.weight.data.reshape(conv.groups, -1, statistics.taps)  # groups x filters x taps
        if precision == "int8":
            rounded = _best_steps(weights, statistics.covariance())
        else:
            check_half({"a convolution's weights": weights})
            rounded = weights.half().float()
        conv.bias.data -= ((rounded - weights) @ statistics.mean()[:, :, None]).reshape(-1)
        conv.weight.data = rounded.reshape(conv.weight.shape)


def check_half(tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuse tensors (by name) with values beyond float16's range, which would become infinite without a word."""
    largest = torch.finfo(torch.float16).max
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool((tensor.abs() <= largest).all()):
            raise InputError(
                f"{name}: values up to {float(tensor.abs().max()):.3g} do not fit float16 (at most {largest:g}); "
                "leave fp16 out (--precision fp32), or train further"
            )


class _Covariance:
    """Mean and covariance of what a convolution's filters see: groups x taps, groups x taps x taps.

    Above `_MOST_TAPS` the mean alone is kept.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        self.taps = conv.weight[0].numel()
        self.sum = torch.zeros(conv.groups, self.taps, dtype=torch.float64)
        side = self.taps if self.taps <= _MOST_TAPS else 0
        self.products = torch.zeros(conv.groups, side, side, dtype=torch.float64)
        self.count = 0
        self.random = torch.Generator().manual_seed(0)

    def add(self, conv: nn.Conv2d, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        (x,) = inputs
        rows, columns = output.shape[2:]
        chosen = torch.randint(rows * columns, (_POSITIONS,), generator=self.random)
        (pad_y, pad_x), (step_y, step_x) = (int(side) for side in conv.padding), conv.stride
        (gap_y, gap_x), (high, wide) = conv.dilation, conv.kernel_size
        padded = nn.functional.pad(x[0], (pad_x, pad_x, pad_y, pad_y))
        y = (chosen // columns * step_y)[:, None, None] + torch.arange(high)[:, None] * gap_y
        x0 = (chosen % columns * step_x)[:, None, None] + torch.arange(wide) * gap_x
        seen = padded[:, y, x0].transpose(0, 1).reshape(_POSITIONS, conv.groups, self.taps).transpose(0, 1)
        self.sum += seen.sum(1)
        if self.products.numel():
            self.products += (seen.transpose(1, 2) @ seen).double()
        self.count += _POSITIONS

    def mean(self) -> torch.Tensor:
        return (self.sum / self.count).float()

    def covariance(self) -> torch.Tensor | None:
        if not self.products.numel():
            return None
        mean = self.sum / self.count
        covariance = self.products / self.count - mean[:, :, None] * mean[:, None, :]
        diagonal = covariance.diagonal(dim1=1, dim2=2)
        floor = _DAMPING * diagonal.mean(1, keepdim=True) + 1e-6
        return (covariance + torch.diag_embed(floor.expand_as(diagonal))).float()


def _revive_dead_channels(conv: nn.Conv2d) -> None:
    assert conv.bias is not None
    weights, least = conv.weight.data.flatten(1), conv.bias.data.abs() * _LEAST_WEIGHT + 1e-12
    dead = weights.abs().amax(1) < least
    weights[dead, 0] = least[dead]


def _best_steps(weights: torch.Tensor, covariance: torch.Tensor | None) -> torch.Tensor:
    """groups x filters x taps weights, each rounded to the step of its filter that serves all taps best."""
    peak, where = weights.abs().max(2, keepdim=True)
    step = peak / _LEVELS
    target = weights / step
    levels = target.round()
    if covariance is None:
        return levels * step
    for _ in range(_SWEEPS):
        for tap in range(weights.shape[2]):
            slope = ((levels - target) @ covariance[:, :, tap, None])[..., 0]
            best = (levels[..., tap] - slope / covariance[:, None, tap, tap]).round().clamp(-_LEVELS, _LEVELS)
            # The largest weight defines the step, so it stays.
            levels[..., tap] = torch.where(where[..., 0] == tap, levels[..., tap], best)
    return levels * step
