"""Quantization-aware training (Jacob et al., 2018): weights and activations rounded as int8 inference rounds them.

Gradients pass the rounding as if it were not there (straight through). Batch norm stays as it is: folded into a
convolution it multiplies each output channel, weights and step alike, so that a step for each channel rounds the folded
weights and these ones to the same values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..models.padding import DEVIATION

_LARGEST_BYTE, _LARGEST_WEIGHT = 255, 127  # activations are unsigned, weights symmetric
_SHARE = 0.05  # of a batch in the moving average of a range
_WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_SUMS = frozenset((functional.conv2d, functional.conv_transpose2d, functional.linear))
_ADDITIONS = frozenset((torch.add, torch.Tensor.add, torch.Tensor.add_, torch.Tensor.__iadd__))
_CLIPS = frozenset((functional.relu, functional.relu6, functional.hardtanh))
# Operators do batch norms and clips at their end: what lies between is never stored.
_ABSORBED = {
    functional.batch_norm: _SUMS,
    **dict.fromkeys(_CLIPS, _SUMS | _ADDITIONS | {functional.batch_norm}),
}
_MOVES = frozenset((functional.max_pool2d, functional.pad))  # their results are in the steps of what they take
_POOLS = frozenset((torch.mean, torch.Tensor.mean, functional.adaptive_avg_pool2d, functional.avg_pool2d))
_CURVES = frozenset((torch.sigmoid, torch.Tensor.sigmoid, torch.tanh, functional.hardsigmoid, functional.hardswish))
_PRODUCTS = frozenset((torch.mul, torch.Tensor.mul))
_OPERATORS = _SUMS | _ADDITIONS | _PRODUCTS | _CLIPS | _CURVES | _POOLS | _MOVES
_OPERATORS |= {functional.batch_norm, functional.interpolate}


@dataclass
class _Activation:
    """What is known of a tensor inside the network: its operator, its row of `ranges`, itself in 256 steps.

    One that is `exact` has steps already. (It does not hold itself as `rounded`: the cycle would keep its memory.)
    """

    operator: Any = None
    row: int = -1
    exact: bool = False
    rounded: torch.Tensor | None = None


class FakeQuantization:
    """Rounds a network in training to int8; `ranges` (activations x 2) are its state, the network has none of it.

    The activations are the results of all operators that int8 inference stores, in the order in which it runs them. The
    network's output is not among them, since export gives logits a range of their own. An activation takes one of
    256 values between the moving averages of the batches' minimum and maximum. (The mean over pictures, which
    calibrates exports, cuts off more, and with it the gradient that would make it smaller.) Nothing waits for a GPU.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network, self._learn = network, True
        self._weighted = [module for module in network.modules() if isinstance(module, _WEIGHTED)]
        self.ranges = torch.empty(0, 2, device=next(network.parameters()).device)

    @contextmanager
    def applied(self, learn: bool = True) -> Iterator[None]:
        """Within the context, the network computes as int8 would; the ranges follow what it sees if they `learn`."""
        self._learn, mode = learn, _Rounding(self)
        handles = [
            self._network.register_forward_pre_hook(mode.start),
            self._network.register_forward_hook(mode.stop, always_call=True),
        ]
        stem = takes_picture(self._network)
        for module in self._weighted:
            handles.append(module.register_forward_pre_hook(partial(_round_weight, module is stem)))
            handles.append(module.register_forward_hook(_restore_weight))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            for module in self._weighted:
                module.__dict__.pop("weight", None)  # of one whose forward failed

    def round(self, values: torch.Tensor, row: int) -> torch.Tensor:
        """`values` in 256 steps between the bounds of row `row`, which follow them; a new row begins with theirs."""
        exact = values.float()
        with torch.no_grad():
            low, high = exact.aminmax()
            bounds = torch.stack((low.clamp(max=0), high.clamp(min=0)))
            if row >= len(self.ranges):
                fresh = self.ranges.new_full((row + 1 - len(self.ranges), 2), torch.nan)
                self.ranges = torch.cat((self.ranges, fresh))
            known = self.ranges[row]
            follows = known.lerp(bounds, _SHARE) if self._learn else known
            self.ranges[row] = torch.where(known.isnan(), bounds, follows)
            low, high = self.ranges[row].unbind()
            scale = ((high - low) / _LARGEST_BYTE).clamp(min=1e-8)
            zero = (-low / scale).round().int()
        return torch.fake_quantize_per_tensor_affine(exact, scale, zero, 0, _LARGEST_BYTE).to(values.dtype)


