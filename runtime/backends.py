"""What runs a model's file: ONNX Runtime, LiteRT (XNNPACK), or CoreML on a Mac, all behind one call.

Every file carries its own contract; a file without one is refused, since its sizes and meaning would be guesses.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .contract import METADATA_KEY, MODEL_JSON, Artefact, Contract
from .errors import InputError
from .files import bytes_of, sha256_of
from .segmenter import Backend

MODEL_FORMATS = {".onnx": "onnx", ".tflite": "tflite", ".mlpackage": "coreml"}
MAX_MODEL_BYTES = 1 << 30
_WEIGHTS = Path(__file__).with_name("weights")
_PREFERENCE = [  # fastest first, on a CPU
    ("tflite", "int8"),
    ("tflite", "fp32"),
    ("tflite", "fp16"),
    ("onnx", "fp32"),
    ("onnx", "int8"),
    ("onnx", "fp16"),
]


def default_weights() -> Path:
    """The model that ships with the package. Raises InputError when this installation lacks it."""
    return find_model("mobile")


def find_model(name: str | Path) -> Path:
    """A model's path as it is given, or the shipped model of that name: "mobile" is portraitnet-mobile.tflite."""
    shipped = {path.stem.removeprefix("portraitnet-"): path for path in sorted(_WEIGHTS.glob("*.tflite"))}
    if Path(name).exists():
        return Path(name)
    if str(name) in shipped:
        return shipped[str(name)]
    if not shipped:
        raise InputError("this installation holds no shipped weights; name a model file or an exported bundle")
    raise InputError(f"{name} does not exist; models that ship: {', '.join(shipped)}")


def open_backend(path: str | Path, threads: int = 2) -> Backend:
    """Open a bundle folder (its fastest artefact, hash checked) or one loose model file.

    `threads` is the number of CPU threads. Raises InputError when the file is not a model with our contract.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if threads < 1:
        raise InputError(f"threads must be at least 1, not {threads}")
    if path.is_dir() and path.suffix != ".mlpackage":
        return _open_bundle(path, threads)
    if path.suffix == ".safetensors":
        raise InputError(f"{path} is a training checkpoint; `portraitnet export` makes a file that runs from it")
    if path.suffix not in MODEL_FORMATS:
        raise InputError(
            f"{path} is no model that runs here: give a bundle folder or one of {', '.join(MODEL_FORMATS)}"
        )
    if bytes_of(path) > MAX_MODEL_BYTES:
        raise InputError(f"{path} is larger than {MAX_MODEL_BYTES >> 20} MiB: not a model of this project")
    if path.suffix == ".onnx":
        return OnnxBackend(path, threads)
    return TfliteBackend(path, threads) if path.suffix == ".tflite" else CoreMLBackend(path)


def _open_bundle(folder: Path, threads: int) -> Backend:
    contract = Contract.read(folder)
    runnable = [a for a in contract.artefacts if (a.format, a.precision) in _PREFERENCE]
    if not runnable:
        held = ", ".join(a.file for a in contract.artefacts) or "no artefact"
        raise InputError(f"{folder} holds {held}: nothing that runs here (.tflite or .onnx); export one of them")
    chosen: Artefact = min(runnable, key=lambda a: _PREFERENCE.index((a.format, a.precision)))
    path = folder / chosen.file
    if sha256_of(path) != chosen.sha256:
        raise InputError(f"{path} is not the file that {MODEL_JSON} describes (its hash differs); export again")
    backend = open_backend(path, threads)
    if (backend.contract.size, backend.contract.classes) != (contract.size, contract.classes):
        raise InputError(f"{path} and {folder / MODEL_JSON} disagree on input size or classes; export again")
    backend.contract = contract
    return backend


def open_session(path: Path, threads: int) -> Any:
    """An onnxruntime.InferenceSession on the CPU. Raises InputError when the file cannot be run."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads that spin cost a video run a third of the processor, which decoding and encoding need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        # As bytes: a file of unknown origin cannot then name other files to read weights from.
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except (
        errors.EPFail,
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NotImplemented,
        errors.RuntimeException,
    ) as error:
        raise InputError(f"{path} is not an ONNX model that can be run: {_first_line(error)}") from error


class OnnxBackend:
    """An .onnx on ONNX Runtime's CPU provider; takes any batch size that the graph takes."""

    def __init__(self, path: Path, threads: int) -> None:
        self.session = open_session(path, threads)
        self.contract = _embedded(path, self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY))
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(uint8)":
            raise InputError(f"{path}: expected one uint8 input and one output")
        _check_shape(path, self.contract, inputs[0].shape, outputs[0].shape)
        self._input = inputs[0].name

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        _check_batch(self.contract, batch)
        return self.session.run(None, {self._input: batch})[0]


