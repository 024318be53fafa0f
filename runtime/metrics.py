"""The metrics of record. Each has its own name everywhere, because "mIoU" means four things in this field.

fg_iou_per_image    foreground IoU of each picture, averaged over pictures (PortraitNet's protocol)
fg_iou_median       the median of the same, which a wrong truth or two hardly move
miou_2class_pooled  mean IoU of background and person, pixels of all pictures pooled (the Paddle protocol)
miou                mean IoU over K classes, pixels pooled, classes absent from truth and prediction left out
mean_accuracy       mean over K classes of the share of their pixels that were found; mean_dice likewise of Dice (F1)
overall_accuracy    share of all pixels whose class was found: "aAcc", "allAcc" and "Overall Acc" of other programs
freqw_iou           mean IoU over K classes, weighted by their share of the truth: "FreqW Acc" of other programs
boundary_iou        IoU of the bands within 2 % of the diagonal from the outlines (Cheng et al., 2021), per picture
edge_band_iou       IoU of all pixels within 3 % of the diagonal from the true outline
ghosts              share of pixels with alpha 0.2 to 0.8 farther than 2 % of the diagonal from the true outline
sad, mse, grad, conn  errors of alpha where the true one is known: see matte_metrics.py
flicker             mean change of alpha between frames, farther than 2 % of the diagonal from where the truth moved
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np

from .matte_metrics import matte_errors

IGNORE = 255


def has_background(classes: Sequence[str]) -> bool:
    """Whether label 0 is the background, so that every other label is foreground.

    Of two classes the first always is; of more, by its name. Cityscapes' label 0 is the road.
    """
    return len(classes) == 2 or classes[0].lower() in ("background", "bg")


def iou(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two boolean arrays of one shape; 1 when both are empty."""
    union = np.count_nonzero(prediction | truth)
    return np.count_nonzero(prediction & truth) / union if union else 1.0


def boundary_iou(prediction: np.ndarray, truth: np.ndarray, dilation_ratio: float = 0.02) -> float:
    """Boundary IoU of two boolean height x width masks; the band is `dilation_ratio` of the diagonal wide."""
    distance = max(1, round(dilation_ratio * math.hypot(*truth.shape)))
    return iou(_inner_band(prediction, distance), _inner_band(truth, distance))


def edge_band_iou(prediction: np.ndarray, truth: np.ndarray, band_ratio: float = 0.03) -> float:
    """IoU of two boolean height x width masks within `band_ratio` of the diagonal from the truth's outline."""
    band = _grown(truth, band_ratio) & ~_shrunk(truth, band_ratio)
    return iou(prediction & band, truth & band)


def ghosts(alpha: np.ndarray, truth: np.ndarray, margin_ratio: float = 0.02) -> float:
    """Share of known pixels that are half transparent although they lie far from the outline.

    `alpha` is uint8 height x width, 0..255, as compositing uses it; `truth` are labels of that size, IGNORE unknown.
    Half transparent is alpha between 0.2 and 0.8, far is more than `margin_ratio` of the diagonal.
    """
    known, person = truth != IGNORE, (truth > 0) & (truth != IGNORE)
    outline = _grown(person, margin_ratio) & _grown(known & ~person, margin_ratio)
    ghost = (alpha > 0.2 * 255) & (alpha < 0.8 * 255) & known & ~outline
    return int(np.count_nonzero(ghost)) / max(int(np.count_nonzero(known)), 1)


def flicker(alphas: Sequence[np.ndarray], truths: Sequence[np.ndarray], margin_ratio: float = 0.02) -> float:
    """Mean absolute change of alpha (0..1) between consecutive frames, outside moving regions.

    A region moves where the true mask (boolean, like the alphas height x width) changes, and `margin_ratio` of the
    diagonal around. What changes elsewhere is trembling.
    """
    changes = []
    for (before, alpha), (truth_before, truth) in zip(pairwise(alphas), pairwise(truths), strict=True):
        still = ~_grown(truth != truth_before, margin_ratio)
        if still.any():
            changes.append(np.abs(alpha.astype(np.float32) - before)[still].mean())
    return float(np.mean(changes)) if changes else 0.0


def _grown(mask: np.ndarray, ratio: float) -> np.ndarray:
    side = 2 * max(1, round(ratio * math.hypot(*mask.shape))) + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _shrunk(mask: np.ndarray, ratio: float) -> np.ndarray:
    return ~_grown(~mask, ratio)


def _inner_band(mask: np.ndarray, distance: int) -> np.ndarray:
    # A border of background, so that a mask cut by the picture's edge has an outline there too.
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)
    return mask & (eroded[1:-1, 1:-1] == 0)


