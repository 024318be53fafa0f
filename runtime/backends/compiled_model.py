"""CompiledModel, the API of LiteRT 2.x, on CPU or GPU; the Interpreter of litert.py is in maintenance there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .announcements import stderr_dropped
from .checks import check_batch, check_shapes
from .litert import check_memory, contract_inside


class CompiledModelBackend:
    """A .tflite as a CompiledModel on `accelerator` "cpu" or "gpu"; a batch runs picture by picture.

    Raises InputError where a GPU does not take the whole network: a time of a GPU is never the CPU's.
    """

    def __init__(self, path: Path, threads: int, accelerator: str = "cpu") -> None:
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.cpu_options import CpuOptions
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import Options

        self.contract = contract_inside(path)
        self.device = f"LiteRT {accelerator.upper()}"
        check_memory(path)
        place = HardwareAccelerator.GPU if accelerator == "gpu" else HardwareAccelerator.CPU
        options = Options(hardware_accelerators=place, cpu_options=CpuOptions(num_threads=threads))
        try:
            with stderr_dropped():  # LiteRT tells there of every accelerator that it has not found
                self._model = CompiledModel.from_file(str(path), options=options)
            if accelerator == "gpu" and not self._model.is_fully_accelerated():
                raise InputError(f"{path}: the GPU does not take the whole network; use --device cpu")
            (key,) = self._model.get_signature_list()
            (self._taken,) = self._model.get_input_tensor_details(key).values()
            (self._given,) = self._model.get_output_tensor_details(key).values()
            check_shapes(path, self.contract, self._taken["shape"], self._given["shape"])
            self._inputs, self._outputs = self._model.create_input_buffers(0), self._model.create_output_buffers(0)
        except InputError:
            raise
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"{path} does not run as a CompiledModel of LiteRT on the {accelerator.upper()}"
            ) from error

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        check_batch(self.contract, batch)
        return np.concatenate([self._run_one(picture[None]) for picture in batch])

    def _run_one(self, picture: np.ndarray) -> np.ndarray:
        self._inputs[0].write(np.ascontiguousarray(picture.astype(self._taken["dtype"], copy=False)))
        self._model.run_by_index(0, self._inputs, self._outputs)
        shape = self._given["shape"]
        scores = self._outputs[0].read(int(np.prod(shape)), np.dtype(self._given["dtype"]).type).reshape(shape)
        if scores.dtype == np.float32:
            return np.array(scores)
        return scores.astype(np.float32) / (255 if self.contract.task == "portrait" else 256)
