"""CoreML, on a Mac."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import METADATA_KEY, Contract
from ..errors import InputError
from .checks import check_batch, embedded_contract, first_line


class CoreMLBackend:
    """An .mlpackage on CoreML, which exists on macOS only; runs a batch picture by picture."""

    contract: Contract
    model: Any
    device = "CoreML"

    def __init__(self, path: Path) -> None:
        if platform.system() != "Darwin":
            raise InputError(f"{path}: CoreML runs on macOS only; use the .tflite or .onnx of the same export here")
        try:
            import coremltools
        except ImportError as error:
            raise InputError(f"{path} needs coremltools: pip install coremltools") from error
        try:
            self.model = coremltools.models.MLModel(str(path))
        except (ValueError, RuntimeError, OSError) as error:
            raise InputError(f"{path} is not a CoreML model that can be run: {first_line(error)}") from error
        self.contract = embedded_contract(path, self.model.user_defined_metadata.get(METADATA_KEY))
        description = self.model.get_spec().description
        if len(description.input) != 1 or len(description.output) != 1:
            raise InputError(f"{path}: expected one input and one output")
        self._input, self._output = description.input[0].name, description.output[0].name

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        check_batch(self.contract, batch)
        return np.stack([self._run_one(picture) for picture in batch])

    def _run_one(self, picture: np.ndarray) -> np.ndarray:
        from PIL import Image

        result = self.model.predict({self._input: Image.fromarray(picture)})[self._output]
        if isinstance(result, Image.Image):  # a portrait's alpha comes as a grey picture, of floats or of bytes
            if result.mode == "F":
                return np.asarray(result, np.float32)[..., None]
            return np.asarray(result.convert("L"), np.float32)[..., None] / 255
        return np.asarray(result, np.float32).reshape(*self.contract.size, -1)
