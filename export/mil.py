"""Runs a saved CoreML ML program anywhere, operator by operator in torch: how .mlpackage files are checked
without a Mac. It knows the operators that our networks convert to, and says so when it meets another.

Every result that the program declares as float16 is rounded to float16, which is what a phone would keep.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf.message import DecodeError
from torch.nn import functional

from ..runtime.contract import METADATA_KEY, Contract
from ..runtime.errors import InputError
from .quiet import quiet

_BLOB_MAGIC = 0xDEADBEEF
_MAX_BYTES = 1 << 30
_MAX_ELEMENTS = 1 << 28


class MilBackend:
    """A runtime Backend over an .mlpackage. Raises InputError for what is not a whole program of ours.

    A grey output of bytes is given as values / 255 before the rounding that CoreML ends with. A program that takes
    several input sizes runs at any of them.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.spec = _read_spec(self.path)
        facts = self.spec.description.metadata.userDefined.get(METADATA_KEY)
        if not facts:
            raise InputError(f"{path} carries no portraitnet contract; export it with `portraitnet export`")
        self.contract = Contract.from_json(facts, str(path))
        self._weights = _read_weights(self.path)
        try:
            function = self.spec.mlProgram.functions["main"]
            self._block = function.block_specializations[function.opset]
            (self._input,), (self._output,) = ([n.name for n in function.inputs], list(self._block.outputs))
        except (KeyError, ValueError) as error:
            raise InputError(f"{path} is not an ML program with one input and one output") from error
        image = self.spec.description.output[0].type.imageType
        self._bytes = self.contract.task == "portrait" and image.colorSpace == image.GRAYSCALE
        self._constants: dict[str, Any] = {}
        for operation in self._block.operations:
            if operation.type == "const":
                self._constants[operation.outputs[0].name] = self._value(operation.attributes["val"])
            elif operation.type.startswith("constexpr_"):
                given = {name: self._value(value) for name, value in operation.attributes.items() if name != "name"}
                given |= self._arguments(operation, {})
                self._constants[operation.outputs[0].name] = self._implementation(operation)(given)

    @torch.inference_mode()
    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 N x height x width x 3 -> float32 N x height x width x (1 or classes), 0..1."""
        scores = np.concatenate([self._run_one(picture) for picture in batch])
        return scores / np.float32(255) if self._bytes else scores

    def input_sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every input that the program states; its default first."""
        image = self.spec.description.input[0].type.imageType
        stated = [(one.height, one.width) for one in image.enumeratedSizes.sizes]
        return list(dict.fromkeys([(image.height, image.width), *stated]))

    def operators(self) -> list[str]:
        """Names of the operators that compute, in order."""
        return [o.type for o in self._block.operations if o.type != "const"]

    def _run_one(self, picture: np.ndarray) -> np.ndarray:
        values: dict[str, Any] = {self._input: torch.from_numpy(picture).permute(2, 0, 1)[None].float()}
        for operation in self._block.operations:
            if operation.type == "const" or operation.type.startswith("constexpr_"):
                continue
            result = self._implementation(operation)(self._arguments(operation, values))
            if _NUMPY.get(operation.outputs[0].type.tensorType.dataType) is np.float16:
                result = result.half().float()
            values[operation.outputs[0].name] = result
        return values[self._output].float().permute(0, 2, 3, 1).numpy()

    def _implementation(self, operation: Any) -> Any:
        found = _OPERATORS.get(operation.type)
        if found is None:
            raise InputError(f"{self.path} uses the operator {operation.type!r}, which this evaluator does not know")
        return found

    def _arguments(self, operation: Any, values: dict[str, Any]) -> dict[str, Any]:
        return {name: self._argument(argument, values) for name, argument in operation.inputs.items()}

    def _argument(self, argument: Any, values: dict[str, Any]) -> Any:
        found = []
        for binding in argument.arguments:
            if binding.WhichOneof("binding") == "value":
                found.append(self._value(binding.value))
            elif binding.name in values:
                found.append(values[binding.name])
            elif binding.name in self._constants:
                found.append(self._constants[binding.name])
            else:
                raise InputError(f"{self.path} uses {binding.name!r} before it is made: the program is damaged")
        return found[0] if len(found) == 1 else found

    def _value(self, value: Any) -> Any:
        """A constant: number, text, or tensor (float16 widened to float32)."""
        kind = value.type.tensorType
        shape = [dimension.constant.size for dimension in kind.dimensions]
        if value.WhichOneof("value") == "blobFileValue":
            array = self._blob(value.blobFileValue.offset, kind.dataType, shape)
        else:
            which = value.immediateValue.tensor.WhichOneof("value")
            if which is None:
                raise InputError(f"{self.path} holds a constant of a kind that this evaluator does not know")
            stored = getattr(value.immediateValue.tensor, which).values
            if which == "strings":
                return stored[0]
            dtype = self._dtype(kind.dataType)
            array = np.frombuffer(stored, dtype) if which == "bytes" else np.array(stored, dtype)
            array = self._shaped(array, shape)
        if array.dtype == np.float16:
            array = array.astype(np.float32)
        return array.item() if array.ndim == 0 else torch.from_numpy(array.copy())

    def _blob(self, offset: int, data_type: int, shape: list[int]) -> np.ndarray:
        dtype = np.dtype(self._dtype(data_type))
        try:
            magic, _, size, start = struct.unpack_from("<IIQQ", self._weights, offset)
        except struct.error as error:
            raise InputError(f"{self.path} points outside its weight file: it is damaged") from error
        if magic != _BLOB_MAGIC or start + size > len(self._weights) or size % dtype.itemsize:
            raise InputError(f"{self.path} points outside its weight file: it is damaged")
        return self._shaped(np.frombuffer(self._weights, dtype, size // dtype.itemsize, start), shape)

    def _shaped(self, array: np.ndarray, shape: list[int]) -> np.ndarray:
        if any(side > _MAX_ELEMENTS for side in shape) or array.size != int(np.prod(shape, dtype=object)):
            raise InputError(f"{self.path} holds {array.size} values for a tensor of shape {shape}: it is damaged")
        return array.reshape(shape)

    def _dtype(self, data_type: int) -> Any:
        if data_type not in _NUMPY:
            raise InputError(f"{self.path} holds values of a type ({data_type}) that this evaluator does not know")
        return _NUMPY[data_type]


def _read_spec(path: Path) -> Any:
    with quiet():
        # coremltools imports tensorflow, and torchvision crashes when it comes after that one.
        import torchvision  # noqa: F401
        from coremltools.proto import Model_pb2
    content = _bounded(path / "Data/com.apple.CoreML/model.mlmodel", path)
    spec = Model_pb2.Model()
    try:
        spec.ParseFromString(content)
    except DecodeError as error:
        raise InputError(f"{path} is not a CoreML model: its program cannot be parsed") from error
    if spec.WhichOneof("Type") != "mlProgram":
        raise InputError(f"{path} is a CoreML model, but not an ML program")
    return spec


def _read_weights(path: Path) -> bytes:
    return _bounded(path / "Data/com.apple.CoreML/weights/weight.bin", path)


def _bounded(file: Path, package: Path) -> bytes:
    if not file.is_file() or not file.resolve().is_relative_to(package.resolve()):
        raise InputError(f"{package} is not an .mlpackage of this project: it has no {file.name}")
    if file.stat().st_size > _MAX_BYTES:
        raise InputError(f"{file} is larger than {_MAX_BYTES >> 30} GiB: not a model of this project")
    return file.read_bytes()


def _numpy_types() -> dict[int, Any]:
    # FeatureTypes of MIL.proto, by number so that importing this module does not import coremltools.
    return {
        1: np.bool_, 10: np.float16, 11: np.float32, 12: np.float64,
        21: np.int8, 22: np.int16, 23: np.int32, 31: np.uint8, 32: np.uint16, 33: np.uint32,
    }  # fmt: skip


_NUMPY = _numpy_types()
_CASTS = {
    "fp16": torch.float32, "fp32": torch.float32, "int32": torch.int32, "int8": torch.int8, "uint8": torch.uint8,
}  # fmt: skip


def _padding(given: dict[str, Any]) -> list[int]:
    """Pads as functional.pad wants them: left, right, top, bottom."""
    if given["pad_type"] == "valid":
        return [0, 0, 0, 0]
    if given["pad_type"] != "custom":
        raise InputError(f"convolution padding {given['pad_type']!r} is not known to this evaluator")
    top, bottom, left, right = (int(side) for side in given["pad"])
    return [left, right, top, bottom]


def _conv(given: dict[str, Any]) -> torch.Tensor:
    x = functional.pad(given["x"], _padding(given))
    strides, dilations = given["strides"].tolist(), given["dilations"].tolist()
    return functional.conv2d(x, given["weight"], given.get("bias"), strides, 0, dilations, given["groups"])


def _conv_transpose(given: dict[str, Any]) -> torch.Tensor:
    if _padding(given) != [0, 0, 0, 0] or given["dilations"].tolist() != [1, 1]:
        raise InputError("a transposed convolution with padding or dilation is not known to this evaluator")
    strides = given["strides"].tolist()
    return functional.conv_transpose2d(given["x"], given["weight"], given.get("bias"), strides, groups=given["groups"])


def _pad(given: dict[str, Any]) -> torch.Tensor:
    if given["mode"] != "constant":
        raise InputError(f"padding of mode {given['mode']!r} is not known to this evaluator")
    # Two numbers an axis, the last axis last; functional.pad wants the last axis first.
    sides = given["pad"].reshape(-1, 2).flip(0).flatten().tolist()
    return functional.pad(given["x"], sides, value=given["constant_val"])


def _turned(given: dict[str, Any], name: str) -> torch.Tensor:
    return given[name].transpose(-1, -2) if given.get(f"transpose_{name}") else given[name]


def _upsample_bilinear(given: dict[str, Any]) -> torch.Tensor:
    height, width = given["x"].shape[2:]
    size = (round(height * given["scale_factor_height"]), round(width * given["scale_factor_width"]))
    return functional.interpolate(given["x"], size=size, mode="bilinear", align_corners=bool(given["align_corners"]))


def _along(axis: int, values: Any, rank: int) -> Any:
    """Per-channel values shaped to broadcast along `axis` of a tensor of that rank."""
    if not torch.is_tensor(values):
        return values
    shape = [1] * rank
    shape[axis] = -1
    return values.float().reshape(shape)


def _affine_dequantize(given: dict[str, Any]) -> torch.Tensor:
    data = given["quantized_data"].float()
    zero, scale = (_along(given["axis"], given[name], data.dim()) for name in ("zero_point", "scale"))
    return (data - zero) * scale


_OPERATORS = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "pad": _pad,
    "add": lambda given: given["x"] + given["y"],
    "sub": lambda given: given["x"] - given["y"],
    "mul": lambda given: given["x"] * given["y"],
    "relu": lambda given: torch.relu(given["x"]),
    "relu6": lambda given: given["x"].clamp(0, 6),
    "thresholded_relu": lambda given: given["x"] * (given["x"] >= given["alpha"]),
    "sigmoid_hard": lambda given: (given["alpha"] * given["x"] + given["beta"]).clamp(0, 1),
    "clip": lambda given: given["x"].clamp(given["alpha"], given["beta"]),
    "sigmoid": lambda given: torch.sigmoid(given["x"]),
    "silu": lambda given: functional.silu(given["x"]),
    "softmax": lambda given: torch.softmax(given["x"], given["axis"]),
    "reduce_mean": lambda given: given["x"].mean(tuple(given["axes"].tolist()), keepdim=bool(given["keep_dims"])),
    "reduce_sum": lambda given: given["x"].sum(tuple(given["axes"].tolist()), keepdim=bool(given["keep_dims"])),
    "concat": lambda given: torch.cat(given["values"], given["axis"]),
    "upsample_bilinear": _upsample_bilinear,
    "upsample_nearest_neighbor": lambda given: functional.interpolate(
        given["x"], scale_factor=(float(given["scale_factor_height"]), float(given["scale_factor_width"]))
    ),
    "reshape": lambda given: given["x"].reshape(given["shape"].tolist()),
    "transpose": lambda given: given["x"].permute(given["perm"].tolist()),
    "expand_dims": lambda given: given["x"].unsqueeze(int(given["axes"][0])),
    "matmul": lambda given: _turned(given, "x") @ _turned(given, "y"),
    "linear": lambda given: functional.linear(given["x"], given["weight"], given.get("bias")),
    "identity": lambda given: given["x"],
    "cast": lambda given: given["x"].to(_CASTS[given["dtype"]]),
    "pixel_shuffle": lambda given: functional.pixel_shuffle(given["x"], given["upscale_factor"]),
    "max_pool": lambda given: functional.max_pool2d(
        functional.pad(given["x"], _padding(given), value=-torch.inf),
        given["kernel_sizes"].tolist(),
        given["strides"].tolist(),
    ),
    "constexpr_affine_dequantize": _affine_dequantize,
}
