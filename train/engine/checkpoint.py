"""Checkpoints: one .safetensors file that rebuilds its network."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...runtime.errors import InputError
from ...runtime.geometry import GEOMETRIES, LETTERBOX
from ..models import ModelSpec, build_model
from ..parse import parse
from .weights import read_safetensors, write_safetensors

_RETIRED = {"decoder": "paper", "expansion": 1.0}


@dataclass(frozen=True)
class Checkpoint:
    """A trained network. `facts` holds its name, recipe, step and scores."""

    name: str
    model: nn.Module  # float32, eval mode
    spec: ModelSpec
    size: tuple[int, int]  # training input height, width
    facts: dict[str, Any]
    geometry: str = LETTERBOX  # how a picture fills the input: one of runtime.geometry.GEOMETRIES


def save_checkpoint(
    path: Path,
    weights: dict[str, torch.Tensor],
    spec: ModelSpec,
    size: tuple[int, int],
    facts: dict[str, Any],
    half: bool = False,
    geometry: str = LETTERBOX,
) -> None:
    """Write a network's state dict as one .safetensors file.

    `half` stores float16, except for tensors with values beyond its range, which stay as they are.
    """
    if half:
        weights = {key: _as_half(value) for key, value in weights.items()}
    # The file holds the whole network, so whoever opens it needs no encoder weights from elsewhere.
    rebuilt = dataclasses.asdict(replace(spec, encoder_weights="none"))
    known = {"name": path.stem, "model": rebuilt, "size": list(size), "geometry": geometry}
    write_safetensors(path, weights, known | facts)


def _as_half(value: torch.Tensor) -> torch.Tensor:
    fits = value.is_floating_point() and bool((value.abs() <= torch.finfo(torch.float16).max).all())
    return value.half() if fits else value


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Open a checkpoint written by `save_checkpoint`. Raises InputError when it is anything else."""
    path = Path(path)
    weights, facts = read_safetensors(path)
    if "model" not in facts or "size" not in facts:
        raise InputError(f"{path} holds tensors but no portraitnet model facts: it is not a checkpoint of ours")
    spec = parse(ModelSpec, _without_retired(facts["model"]), str(path))
    if spec.encoder_weights != "none":
        raise InputError(f"{path}: a checkpoint must not point to other weights ({spec.encoder_weights!r})")
    size = parse(tuple[int, int], facts["size"], str(path))
    geometry = facts.get("geometry", LETTERBOX)  # the only one before files named theirs
    if geometry not in list(GEOMETRIES):  # a list: an untrusted file's value need not be hashable
        raise InputError(f"{path}: geometry {geometry!r} is not known; this version does {' and '.join(GEOMETRIES)}")
    model = build_model(spec)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else error
        raise InputError(f"{path} does not fit the architecture that it names: {str(reason)[:200]}") from error
    return Checkpoint(str(facts.get("name", path.stem)), model.float().eval(), spec, size, facts, geometry)


def _without_retired(model: Any) -> Any:
    """The model facts without choices that are gone, where the file made the one that is left."""
    if not isinstance(model, dict):
        return model
    return {key: value for key, value in model.items() if key not in _RETIRED or value != _RETIRED[key]}
