"""The registry of models that ship: their names, what each is for, and how a name becomes a file.

Every command and `Segmenter.load` take these names wherever they take a model's file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .contract import MODEL_JSON
from .errors import InputError
from .files import exists, refuse_address

WEIGHTS = Path(__file__).parent / "weights"
MODEL_SUFFIXES = (".tflite", ".onnx", ".safetensors", ".mlpackage", ".pte", ".yaml", ".yml")
_PREFIX = "portraitnet-"


@dataclass(frozen=True)
class ShippedModel:
    """One set of weights of the package; `choice` is the word for users who know no names yet."""

    name: str
    use: str
    choice: str = ""
    int8: bool = False  # its .tflite; the .onnx is float32

    def file(self, suffix: str = ".tflite") -> Path:
        """Its .tflite, .onnx or .safetensors; it need not exist."""
        return WEIGHTS / f"{_PREFIX}{self.name}{suffix}"


SHIPPED = (
    ShippedModel("nano", "live video; the slowest phones", "fast"),
    ShippedModel("small", "portraits; live video"),
    ShippedModel("mobile", "people who are small or several; int8 on phones", "balanced", int8=True),
    ShippedModel("large", "photographs; teacher for training", "best"),
)
DEFAULT = "mobile"


def default_weights() -> Path:
    """The .tflite of the default model, whatever the working directory holds. InputError when it is not installed."""
    return next(_installed(model, ".tflite") for model in SHIPPED if model.name == DEFAULT)


def shipped_model(name: str) -> ShippedModel | None:
    """The model of that name ("mobile") or choice ("balanced"), if there is one."""
    return next((model for model in SHIPPED if name and name in (model.name, model.choice)), None)


def find_model(name: str | Path, suffix: str = ".tflite") -> Path:
    """The file of a shipped model's name or choice, of the given suffix; any other path as it is.

    A file or folder of that name in the working directory counts only when it holds a model: a folder `mobile` with
    photographs does not hide the model `mobile`. Raises InputError for what is neither.
    """
    refuse_address(str(name))
    path = Path(name)
    model = shipped_model(str(name))
    if model is None:
        if exists(path):
            return path
        raise InputError(f"{name} does not exist; {_offer()}")
    if path.suffix in MODEL_SUFFIXES or (path / MODEL_JSON).is_file():
        return path
    return _installed(model, suffix)


def _installed(model: ShippedModel, suffix: str) -> Path:
    file = model.file(suffix)
    if not file.is_file():
        raise InputError(f"this installation lacks {file.name}; name a model file or an exported bundle")
    return file


def _offer() -> str:
    names = [model.name for model in SHIPPED if model.file().is_file()]
    choices = [model.choice for model in SHIPPED if model.choice]
    if not names:
        return "this installation holds no shipped weights; name a model file or an exported bundle"
    return f"models that ship: {', '.join(names)} (or {', '.join(choices)}); see `portraitnet models`"
