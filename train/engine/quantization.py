"""Quantization-aware training (Jacob et al., 2018): weights and activations rounded as int8 inference rounds them.

Gradients pass the rounding as if it were not there (straight through). Batch norm stays as it is: folded into a
convolution it multiplies each output channel, weights and step alike, so that a step for each channel rounds the folded
weights and these ones to the same values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

_LARGEST_BYTE, _LARGEST_WEIGHT = 255, 127  # activations are unsigned, weights symmetric
_SHARE = 0.05  # of a batch in the moving average of a range
_WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_FUSED = (nn.ReLU, nn.ReLU6)  # done by the operator before them


class FakeQuantization:
    """Rounds a network in training to int8; `ranges` (activations x 2) are its state, the network has none of it.

    An activation takes one of 256 values between the moving averages of the batches' minimum and maximum. (The mean
    over pictures, which calibrates exports, cuts off more, and with it the gradient that would make it smaller.)
    Nothing waits for a GPU.
    """

    def __init__(self, network: nn.Module) -> None:
        self._stored = stored_modules(network)
        self._weighted = [module for module in network.modules() if isinstance(module, _WEIGHTED)]
        device = next(network.parameters()).device
        self.ranges = torch.full((len(self._stored), 2), torch.nan, device=device)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context, the network computes as int8 would."""
        handles = []
        for module in self._weighted:
            handles += [module.register_forward_pre_hook(_round_weight), module.register_forward_hook(_restore_weight)]
        for index, stored in enumerate(self._stored):
            handles.append(stored.register_forward_hook(partial(self._round_activation, index)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            for module in self._weighted:
                module.__dict__.pop("weight", None)  # of one whose forward failed

    def _round_activation(
        self, index: int, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: object
    ) -> torch.Tensor | None:
        if not isinstance(output, torch.Tensor) or output.dim() != 4:
            return None
        values = output.float()
        with torch.no_grad():
            low, high = values.aminmax()
            bounds = torch.stack((low.clamp(max=0), high.clamp(min=0)))
            known = self.ranges[index]
            self.ranges[index] = torch.where(known.isnan(), bounds, known.lerp(bounds, _SHARE))
            low, high = self.ranges[index].unbind()
            scale = ((high - low) / _LARGEST_BYTE).clamp(min=1e-8)
            zero = (-low / scale).round().int()
        return torch.fake_quantize_per_tensor_affine(values, scale, zero, 0, _LARGEST_BYTE).to(output.dtype)


def rounded_weight(module: nn.Module) -> torch.Tensor:
    """The module's weight in 255 steps for each output channel; of a transposed convolution for each of its phases too,
    which export makes channels of a convolution."""
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    with torch.no_grad():
        if isinstance(module, nn.ConvTranspose2d):
            tall, wide = module.stride
            rows, columns = weight.shape[2] // tall, weight.shape[3] // wide
            if (rows * tall, columns * wide) == tuple(weight.shape[2:]):
                phases = weight.unflatten(2, (rows, tall)).unflatten(4, (columns, wide))
                largest = phases.abs().amax((0, 2, 4), keepdim=True).expand_as(phases).reshape(weight.shape)
            else:
                largest = weight.abs().amax((0, 2, 3), keepdim=True)
        else:
            largest = weight.abs().amax(tuple(range(1, weight.dim())), keepdim=True)
        step = (largest / _LARGEST_WEIGHT).clamp(min=1e-12)
        change = (weight / step).round() * step - weight
    return weight + change


def stored_modules(network: nn.Module) -> list[nn.Module]:
    """Modules whose output int8 inference stores, in order.

    Not a convolution's that a norm follows, nor a norm's that a ReLU follows: they are one operator. Not the heads':
    export gives logits a range of their own.
    """
    fused = {
        id(before)
        for parent in network.modules()
        if isinstance(parent, nn.Sequential)
        for before, after in zip(parent, list(parent)[1:], strict=False)
        if isinstance(after, _FUSED)
    }
    return [module for name, module in network.named_modules() if id(module) not in fused and _is_stored(name, module)]


def _is_stored(name: str, module: nn.Module) -> bool:
    if name.endswith("_head") or "_head." in name:
        return False
    if isinstance(module, nn.Conv2d):
        return module.bias is not None
    return not isinstance(module, (nn.Sequential, nn.ModuleList, nn.Identity))


def _round_weight(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    # Seen before the parameter of that name, which stays where it is: state dicts and optimizers notice nothing.
    module.__dict__["weight"] = rounded_weight(module)


def _restore_weight(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: object) -> None:
    module.__dict__.pop("weight", None)
