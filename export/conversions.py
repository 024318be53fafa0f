"""What a converter made of a network, kept: the next precision starts from it, and so does a copy with other weights.

A converter takes ten to twenty seconds for a network, and the rounding of weights (rounding.py) changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

import torch
from torch import nn

from .graph import DeployedGraph

Size = tuple[int, int]
Weights = Mapping[str, torch.Tensor]
_SETTINGS = (bool, int, float, str, tuple)


class Conversions:
    """float32 files by network and input size; call it for one.

    `convert` makes the file of a network that is not known. `replace` puts weights into a file that another network of
    the same structure gave: from (file, that one's weights, the new weights) it makes the new file, or None when it
    cannot find every weight there. `prepare` gives the module that the converter sees, which names the weights.
    """

    def __init__(
        self,
        convert: Callable[[DeployedGraph, Size], bytes],
        replace: Callable[[bytes, Weights, Weights], bytes | None],
        prepare: Callable[[DeployedGraph], nn.Module],
    ) -> None:
        self.convert, self.replace, self.prepare = convert, replace, prepare
        self.known: WeakKeyDictionary[DeployedGraph, dict[Size, bytes]] = WeakKeyDictionary()

    def __call__(self, graph: DeployedGraph, size: Size) -> bytes:
        """The float32 file of `graph`, whose weights no longer change, at input `size` (height, width)."""
        files = self.known.setdefault(graph, {})
        if size not in files:
            files[size] = self._from_twin(graph, size) or self.convert(graph, size)
        return files[size]

    def _from_twin(self, graph: DeployedGraph, size: Size) -> bytes | None:
        prepared = self.prepare(graph).eval()
        for other, files in list(self.known.items()):
            if size in files:
                twin = self.prepare(other).eval()
                if same_structure(prepared, twin):
                    return self.replace(files[size], twin.state_dict(), prepared.state_dict())
        return None


def same_structure(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks differ in nothing but what their state dicts hold: modules, settings and constants agree."""
    if repr(one) != repr(other) or settings_of(one) != settings_of(other):
        return False
    ours, theirs = _constants(one), _constants(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def settings_of(network: nn.Module) -> list[tuple[str, dict[str, object]]]:
    """The plain attributes of each module, by its name."""
    return [
        (name, {key: value for key, value in vars(module).items() if isinstance(value, _SETTINGS)})
        for name, module in network.named_modules()
    ]


def _constants(network: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors that no state dict holds."""
    loose = {
        f"{name}.{key}": value
        for name, module in network.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, torch.Tensor)
    }
    saved = network.state_dict().keys()
    return loose | {name: value for name, value in network.named_buffers() if name not in saved}