class TfliteBackend:
    """A .tflite on LiteRT with XNNPACK; its batch is fixed at one, so a batch runs picture by picture.

    `make_interpreter` puts another library's interpreter of the same interface in LiteRT's place.
    """

    def __init__(self, path: Path, threads: int, make_interpreter: Callable[..., Any] | None = None) -> None:
        if make_interpreter is None:
            from ai_edge_litert.interpreter import Interpreter

            make_interpreter = Interpreter
        self.contract = _embedded(path, _tflite_metadata(path))
        try:
            self.interpreter = make_interpreter(str(path), num_threads=threads)
            inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
            if len(inputs) != 1 or len(outputs) != 1:
                raise InputError(f"{path}: expected one input and one output")
            self._input, self._output = inputs[0], outputs[0]
            _check_shape(path, self.contract, self._input["shape"], self._output["shape"])
            if self._input["dtype"] not in (np.uint8, np.float32):
                raise InputError(f"{path} takes {self._input['dtype'].__name__}; expected uint8 or float32 input")
            self.interpreter.allocate_tensors()
        except InputError:
            raise
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path} is not a TFLite model that can be run: {_first_line(error)}") from error

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        _check_batch(self.contract, batch)
        return np.concatenate([self._run_one(picture[None]) for picture in batch])

    def _run_one(self, picture: np.ndarray) -> np.ndarray:
        self.interpreter.set_tensor(self._input["index"], picture.astype(self._input["dtype"], copy=False))
        self.interpreter.invoke()
        scores = self.interpreter.get_tensor(self._output["index"])
        if scores.dtype == np.float32:
            return scores
        if self.contract.task == "portrait":
            # int8's sigmoid has fixed steps of 1/256 and ends at 255: as bytes of alpha, certain is exactly 1.
            return scores.astype(np.float32) / 255
        scale, zero_point = self._output["quantization"]
        return (scores.astype(np.float32) - zero_point) * np.float32(scale)


class CoreMLBackend:
    """An .mlpackage on CoreML, which exists on macOS only; runs a batch picture by picture."""

    contract: Contract
    model: Any

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
            raise InputError(f"{path} is not a CoreML model that can be run: {_first_line(error)}") from error
        self.contract = _embedded(path, self.model.user_defined_metadata.get(METADATA_KEY))
        description = self.model.get_spec().description
        if len(description.input) != 1 or len(description.output) != 1:
            raise InputError(f"{path}: expected one input and one output")
        self._input, self._output = description.input[0].name, description.output[0].name

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        _check_batch(self.contract, batch)
        return np.stack([self._run_one(picture) for picture in batch])

    def _run_one(self, picture: np.ndarray) -> np.ndarray:
        from PIL import Image

        result = self.model.predict({self._input: Image.fromarray(picture)})[self._output]
        if isinstance(result, Image.Image):  # a portrait's alpha comes as a grey picture
            return np.asarray(result.convert("L"), np.float32)[..., None] / 255
        return np.asarray(result, np.float32).reshape(*self.contract.size, -1)


def _tflite_metadata(path: Path) -> bytes | None:
    """The metadata buffer named METADATA_KEY, read in place: no weights are unpacked."""
    from ai_edge_litert.schema_py_generated import Model

    data = path.read_bytes()
    try:
        if len(data) < 16 or not Model.ModelBufferHasIdentifier(data, 0):
            raise ValueError("no TFL3 mark")
        model = Model.GetRootAs(data, 0)
        for i in range(model.MetadataLength()):
            entry = model.Metadata(i)
            if entry.Name() == METADATA_KEY.encode():
                return _buffer_bytes(data, model.Buffers(entry.Buffer()))
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError, struct.error) as error:
        raise InputError(f"{path} is not a TFLite model: {_first_line(error)}") from error
    return None


def _buffer_bytes(data: bytes, buffer: Any) -> bytes:
    # Large models keep their buffers behind the flatbuffer, at an offset into the file.
    if buffer.Offset() > 1:
        return data[buffer.Offset() : buffer.Offset() + buffer.Size()]
    return b"" if buffer.DataIsNone() else buffer.DataAsNumpy().tobytes()


def _embedded(path: Path, text: str | bytes | None) -> Contract:
    if not text:
        raise InputError(
            f"{path} carries no portraitnet contract: it was not made by `portraitnet export`, "
            "so its input size and meaning are unknown"
        )
    return Contract.from_json(text, f"the contract inside {path}")


def _check_shape(path: Path, contract: Contract, inputs: Any, outputs: Any) -> None:
    channels = 1 if contract.task == "portrait" else len(contract.classes)
    expected = [[*contract.size, 3], [*contract.size, channels]]
    # The batch, the first axis, is free: 1 in TFLite and a name in ONNX.
    if [list(inputs)[1:], list(outputs)[1:]] != expected:
        raise InputError(
            f"{path} maps {list(inputs)} to {list(outputs)}, but its contract says "
            f"batch x {expected[0]} to batch x {expected[1]}"
        )


def _check_batch(contract: Contract, batch: np.ndarray) -> None:
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (*contract.size, 3):
        raise ValueError(
            f"expected uint8 batch x {contract.height} x {contract.width} x 3, got {batch.dtype} {batch.shape}"
        )
    if not len(batch):
        raise ValueError("an empty batch cannot be run")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