@dataclass
class SegmentationScores:
    """Accumulates predictions against truths; `summary()` gives every metric as a fraction of 1.

    The confusion matrix is counted with NumPy: torchmetrics would bring torch into the runtime.

    Labels are integer height x width arrays; `IGNORE` in the truth is left out of all metrics.
    Any label above 0 is foreground for the two-class metrics, which are left out when label 0 is no `background`.
    """

    classes: int = 2
    background: bool = True
    names: list[str] = field(default_factory=list)
    fg_iou: list[float] = field(default_factory=list)
    boundary: list[float] = field(default_factory=list)
    ghost: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    mattes: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def of(cls, classes: Sequence[str]) -> SegmentationScores:
        """Empty scores of labels with these names."""
        return cls(len(classes), has_background(classes))

    def __post_init__(self) -> None:
        self.confusion = np.zeros((self.classes, self.classes), np.int64)

    def add(
        self,
        name: str,
        prediction: np.ndarray,
        truth: np.ndarray,
        alpha: np.ndarray | None = None,
        true_alpha: np.ndarray | None = None,
    ) -> None:
        """Count one picture: `prediction` and `truth` are label arrays of one height x width.

        `alpha` (uint8, 0..255, of that size) is what a portrait would be composited with; `ghosts` needs it.
        `true_alpha` is what it should be; the errors of mattes need both.
        """
        if prediction.shape != truth.shape:
            raise ValueError(f"{name}: prediction {prediction.shape} and truth {truth.shape} differ in size")
        known = truth != IGNORE
        pairs = truth[known].astype(np.int64) * self.classes + prediction[known]
        self.confusion += np.bincount(pairs, minlength=self.classes**2).reshape(self.classes, -1)
        self.names.append(name)
        self.accuracy.append(float((prediction == truth)[known].mean()) if known.any() else 1.0)
        if self.background:
            found, wanted = (prediction > 0) & known, (truth > 0) & known
            self.fg_iou.append(iou(found, wanted))
            self.boundary.append(boundary_iou(found, wanted))
        if alpha is not None:
            self.ghost.append(ghosts(alpha, truth))
            if true_alpha is not None:
                self.mattes.append(matte_errors(alpha, true_alpha))

    @property
    def per_image(self) -> list[float]:
        """A score of each picture: foreground IoU, or the share of its pixels found where there is no background."""
        return self.fg_iou if self.background else self.accuracy

    def merge(self, other: SegmentationScores) -> None:
        """Add the pictures of `other`, which has the same classes."""
        self.names += other.names
        self.accuracy += other.accuracy
        self.fg_iou += other.fg_iou
        self.boundary += other.boundary
        self.ghost += other.ghost
        self.mattes += other.mattes
        self.confusion += other.confusion

    def iou_per_class(self) -> np.ndarray:
        """Pooled IoU of each class (classes,), NaN for a class that never occurs."""
        return _iou_per_class(self.confusion)

    def accuracy_per_class(self) -> np.ndarray:
        """Share of each class's pixels that were found (recall), NaN for a class that the truth lacks."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(1))

    def dice_per_class(self) -> np.ndarray:
        """Pooled Dice (F1) of each class, NaN for a class that never occurs."""
        return _ratio(2 * np.diag(self.confusion), self.confusion.sum(0) + self.confusion.sum(1))

    def share_per_class(self) -> np.ndarray:
        """Share of each class in the truth's known pixels."""
        return _ratio(self.confusion.sum(1), self.confusion.sum())

    def summary(self) -> dict[str, float]:
        """Every metric by its name, and the number of pictures."""
        if not self.names:
            raise ValueError("no picture has been scored")
        scores: dict[str, float] = {}
        if self.background:
            scores |= {
                "fg_iou_per_image": float(np.mean(self.fg_iou)),
                "fg_iou_median": float(np.median(self.fg_iou)),
                "miou_2class_pooled": _mean(_iou_per_class(_two_class(self.confusion))),
                "boundary_iou": float(np.mean(self.boundary)),
            }
        if self.ghost:
            scores["ghosts"] = float(np.mean(self.ghost))
        if self.mattes:
            scores |= {key: float(np.mean([errors[key] for errors in self.mattes])) for key in self.mattes[0]}
        if self.classes > 2:
            scores |= {
                "miou": _mean(self.iou_per_class()),
                "mean_accuracy": _mean(self.accuracy_per_class()),
                "mean_dice": _mean(self.dice_per_class()),
                "freqw_iou": float(np.nansum(self.share_per_class() * self.iou_per_class())),
            }
        return {**scores, "overall_accuracy": self.overall_accuracy(), "images": len(self.names)}

    def overall_accuracy(self) -> float:
        """Share of the truth's known pixels whose class was found; NaN when no pixel is known."""
        return float(_ratio(np.diag(self.confusion).sum(keepdims=True), self.confusion.sum(keepdims=True).ravel())[0])


def _mean(values: np.ndarray) -> float:
    """The mean of what is not NaN; NaN when all is."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _iou_per_class(confusion: np.ndarray) -> np.ndarray:
    hits = np.diag(confusion)
    return _ratio(hits, confusion.sum(0) + confusion.sum(1) - hits)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _two_class(confusion: np.ndarray) -> np.ndarray:
    return np.array(
        [
            [confusion[0, 0], confusion[0, 1:].sum()],
            [confusion[1:, 0].sum(), confusion[1:, 1:].sum()],
        ]
    )
