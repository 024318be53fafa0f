"""Checkpoints: one .safetensors file that rebuilds its model, and the full state a run resumes from."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...runtime.errors import InputError
from ...runtime.files import write_folder_beside
from ...runtime.geometry import GEOMETRIES, LETTERBOX
from ..models import ModelSpec, build_model
from ..recipe import parse
from .weights import read_safetensors, write_safetensors

_STATE = re.compile(r"step-(\d{8})")
_RETIRED = {"decoder": "paper", "expansion": 1.0}


@dataclass(frozen=True)
class Checkpoint:
    """A trained network. `facts` says how it came about: name, recipe, step, scores."""

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
    """Write a network's state dict as one .safetensors file; `half` stores float16."""
    if half:
        weights = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    # The file holds the whole network, so whoever opens it needs no encoder weights from elsewhere.
    rebuilt = dataclasses.asdict(replace(spec, encoder_weights="none"))
    known = {"name": path.stem, "model": rebuilt, "size": list(size), "geometry": geometry}
    write_safetensors(path, weights, known | facts)


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
    geometry = facts.get("geometry", LETTERBOX)  # the only one there was before files told it
    if geometry not in list(GEOMETRIES):  # a list: what an untrusted file says need not be hashable
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


def save_state(folder: Path, step: int, tensors: dict[str, dict[str, torch.Tensor]], facts: dict[str, Any]) -> None:
    """Write a run's full state after `step` as folder/step-NNNNNNNN, then drop the older ones.

    A kill at any moment leaves the previous state or the new one, both whole.
    """
    with write_folder_beside(folder / f"step-{step:08d}") as fresh:
        for name, group in tensors.items():
            write_safetensors(fresh / f"{name}.safetensors", group, {})
        (fresh / "state.json").write_text(json.dumps({"step": step, **facts}), encoding="utf-8")
    for old in _states(folder)[:-1]:
        shutil.rmtree(old)


def load_state(folder: Path) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]] | None:
    """The newest full state in `folder`, as `save_state` took it; None when there is none."""
    states = _states(folder)
    if not states:
        return None
    newest = states[-1]
    tensors = {path.stem: read_safetensors(path)[0] for path in newest.glob("*.safetensors")}
    try:
        return tensors, json.loads((newest / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{newest} is damaged ({error}); delete it to start again") from error


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """An optimiser's per-parameter state as named tensors; the options come from the recipe."""
    return {
        f"{index}.{key}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Undo `flatten_optimizer` on an optimiser over the same parameters."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _states(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if _STATE.fullmatch(path.name))
