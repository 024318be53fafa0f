"""Encoders of inverted residuals with fewer hidden channels: those kept that say most."""

from __future__ import annotations

import torch
from timm.models._efficientnet_blocks import InvertedResidual
from torch import nn

from ...runtime.errors import InputError

_MULTIPLE = 8  # what SIMD kernels take at a time


def slim(encoder: nn.Module, share: float) -> None:
    """Keep `share` of the hidden channels of each inverted residual of `encoder`, in place, rounded up to 8.

    The widths between blocks stay, and with them what the blocks say to each other; so weights learned at full
    width are a far better start than narrow ones from nothing. Raises InputError for an encoder without such blocks.
    """
    blocks = [module for module in encoder.modules() if isinstance(module, InvertedResidual)]
    if not blocks or not 0 < share <= 1:
        raise InputError(f"model.expansion is {share}; it keeps a share of 0 to 1 of an encoder of inverted residuals")
    for block in blocks:
        hidden = block.conv_dw.out_channels
        kept = min(hidden, -(-round(hidden * share) // _MULTIPLE) * _MULTIPLE)
        _keep(block, _power(block).topk(kept).indices.sort().values)


def _power(block: InvertedResidual) -> torch.Tensor:
    """What each hidden channel adds to the block's output on average, squared: (hidden,).

    The second moment of a rectified normal with the batch norm's scale and shift, times the weights it meets. (ReLU6's
    upper bound is seldom reached.)
    """
    scale, shift = block.bn2.weight.detach().abs().clamp(min=1e-6), block.bn2.bias.detach()
    normal = torch.distributions.Normal(0.0, 1.0)
    ratio = shift / scale
    density = normal.log_prob(ratio).exp()
    moment = (shift**2 + scale**2) * normal.cdf(ratio) + shift * scale * density
    return moment * block.conv_pwl.weight.detach().square().sum((0, 2, 3))


def _keep(block: InvertedResidual, channels: torch.Tensor) -> None:
    count = len(channels)
    with torch.no_grad():
        for convolution in (block.conv_pw, block.conv_dw):
            convolution.weight = nn.Parameter(convolution.weight[channels])
            convolution.out_channels = count
        for norm in (block.bn1, block.bn2):
            for name in ("weight", "bias"):
                setattr(norm, name, nn.Parameter(getattr(norm, name)[channels]))
            norm.running_mean, norm.running_var = norm.running_mean[channels], norm.running_var[channels]
            norm.num_features = count
        block.conv_dw.in_channels = block.conv_dw.groups = count
        block.conv_pwl.weight = nn.Parameter(block.conv_pwl.weight[:, channels])
        block.conv_pwl.in_channels = count