class _Rounding(TorchFunctionMode):
    """Rounds an activation when an operator takes it, unless that operator is done at the end of the one before."""

    def __init__(self, state: FakeQuantization) -> None:
        super().__init__()
        self._state, self._rows = state, 0

    def start(self, network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._rows = 0
        for value in inputs:
            value.int8 = _Activation(exact=True)  # type: ignore[attr-defined]  # pictures are bytes already
        self.__enter__()

    def stop(self, network: nn.Module, inputs: tuple[torch.Tensor, ...], output: object) -> None:
        self.__exit__(None, None, None)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        taken = [_activation_of(value) for value in _flat(args)]
        known = next((one for one in taken if one), None)
        if known is None:
            return function(*args, **kwargs)
        if function not in _OPERATORS or (function in _ADDITIONS and taken.count(None) == len(taken) - 1):
            # A view computes nothing; a constant added is part of the bias.
            result = function(*args, **kwargs)
            return _marked(result, _Activation(known.operator, known.row, all(one.exact for one in taken if one)))
        if function is functional.hardswish:
            return self._hard_swish(self._rounded(args[0]))
        absorbed = _ABSORBED.get(function, frozenset())
        given = [value if _made_by(value, absorbed) else self._rounded(value) for value in args]
        result = function(*given, **kwargs)
        if function in _MOVES:
            return _marked(result, _Activation(exact=True))
        # Resizing keeps its input's steps.
        same = function is functional.interpolate or any(_made_by(value, absorbed) for value in args)
        row = known.row if same and known.row >= 0 else self._next_row()
        return _marked(result, _Activation(function, row))

    def _rounded(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(self._rounded(one) for one in value)
        known = _activation_of(value)
        if known is None or known.exact:
            return value
        if known.rounded is None:
            known.rounded = self._state.round(value, known.row)
        return known.rounded

    def _next_row(self) -> int:
        self._rows += 1
        return self._rows - 1

    def _hard_swish(self, x: torch.Tensor) -> torch.Tensor:
        """x times RELU6(x + 3) times 1/6, as export writes it out."""
        gate = self._rounded(_marked(functional.relu6(x + 3), _Activation(row=self._next_row())))
        product = self._rounded(_marked(x * gate, _Activation(row=self._next_row())))
        return _marked(product / 6, _Activation(functional.hardswish, self._next_row()))


def _activation_of(value: object) -> _Activation | None:
    return getattr(value, "int8", None) if isinstance(value, torch.Tensor) else None


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        else:
            yield value


def _made_by(value: object, operators: frozenset[Any]) -> bool:
    known = _activation_of(value)
    return known is not None and known.operator in operators


def _marked(result: Any, activation: _Activation) -> Any:
    if isinstance(result, torch.Tensor) and result.is_floating_point():
        result.int8 = activation  # type: ignore[attr-defined]
    return result


def rounded_weight(module: nn.Module, picture: bool = False) -> torch.Tensor:
    """The module's weight in 255 steps for each output channel; of a transposed convolution for each of its phases too,
    which export makes channels of a convolution. One that takes the `picture` has steps of raw bytes."""
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    with torch.no_grad():
        unit = weight.new_tensor(DEVIATION).view(1, 3, 1, 1) if picture else 1.0
        exact = weight / unit
        if isinstance(module, nn.ConvTranspose2d):
            tall, wide = module.stride
            rows, columns = weight.shape[2] // tall, weight.shape[3] // wide
            if (rows * tall, columns * wide) == tuple(weight.shape[2:]):
                phases = exact.unflatten(2, (rows, tall)).unflatten(4, (columns, wide))
                largest = phases.abs().amax((0, 2, 4), keepdim=True).expand_as(phases).reshape(weight.shape)
            else:
                largest = exact.abs().amax((0, 2, 3), keepdim=True)
        else:
            largest = exact.abs().amax(tuple(range(1, weight.dim())), keepdim=True)
        step = (largest / _LARGEST_WEIGHT).clamp(min=1e-12)
        change = (exact / step).round() * step * unit - weight
    return weight + change


def takes_picture(network: nn.Module) -> nn.Module | None:
    """The convolution of `network` that sees the picture, whose normalisation export folds into its weights."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    return first if first is not None and first.in_channels == 3 else None


def _round_weight(picture: bool, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    # Seen before the parameter of that name, which stays where it is: state dicts and optimizers notice nothing.
    module.__dict__["weight"] = rounded_weight(module, picture)


def _restore_weight(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: object) -> None:
    module.__dict__.pop("weight", None)
