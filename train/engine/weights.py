"""Weights on disk are safetensors with JSON facts in the header: nothing is ever unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ...runtime.errors import InputError
from ...runtime.files import write_beside

_FACTS = "portraitnet"
_MAX_BYTES = 4 << 30


def read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """All tensors of a .safetensors file, and the JSON facts of its header ({} when it has none)."""
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path} is larger than {_MAX_BYTES >> 30} GiB: not a checkpoint of this project")
    try:
        with safe_open(str(path), framework="pt") as handle:
            facts = json.loads((handle.metadata() or {}).get(_FACTS, "{}"))
            return {key: handle.get_tensor(key) for key in handle.keys()}, facts  # noqa: SIM118
    except (SafetensorError, ValueError, OSError) as error:
        hint = " (it holds a pickle, which is never opened here)" if _looks_pickled(path) else ""
        raise InputError(f"{path} is not a readable .safetensors file{hint}: {error}") from error


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Write tensors with JSON `facts` in the header, whole or not at all."""
    whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with write_beside(path) as temporary:
        try:
            save_file(whole, str(temporary), metadata={_FACTS: json.dumps(facts)})
        except SafetensorError as error:  # a full disk reaches us as text
            raise OSError(str(error)) from error
        temporary.chmod(0o644)  # safetensors writes for the owner alone


def _looks_pickled(path: Path) -> bool:
    with path.open("rb") as handle:
        start = handle.read(4)
    return start[:2] == b"\x80\x02" or start == b"PK\x03\x04"
