"""Ahead-of-time compilation for phones' NPUs, by LiteRT's own tool and the compiler of each chip's maker.

The makers' compilers are packages of their own (`ai-edge-litert-sdk-...`). None of them was at hand where this was
written: what is checked here is the choice of chips and the line that says what is missing; the call to the compiler
follows LiteRT's interface and has not been run by us.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime.errors import InputError
from ..runtime.files import write_folder_beside

# Maker -> the module of its compiler; the package's name is the same with dashes.
MAKERS = {
    "qualcomm": "ai_edge_litert_sdk_qualcomm",
    "mediatek": "ai_edge_litert_sdk_mediatek",
    "google_tensor": "ai_edge_litert_sdk_google_tensor",
    "samsung": "ai_edge_litert_sdk_samsung",
}
_ALL = "ALL"  # of each maker's list: no chip


@dataclass(frozen=True)
class Chip:
    """One NPU: its maker, and the chip as the maker's list names it."""

    maker: str
    model: str

    def __str__(self) -> str:
        return f"{self.maker}:{self.model.lower()}"


def parse_chips(text: str) -> list[Chip]:
    """Chips of `qualcomm:sm8750,mediatek:mt6991`. Raises InputError for one that LiteRT does not know."""
    chips = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        maker, _, model = part.partition(":")
        if maker not in MAKERS:
            raise InputError(f"NPU {part!r}: write MAKER:CHIP, as qualcomm:sm8750; makers: {', '.join(MAKERS)}")
        known = {name.lower(): name for name in _models(maker)}
        if model.lower() not in known:
            raise InputError(f"NPU {part!r}: LiteRT knows of {maker} {', '.join(known)}")
        chips.append(Chip(maker, known[model.lower()]))
    if not chips:
        raise InputError("--npu names no chip; write MAKER:CHIP, as qualcomm:sm8750")
    return chips


def require_compilers(chips: Sequence[Chip]) -> None:
    """Raise InputError, with the command that installs it, when a maker's compiler is not installed."""
    for maker in dict.fromkeys(chip.maker for chip in chips):
        if importlib.util.find_spec(MAKERS[maker]) is None:
            package = MAKERS[maker].replace("_", "-")
            raise InputError(f"the NPU compiler of {maker} is not installed: pip install {package}")


def compile_for_npus(model: Path, chips: Sequence[Chip], out: Path) -> dict[str, str]:
    """Compile the .tflite `model` for each chip into the folder `out`; what the compiler tells of each, by chip.

    The report, which says how much of the network each NPU takes, is also written as report.json. Raises InputError
    when a compiler is missing or refuses the network.
    """
    require_compilers(chips)
    from ai_edge_litert.aot.aot_compile import aot_compile

    report = {}
    with write_folder_beside(out) as folder:
        for chip in chips:
            result = aot_compile(str(model), output_dir=str(folder), target=_target(chip))
            if result.failed_backends:
                raise InputError(f"{model.name} does not compile for {chip}: {result.failed_backends[0][1]}")
            result.export(folder, model.stem)
            report[str(chip)] = " ".join(result.compilation_report().split())
        (folder / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    return report


def _models(maker: str) -> list[str]:
    return [model.value for model in _library(maker).SocModel if model.value != _ALL]


def _target(chip: Chip) -> Any:
    library = _library(chip.maker)
    return library.Target(library.SocModel(chip.model))


def _library(maker: str) -> Any:
    return importlib.import_module(f"ai_edge_litert.aot.vendors.{maker}.target")
