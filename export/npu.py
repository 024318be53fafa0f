"""Ahead-of-time compilation for phones' NPUs, by LiteRT's own tool and the compiler of each chip's maker.

The makers' compilers are packages of their own (`ai-edge-litert-sdk-...`). They download the makers' libraries while
they are installed, and install empty where that fails, which this module tells. Qualcomm's libraries also lie in the
package onnxruntime-qnn: with those the step was run here. Nothing that was compiled has run on a phone for us.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime.errors import InputError
from ..runtime.files import write_folder_beside
from .quiet import quiet

# Maker -> the module of its compiler; the package's name is the same with dashes.
MAKERS = {
    "qualcomm": "ai_edge_litert_sdk_qualcomm",
    "mediatek": "ai_edge_litert_sdk_mediatek",
    "google_tensor": "ai_edge_litert_sdk_google_tensor",
    "samsung": "ai_edge_litert_sdk_samsung",
}
_QNN = "onnxruntime_qnn"  # has Qualcomm's libraries too
_LIBRARIES = {"qualcomm": "libQnnHtp.so"}  # by which a folder of LD_LIBRARY_PATH is known
# LiteRT's plug-in for Qualcomm is linked with the library for audio, which it never calls and that package lacks.
_UNUSED, _IN_ITS_PLACE = "libQnnLpai.so", "libQnnSystem.so"
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
    """Raise InputError, with the command that installs it, when a maker's compiler is not at hand."""
    for maker in dict.fromkeys(chip.maker for chip in chips):
        if _libraries_elsewhere(maker):
            continue
        package = MAKERS[maker].replace("_", "-")
        other = f", or pip install --no-deps {_QNN.replace('_', '-')}" if maker == "qualcomm" else ""
        if importlib.util.find_spec(MAKERS[maker]) is None:
            raise InputError(f"the NPU compiler of {maker} is not installed: pip install {package}{other}")
        if not _sdk_libraries(maker):
            raise InputError(
                f"{package} is installed without {maker}'s libraries, which it downloads while it is installed: "
                f"pip install --force-reinstall --no-cache-dir {package}, where its download is allowed{other}"
            )


def compile_for_npus(models: Sequence[Path], chips: Sequence[Chip], out: Path) -> dict[str, str]:
    """Compile each .tflite for each chip into the folder `out`; how much of it each NPU takes, by "FILE, MAKER:CHIP".

    The same is written as report.json. A file that a compiler refuses is told there too. Raises InputError when a
    compiler is missing, or all of them refuse everything.
    """
    require_compilers(chips)
    report, refused = {}, []
    with write_folder_beside(out) as folder:
        for model, chip in ((model, chip) for model in models for chip in chips):
            try:
                told = _compile(model, chip, folder)
            except InputError as error:
                refused.append(str(error))
                told = f"refused: {error}"
            report[f"{model.name}, {chip}"] = told
        if len(refused) == len(report):
            raise InputError("; ".join(refused))
        (folder / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    return report


def _compile(model: Path, chip: Chip, folder: Path) -> str:
    """Write the compiled model into `folder`; how much of it the NPU takes."""
    from ai_edge_litert.aot.aot_compile import aot_compile

    with tempfile.TemporaryDirectory() as scratch, _libraries_on_path(chip.maker), quiet():
        result = aot_compile(str(model), output_dir=scratch, target=_target(chip))
        if result.failed_backends:
            reason = _reason(result.failed_backends[0][1])
            raise InputError(f"{model.name} does not compile for {chip}: {reason}")
        result.export(folder, model.stem)
        return _residency(result.compilation_report())


def _residency(text: str) -> str:
    """One line of LiteRT's report: operators on the NPU, of all, and in how many pieces."""
    found = re.findall(r"(\d+) / (\d+) ops offloaded to (\d+) partitions?", text)
    if not found:
        return " ".join(text.split())
    taken, total, pieces = (sum(int(part[place]) for part in found) for place in range(3))
    return f"{taken} of {total} operators on the NPU, in {pieces} {'piece' if pieces == 1 else 'pieces'}"


def _reason(error: str) -> str:
    """The line that says most in the log that LiteRT's message names, or the message; the log is removed."""
    named = re.search(r"See (\S+\.error) for details", str(error))
    log = Path(named.group(1)) if named else None
    if log is None or not log.is_file():
        return " ".join(str(error).split())
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    log.unlink()
    for sign in ("Cannot load library", "Could not load shared library", "ERROR", "FATAL"):
        for line in reversed(lines):
            if sign in line:
                return line.lstrip("└ ")[:300]
    return " ".join(str(error).split())


def _sdk_libraries(maker: str) -> bool:
    """Whether the maker's installed package holds the libraries; asking it prints where they are not."""
    with quiet():
        try:
            folder = importlib.import_module(MAKERS[maker]).path_to_sdk_libs()
        except NotImplementedError as error:  # on another system than the maker's libraries are for
            raise InputError(f"{MAKERS[maker].replace('_', '-')}: {error}") from error
    return folder is not None and Path(folder).is_dir()


def _libraries_elsewhere(maker: str) -> list[Path]:
    """Folders with the maker's libraries beside its own package: LD_LIBRARY_PATH, and onnxruntime-qnn."""
    if maker not in _LIBRARIES:
        return []
    folders = [Path(one) for one in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if one]
    spec = importlib.util.find_spec(_QNN)
    folders += [Path(one) for one in (spec.submodule_search_locations or ())] if spec else []
    return [folder for folder in folders if (folder / _LIBRARIES[maker]).is_file()]


@contextmanager
def _libraries_on_path(maker: str) -> Iterator[None]:
    """Within the context, LiteRT's compiler finds the libraries that are not in the maker's package."""
    before = os.environ.get("LD_LIBRARY_PATH")
    with tempfile.TemporaryDirectory() as scratch:
        for folder in _libraries_elsewhere(maker):
            os.environ["LD_LIBRARY_PATH"] = os.pathsep.join([str(folder), *([before] if before else [])])
            if not (folder / _UNUSED).exists():
                # Under another's name it is the library that is loaded already: nothing new.
                (Path(scratch) / _UNUSED).symlink_to((folder / _IN_ITS_PLACE).resolve())
                os.environ["LD_LIBRARY_PATH"] += f"{os.pathsep}{scratch}"
            break
        try:
            yield
        finally:
            if before is None:
                os.environ.pop("LD_LIBRARY_PATH", None)
            else:
                os.environ["LD_LIBRARY_PATH"] = before


def _models(maker: str) -> list[str]:
    return [model.value for model in _library(maker).SocModel if model.value != _ALL]


def _target(chip: Chip) -> Any:
    library = _library(chip.maker)
    return library.Target(library.SocModel(chip.model))


def _library(maker: str) -> Any:
    return importlib.import_module(f"ai_edge_litert.aot.vendors.{maker}.target")
