"""What every backend checks: the contract inside a file, the shapes of its graph, the batch that it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..contract import Contract
from ..errors import InputError


def embedded_contract(path: Path, text: str | bytes | None) -> Contract:
    """The contract that a model file carries. Raises InputError when it carries none."""
    if not text:
        raise InputError(
            f"{path} carries no portraitnet contract: it was not made by `portraitnet export`, "
            "so its input size and meaning are unknown"
        )
    return Contract.from_json(text, f"the contract inside {path}")


def check_shapes(path: Path, contract: Contract, inputs: Any, outputs: Any) -> None:
    """Refuse a graph whose input or output shape is not what its contract says."""
    channels = 1 if contract.task == "portrait" else len(contract.classes)
    expected = [[*contract.size, 3], [*contract.size, channels]]
    # The batch, the first axis, is free: 1 in TFLite and a name in ONNX.
    if [list(inputs)[1:], list(outputs)[1:]] != expected:
        raise InputError(
            f"{path} maps {list(inputs)} to {list(outputs)}, but its contract says "
            f"batch x {expected[0]} to batch x {expected[1]}"
        )


def check_batch(contract: Contract, batch: np.ndarray) -> None:
    """Refuse anything but uint8 batch x height x width x 3 of the contract's size."""
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (*contract.size, 3):
        raise ValueError(
            f"expected uint8 batch x {contract.height} x {contract.width} x 3, got {batch.dtype} {batch.shape}"
        )
    if not len(batch):
        raise ValueError("an empty batch cannot be run")


def first_line(error: Exception) -> str:
    """The first line of a library's error, at most 200 characters."""
    return (str(error) or type(error).__name__).splitlines()[0][:200]
