"""Plain YAML or JSON data -> frozen dataclasses, with types and ranges checked and unknown keys refused.

Our own rather than OmegaConf or jsonargparse: neither names the nearest key, and OmegaConf knows no tuples of fixed
length, no Literal of several values and no ranges.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ..runtime.errors import InputError
from .models import ARCHITECTURES, ModelSpec


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both included; `odd` leaves 0 and the odd numbers."""

    minimum: float = -math.inf
    maximum: float = math.inf
    odd: bool = False

    def check(self, value: float, where: str) -> None:
        """Raise InputError for a value outside."""
        if not self.minimum <= value <= self.maximum:
            raise InputError(f"{where}: {value!r} is out of range; it must be {self}")
        if self.odd and value and value % 2 == 0:
            raise InputError(f"{where}: {value!r} is even; it must be odd, or 0")

    def __str__(self) -> str:
        if self.maximum == math.inf:
            return f"at least {self.minimum:g}"
        return f"between {self.minimum:g} and {self.maximum:g}"


Count = Annotated[int, Range(0)]
Positive = Annotated[int, Range(1)]
Fraction = Annotated[float, Range(0, 1)]
NonNegative = Annotated[float, Range(0)]


def parse(kind: Any, value: Any, where: str = "recipe") -> Any:
    """Build `kind` (a dataclass, tuple, literal, or scalar type with or without a Range) from plain data.

    Raises InputError that names the key.
    """
    if kind is ModelSpec:
        kind, value = _model_section(value, where)
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(type, kind), value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        value = parse(arguments[0], value, where)
        for bounds in arguments[1:]:
            bounds.check(value, where)
        return value
    if origin in (types.UnionType, typing.Union):
        return parse(_branch(arguments, value), value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{where}: expected a list, got {value!r}")
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(arguments) != len(value):
            raise InputError(f"{where}: expected {len(arguments)} values, got {value!r}")
        return tuple(parse(a, v, where) for a, v in zip(arguments, value, strict=True))
    if origin is Literal:
        if not any(value == known and type(value) is type(known) for known in arguments):
            raise InputError(f"{where}: {value!r} is none of {', '.join(map(str, arguments))}")
        return value
    return _scalar(kind, value, where)


def _branch(kinds: tuple[Any, ...], value: Any) -> Any:
    """The kind of a union that a value is meant for: lists go to the tuple, all else to the other."""
    is_list = isinstance(value, (list, tuple))
    return next(kind for kind in kinds if (typing.get_origin(kind) is tuple) == is_list)


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of an error about an unknown name: the one that was probably meant, or all."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def _dataclass(kind: type, value: Any, where: str) -> Any:
    hints = typing.get_type_hints(kind, include_extras=True)
    known = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: expected a mapping of {', '.join(known)}, got {value!r}")
    for key in value:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}{nearest(str(key), list(known))}")
    fields = {key: parse(known[key], item, f"{where}: {key}") for key, item in value.items()}
    try:
        return kind(**fields)
    except TypeError as error:
        raise InputError(f"{where}: {str(error).split('__init__() ')[-1]}") from error


def _model_section(value: Any, where: str) -> tuple[type[ModelSpec], Any]:
    """The architecture that a `model` section names, and the keys that are that architecture's.

    Recipes stand on others, and older checkpoints list every architecture's keys: keys of another architecture are
    dropped where they have their default, and refused otherwise.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: expected a mapping with keys such as architecture and encoder, got {value!r}")
    name = value.get("architecture", "portraitnet")
    if name not in list(ARCHITECTURES):  # a list: an untrusted file's value need not be hashable
        raise InputError(f"{where}: unknown architecture {name!r}{nearest(str(name), list(ARCHITECTURES))}")
    spec = ARCHITECTURES[name]
    own = {field.name for field in dataclasses.fields(spec)}
    elsewhere = {field.name: field.default for other in ARCHITECTURES.values() for field in dataclasses.fields(other)}
    kept = {}
    for key, item in value.items():
        if key in own or key not in elsewhere:
            kept[key] = item
        elif key not in spec.without_effect and item is not False and item != elsewhere[key]:
            having = [label for label, other in ARCHITECTURES.items() if hasattr(other, key)]
            raise InputError(f"{where}: {key} is {item!r}, but {name} has no such option (of {', '.join(having)})")
    return spec, kept


def _scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)  # YAML 1.1 reads 1e-3 as text
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is str and isinstance(value, (int, float, types.NoneType)) and not isinstance(value, bool):
        return "none" if value is None else str(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{where}: expected {kind.__name__}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where}: expected a finite number, got {value!r}")
    return value
