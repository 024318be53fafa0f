"""ExecuTorch (.pte, XNNPACK) as an optional extra: float32, or int8 by PT2E quantisation.

Input is float32 1 x 3 x H x W, 0..255, output float32 1 x C x H x W: the layout of the PyTorch world that such
apps come from. A .pte has no room for facts of one's own: the contract lies beside it, in model.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..runtime.contract import Contract
from ..runtime.errors import InputError
from .graph import DeployedGraph
from .quiet import quiet


def export_executorch(
    graph: DeployedGraph,
    contract: Contract,
    path: Path,
    precision: str,
    pictures: Sequence[np.ndarray] = (),
) -> None:
    """Write `graph` as a .pte at `path`; `pictures` (uint8 H x W x 3) calibrate int8."""
    try:
        with quiet():
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
            from executorch.exir import to_edge_transform_and_lower
    except ImportError as error:
        raise _missing() from error
    example = (torch.zeros(1, 3, *contract.size),)
    with quiet():
        program = torch.export.export(graph, example)
        if precision == "int8":
            program = torch.export.export(_quantize(program, pictures), example)
        lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        path.write_bytes(lowered.to_executorch().buffer)


class ExecutorchBackend:
    """A runtime Backend over a .pte; `contract` is that of the bundle it lies in unless given."""

    def __init__(self, path: Path, contract: Contract | None = None) -> None:
        try:
            from executorch.runtime import Runtime
        except ImportError as error:
            raise _missing() from error
        self.contract = contract or Contract.read(path.parent)
        try:
            self._method = Runtime.get().load_program(path).load_method("forward")
        except RuntimeError as error:
            raise InputError(f"{path} is not an ExecuTorch program that can be opened: {error}") from error

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 N x height x width x 3 -> float32 N x height x width x (1 or classes), 0..1."""
        return np.concatenate([self._run_one(picture) for picture in batch])

    def _run_one(self, picture: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float().contiguous()
        return self._method.execute([pixels])[0].permute(0, 2, 3, 1).contiguous().numpy()


def _quantize(program: torch.export.ExportedProgram, pictures: Sequence[np.ndarray]) -> Any:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    rules = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    watched = prepare_pt2e(program.module(), rules)
    with torch.no_grad():
        for picture in pictures:
            watched(torch.from_numpy(picture).permute(2, 0, 1)[None].float())
    return convert_pt2e(watched)


def _missing() -> InputError:
    return InputError("ExecuTorch is not installed; install it with: pip install 'portraitnet[executorch]'")
