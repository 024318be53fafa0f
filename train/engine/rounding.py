"""Training that knows of int8: activations rounded as they will be, gradients passed through (Jacob et al., 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_LARGEST_BYTE = 255


@contextmanager
def rounded_activations(network: nn.Module) -> Iterator[None]:
    """Within, every activation of `network` takes one of 256 values between its least and largest.

    The range is the mean of the pictures' own, as in the calibration of an export. Weights stay as they are: export
    rounds them one by one, to what disturbs least.
    """
    handles = [module.register_forward_hook(_round) for module in network.modules() if _is_stored(module)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_stored(module: nn.Module) -> bool:
    """Whether int8 inference keeps what `module` gives; a filter without bias is one with the norm behind it."""
    if isinstance(module, nn.Conv2d):
        return module.bias is not None
    return not isinstance(module, (nn.Sequential, nn.ModuleList, nn.Identity))


def _round(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: object) -> torch.Tensor | None:
    if not isinstance(output, torch.Tensor) or output.dim() != 4:
        return None
    with torch.no_grad():
        least, largest = (float(bound.mean()) for bound in output.flatten(1).float().aminmax(dim=1))
        least, largest = min(least, 0.0), max(largest, 0.0)
        scale = max((largest - least) / _LARGEST_BYTE, 1e-8)
        zero = round(-least / scale)
    return torch.fake_quantize_per_tensor_affine(output, scale, zero, 0, _LARGEST_BYTE)
