"""Teachers: models that label photographs, with a confidence for each pixel."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from ...runtime.errors import InputError
from ...runtime.geometry import resize
from ...runtime.segmenter import Segmenter
from .sam import Sam

_SMALLEST_PERSON = 0.01  # share of the picture below which a piece of the first mask is no prompt
_MOST_PEOPLE = 8


class Opinion(NamedTuple):
    """A teacher's prediction: boolean mask, and uint8 confidence of each pixel (128: barely decided).

    `first` is the mask that prompted the teacher, if any.
    """

    mask: np.ndarray
    confidence: np.ndarray
    first: np.ndarray | None = None

    @property
    def alpha(self) -> np.ndarray:
        """Probability of a person, uint8 0..255: beyond one half where the mask is."""
        distance = self.confidence.astype(np.int32) // 2
        return np.where(self.mask, 128 + distance, 127 - distance).astype(np.uint8)


class Teacher(Protocol):
    """Labels one picture at its own size."""

    def __call__(self, image: np.ndarray) -> Opinion:
        """For uint8 RGB height x width x 3."""
        ...


class ModelTeacher:
    """Any of our own models: alpha beyond one half is the person, its distance from one half the confidence."""

    def __init__(self, segmenter: Segmenter) -> None:
        if segmenter.contract.task != "portrait":
            classes = len(segmenter.contract.classes)
            raise InputError(f"{segmenter.contract.name} has {classes} classes; a teacher of portraits has two")
        self.segmenter = segmenter

    def __call__(self, image: np.ndarray) -> Opinion:
        alpha = self.segmenter(image)
        return Opinion(alpha > 0.5, confidence_of(alpha))


class SamTeacher:
    """Segment Anything (Kirillov et al., 2023), prompted with the boxes of a first model's people.

    `folder` holds a SAM checkpoint of the transformers library, as safetensors; nothing is fetched.
    """

    def __init__(self, folder: Path, first: Segmenter, device: str = "cpu") -> None:
        self.sam, self.first = Sam(folder, device), first

    def __call__(self, image: np.ndarray) -> Opinion:
        first = self.first(image) > 0.5
        boxes = people_boxes(first)
        if not boxes:
            # No box to prompt with: an empty mask, with the first model's confidence.
            return Opinion(first & False, confidence_of(self.first(image)), first)
        logits, belief = self.sam.boxes(image, boxes)
        who = logits.argmax(0)  # each pixel belongs to most
        logit = logits.amax(0)
        # Sure where the mask is decided, as far as SAM believes its masks at all.
        sure = 2 * (logit.sigmoid() - 0.5).abs() * belief[who]
        return Opinion((logit > 0).cpu().numpy(), (255 * sure).round().byte().cpu().numpy(), first)


def people_boxes(mask: np.ndarray) -> list[list[float]]:
    """Boxes (left, top, right, bottom) of the separate people in a boolean mask, the largest first."""
    small = resize(mask.astype(np.uint8) * 255, _at_most(mask.shape, 256)) > 127
    count, _, pieces, _ = cv2.connectedComponentsWithStats(small.astype(np.uint8))
    scale = np.array(mask.shape[::-1] * 2) / np.array(small.shape[::-1] * 2)
    kept = [row for row in pieces[1:count] if row[cv2.CC_STAT_AREA] >= _SMALLEST_PERSON * small.size]
    kept.sort(key=lambda row: -row[cv2.CC_STAT_AREA])
    boxes = []
    for left, top, width, height, _ in kept[:_MOST_PEOPLE]:
        boxes.append([float(v) for v in np.array([left, top, left + width, top + height]) * scale])
    return boxes


def _at_most(size: tuple[int, ...], longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def confidence_of(alpha: np.ndarray) -> np.ndarray:
    """How far alpha (0..1) is from one half, as uint8 0..255."""
    return np.rint(255 * 2 * np.abs(alpha - 0.5)).clip(0, 255).astype(np.uint8)
