"""`export_bundle`: a checkpoint becomes a folder of artefacts and model.json, proven and whole, or nothing."""

from __future__ import annotations

import copy
import dataclasses
import platform
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..runtime.contract import MODEL_JSON, Artefact, Contract
from ..runtime.errors import InputError
from ..runtime.files import bytes_of, sha256_of, write_folder_beside
from ..train.engine.checkpoint import Checkpoint, load_checkpoint
from ..train.predict import TorchBackend
from .calibration import Pictures, holdout_of, pictures_of, rendered_pictures
from .formats import DEFAULT_PRECISIONS, ROUNDING, Format, combinations
from .graph import DeployedGraph, check_same
from .parity import ParityError, compare, nothing_to_compare
from .privacy import without_paths
from .rounding import round_weights

_SECOND_OPINION_PICTURES = 4


def export_bundle(
    checkpoint: Checkpoint | str | Path,
    out: Path,
    formats: Sequence[str] = ("onnx", "coreml", "tflite"),
    precisions: Sequence[str] = DEFAULT_PRECISIONS,
    size: tuple[int, int] | None = None,
    calibration: Path | Pictures | None = None,
    force: bool = False,
    fine_rounding: bool = True,
    on_progress: Callable[[str], None] = lambda what: None,
) -> Contract:
    """Export every format at every precision into the folder `out`, and give the contract written there.

    `size` is the input (height, width), the checkpoint's own unless given. `calibration` is a folder of pictures,
    with masks or without; rendered portraits without one. `fine_rounding` fits the int8 weights to those
    pictures, which takes minutes for a large encoder; without it they are rounded to the nearest. An earlier
    bundle at `out` is replaced as a whole.

    Raises ParityError (with its table) when an artefact fails its gate and `force` is false, and InputError for
    bad arguments, a full disk, or an `out` that is not ours to replace. Nothing is left behind then.
    """
    wanted = list(combinations(formats, precisions))
    _refuse_foreign_folder(out)
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    reference = TorchBackend.of(checkpoint, size)
    contract = dataclasses.replace(
        reference.contract,
        training=without_paths({k: v for k, v in checkpoint.facts.items() if k not in ("scores", "accuracy")}),
        tools=_tool_versions(kind for kind, _ in wanted),
    )
    on_progress("pictures")
    pictures = _pictures(calibration, contract, holdout_of(checkpoint.facts))
    scores = [reference.run(picture[None])[0] for picture in pictures.held_out]
    silent = nothing_to_compare(scores, contract.classes)
    if silent and not force:
        raise InputError(
            f"the {len(scores)} held-out pictures ({pictures.source}) cannot judge an export: {silent}. Calibrate on "
            "photographs of what it was trained for (--calibration DIR), train it further, or --force"
        )
    graph = DeployedGraph(checkpoint.model)
    check_same(checkpoint.model, graph, contract.size)
    graphs = {"": graph}
    for rounding in sorted({ROUNDING[precision] for _, precision in wanted if precision in ROUNDING}):
        on_progress(f"{rounding} weights")
        graphs[rounding] = copy.deepcopy(graph) if fine_rounding else graph
        if fine_rounding:
            round_weights(graphs[rounding], pictures.calibrate, rounding)

    artefacts, results = [], {}
    with write_folder_beside(out) as folder:
        for kind, precision in wanted:
            path = folder / f"{contract.name}-{precision}{kind.suffix}"
            on_progress(path.name)
            rounded = graphs[ROUNDING.get(precision, "")]
            told = kind.write(rounded, contract, path, precision, pictures.calibrate)
            facts = compare(scores, path, precision, pictures) | told
            if path.suffix == ".tflite":
                facts |= _tflite_facts(path, pictures)
            results[path.name] = facts
            artefacts.append(Artefact(path.name, kind.name, precision, sha256_of(path), bytes_of(path), facts))
        failed = any(facts["failed"] for facts in results.values())
        if failed and not force:
            raise ParityError(results)
        contract = dataclasses.replace(contract, artefacts=tuple(artefacts), forced=failed)
        contract.write(folder)
    return contract


def _tflite_facts(path: Path, pictures: Pictures) -> dict[str, Any]:
    from .tflite_export import gpu_verdict, residency, tensorflow_difference

    difference = tensorflow_difference(path, pictures.held_out[:_SECOND_OPINION_PICTURES])
    return {
        "xnnpack": dataclasses.asdict(residency(path)),
        "gpu_delegate": gpu_verdict(path),
        "tensorflow_max_steps": difference,
    }


def _pictures(calibration: Path | Pictures | None, contract: Contract, holdout: float) -> Pictures:
    if isinstance(calibration, Pictures):
        return calibration
    if calibration is not None:
        return pictures_of(calibration, contract.size, contract.classes, geometry=contract.geometry, holdout=holdout)
    if contract.task != "portrait":
        raise InputError(f"a model of {len(contract.classes)} classes needs its own pictures: give --calibration DIR")
    return rendered_pictures(contract.size)


def _refuse_foreign_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder for the bundle")
    if out.is_dir() and any(out.iterdir()) and not (out / MODEL_JSON).is_file():
        raise InputError(f"{out} holds other things than an exported bundle; give a new folder")


def _tool_versions(formats: Iterable[Format]) -> dict[str, str]:
    found = {"portraitnet": __version__, "python": platform.python_version()}
    for name in dict.fromkeys(["torch", *(tool for kind in formats for tool in kind.tools)]):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
