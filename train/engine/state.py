"""The full state of a run, which `--resume` continues from. Random numbers need none: each step seeds its own."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...runtime.errors import InputError
from ...runtime.files import write_folder_beside
from .weights import read_safetensors, write_safetensors

_FOLDER = re.compile(r"step-(\d{8})")
_TENSORS = ("model", "average", "optimizer")
_QUANTIZATION = "quantization"


@dataclass(frozen=True)
class RunState:
    """Everything that steps change, after `step` of them."""

    step: int
    best: float | None  # the best checkpoint's score; None before the first evaluation
    model: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]  # as `flatten_optimizer` gives it
    scaler: dict[str, Any] = field(default_factory=dict)  # of the gradients, with float16
    quantization: dict[str, torch.Tensor] = field(default_factory=dict)  # of quantization-aware training


def save_state(folder: Path, state: RunState) -> None:
    """Write `state` as folder/step-NNNNNNNN, then remove the older ones.

    A kill at any moment leaves the previous state or the new one, both whole.
    """
    with write_folder_beside(folder / f"step-{state.step:08d}") as fresh:
        for name in (*_TENSORS, *([_QUANTIZATION] if state.quantization else [])):
            write_safetensors(fresh / f"{name}.safetensors", getattr(state, name), {})
        facts = {"step": state.step, "best": state.best, "scaler": state.scaler}
        facts[_QUANTIZATION] = bool(state.quantization)
        (fresh / "state.json").write_text(json.dumps(facts), encoding="utf-8")
    for old in _states(folder)[:-1]:
        shutil.rmtree(old)


def load_state(folder: Path) -> RunState | None:
    """The newest state in `folder`, or None when there is none. Raises InputError when a part is lost or damaged."""
    states = _states(folder)
    if not states:
        return None
    newest = states[-1]
    try:
        facts = json.loads((newest / "state.json").read_text(encoding="utf-8"))
        step, best, scaler = int(facts["step"]), facts["best"], dict(facts.get("scaler", {}))
        names = (*_TENSORS, *([_QUANTIZATION] if facts.get(_QUANTIZATION) else []))
        tensors = {name: read_safetensors(newest / f"{name}.safetensors")[0] for name in names}
        return RunState(step, None if best is None else float(best), scaler=scaler, **tensors)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{newest} is damaged ({reason}): this run cannot be resumed; start it in another --out"
        ) from error


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """An optimizer's per-parameter state as named tensors; the options come from the recipe."""
    return {
        f"{index}.{key}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Undo `flatten_optimizer` on an optimizer over the same parameters."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _states(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if _FOLDER.fullmatch(path.name))
