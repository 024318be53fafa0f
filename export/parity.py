"""The parity gate: an artefact ships only when it says what the trained network says.

Each artefact is opened from disk by the runtime that users will run (CoreML: by our own evaluator) and compared
with the torch model on held-out pictures. The gate refuses to judge where the network finds (nearly) one class alone:
agreement on an empty scene says nothing. Gates: float32 scores within 1e-4; float16 mask IoU 0.999; int8 weights
(with whatever activations) mask IoU 0.99 and at most half a point of accuracy lost. Mask IoU is that of the two
predictions, with the pixels of all pictures pooled (for several classes: averaged over classes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runtime.backends import open_backend
from ..runtime.contract import Backend
from ..runtime.errors import InputError
from ..runtime.metrics import SegmentationScores, iou
from .calibration import Pictures

if TYPE_CHECKING:
    from rich.table import Table

MAX_ABS = 1e-4
MASK_IOU = {"fp16": 0.999, "w8a32": 0.99, "w8a16": 0.99, "int8": 0.99, "int8-mixed": 0.99}
MAX_DROP = 0.5  # points of foreground IoU (or mIoU for several classes)
MIN_SHARE = 0.01  # of the held-out pixels, that the commonest label must leave to others


class ParityError(InputError):
    """Some artefact failed its gate; `results` maps file names to parity facts, `table` shows them."""

    def __init__(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        self.results = results
        failed = [f"{name} ({facts['failed']})" for name, facts in results.items() if facts["failed"]]
        super().__init__(
            f"{len(failed)} of {len(results)} artefacts disagree with the trained network: {', '.join(failed)}; "
            "nothing was written. Calibrate on photographs like those it will see (--calibration DIR), leave a "
            "precision out (--precision), or --force"
        )

    @property
    def table(self) -> Table:
        return parity_table(self.results)


def open_artefact(path: Path, threads: int = 2) -> Backend:
    """Open an exported file with the runtime that judges it."""
    if path.suffix == ".mlpackage":
        from .mil import MilBackend

        return MilBackend(path)
    if path.suffix == ".pte":
        from .executorch_export import ExecutorchBackend

        return ExecutorchBackend(path)
    return open_backend(path, threads)


def nothing_to_compare(reference: Sequence[np.ndarray], names: Sequence[str]) -> str:
    """Why the torch model's scores on the held-out pictures cannot judge an artefact, or "".

    `names` are the model's classes. A network that never finds a person, and photographs without one, agree with
    anything that is as silent.
    """
    counts = np.zeros(len(names), np.int64)
    for scores in reference:
        counts += np.bincount(labels(scores).ravel(), minlength=len(names))
    shares = counts / max(1, counts.sum())
    commonest = int(shares.argmax())
    if 1 - shares[commonest] >= MIN_SHARE:
        return ""
    return f"the network sees {names[commonest]} in {100 * shares[commonest]:.1f} % of the held-out pixels"


def compare(reference: Sequence[np.ndarray], path: Path, precision: str, pictures: Pictures) -> dict[str, Any]:
    """Parity facts of the artefact at `path`; `failed` is "" or says which gate it missed.

    `reference` holds the torch model's scores, H x W x C, of each held-out picture.
    """
    backend = open_artefact(path)
    found = [backend.run(picture[None])[0] for picture in pictures.held_out]
    differences = [np.abs(a - b) for a, b in zip(found, reference, strict=True)]
    pairs = [(labels(a), labels(b)) for a, b in zip(found, reference, strict=True)]
    classes = max(2, reference[0].shape[-1])
    facts: dict[str, Any] = {
        "pictures": len(found),
        "source": pictures.source,
        "max_abs": float(max(d.max() for d in differences)),
        "mean_abs": float(np.mean([d.mean() for d in differences])),
        "mask_iou": _agreement(pairs, classes),
        "mask_iou_worst": float(min(iou(a > 0, b > 0) for a, b in pairs)),
    }
    if pictures.truths is not None:
        before = accuracy(reference, pictures.truths)
        after = accuracy(found, pictures.truths)
        facts |= {"accuracy": after, "accuracy_drop": 100 * (before - after)}
    silent = nothing_to_compare(reference, backend.contract.classes)
    facts["failed"] = f"nothing to compare: {silent}" if silent else _verdict(facts, precision)
    return facts


def labels(scores: np.ndarray) -> np.ndarray:
    """H x W x C scores -> uint8 labels H x W: alpha above one half, or the class of the highest score."""
    if scores.shape[-1] == 1:
        return (scores[..., 0] > 0.5).astype(np.uint8)
    return scores.argmax(-1).astype(np.uint8)


def accuracy(scores: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> float:
    """Foreground IoU per image, averaged; for several classes mIoU. A fraction of 1."""
    classes = max(2, scores[0].shape[-1])
    counted = SegmentationScores(classes=classes)
    for index, (found, truth) in enumerate(zip(scores, truths, strict=True)):
        counted.add(str(index), labels(found), truth)
    return counted.summary()["fg_iou_per_image" if classes == 2 else "miou"]


def _agreement(pairs: Sequence[tuple[np.ndarray, np.ndarray]], classes: int) -> float:
    counted = SegmentationScores(classes=classes)
    for index, (found, wanted) in enumerate(pairs):
        counted.add(str(index), found, wanted)
    per_class = counted.iou_per_class()
    person_or_all = per_class[1:] if classes == 2 else per_class
    # No person in any picture, and none found: `nothing_to_compare` refuses that.
    return 1.0 if np.isnan(person_or_all).all() else float(np.nanmean(person_or_all))


def _verdict(facts: Mapping[str, Any], precision: str) -> str:
    # Negated, so that a NaN fails.
    if precision == "fp32":
        return "" if facts["max_abs"] <= MAX_ABS else f"max abs {facts['max_abs']:.3g} > {MAX_ABS:g}"
    if not np.isfinite(facts["mean_abs"]):
        return "its scores are not finite: values beyond float16's range?"
    if not facts["mask_iou"] >= MASK_IOU[precision]:
        return f"mask IoU {facts['mask_iou']:.4f} < {MASK_IOU[precision]}"
    if precision != "fp16" and not facts.get("accuracy_drop", 0.0) <= MAX_DROP:
        return f"accuracy drop {facts['accuracy_drop']:.2f} > {MAX_DROP} points"
    return ""


def parity_table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """A rich table of parity facts by file name."""
    from rich.table import Table
    from rich.text import Text

    first = next(iter(results.values()))
    table = Table(title=f"parity with torch on {first['pictures']} held-out pictures ({first['source']})")
    table.add_column("artefact", no_wrap=True)
    for name in ("max abs", "mask IoU", "worst", "accuracy drop", "gate"):
        table.add_column(name, justify="right")
    for name, facts in results.items():
        drop = f"{facts['accuracy_drop']:+.2f} points" if "accuracy_drop" in facts else "no masks given"
        table.add_row(
            name,
            f"{facts['max_abs']:.2g}",
            f"{facts['mask_iou']:.4f}",
            f"{facts['mask_iou_worst']:.4f}",
            drop,
            Text(facts["failed"], "red") if facts["failed"] else Text("passed", "green"),
        )
    return table
