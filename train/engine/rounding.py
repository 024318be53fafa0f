"""Quantization-aware training (Jacob et al., 2018): activations rounded to int8, with straight-through gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_LARGEST_BYTE = 255


@contextmanager
def rounded_activations(network: nn.Module) -> Iterator[None]:
    """Within the context, every activation of `network` takes one of 256 values between its minimum and maximum.

    The range is the mean over the pictures' ranges, as in the calibration of an export. Weights are not rounded: export
    chooses their rounding one by one, by the error that it causes.
    """
    handles = [module.register_forward_hook(_round) for module in network.modules() if _is_stored(module)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_stored(module: nn.Module) -> bool:
    """Whether int8 inference stores the output of `module`: not that of a convolution without bias, which the norm
    after it is fused with."""
    if isinstance(module, nn.Conv2d):
        return module.bias is not None
    return not isinstance(module, (nn.Sequential, nn.ModuleList, nn.Identity))


def _round(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: object) -> torch.Tensor | None:
    if not isinstance(output, torch.Tensor) or output.dim() != 4:
        return None
    with torch.no_grad():
        minimum, maximum = (float(bound.mean()) for bound in output.flatten(1).float().aminmax(dim=1))
        minimum, maximum = min(minimum, 0.0), max(maximum, 0.0)
        scale = max((maximum - minimum) / _LARGEST_BYTE, 1e-8)
        zero = round(-minimum / scale)
    return torch.fake_quantize_per_tensor_affine(output, scale, zero, 0, _LARGEST_BYTE)
