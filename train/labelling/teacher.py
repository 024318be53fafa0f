"""Teachers: models that label photographs, with a confidence for each pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import torch

from ...runtime.errors import InputError
from ...runtime.geometry import resize
from ...runtime.segmenter import Segmenter

_SMALLEST_PERSON = 0.01  # share of the picture below which a piece of the first mask is no prompt
_MOST_PEOPLE = 8


class Opinion(NamedTuple):
    """A teacher's prediction: boolean mask, and uint8 confidence of each pixel (128: barely decided).

    `first` is the mask that prompted the teacher, if any.
    """

    mask: np.ndarray
    confidence: np.ndarray
    first: np.ndarray | None = None


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
        return Opinion(alpha > 0.5, _confidence(alpha))


class SamTeacher:
    """Segment Anything (Kirillov et al., 2023), prompted with the boxes of a first model's people.

    `folder` holds a SAM checkpoint of the transformers library, as safetensors; nothing is fetched.
    """

    def __init__(self, folder: Path, first: Segmenter, device: str = "cpu") -> None:
        from transformers import SamModel, SamProcessor
        from transformers.utils import logging

        logging.disable_progress_bar()
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder} holds no SAM of the transformers library (config.json, model.safetensors)")
        try:
            model: Any = SamModel.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
            self.processor = SamProcessor.from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"{folder} cannot be opened as a SAM: {str(error).strip().splitlines()[0]}") from error
        self.model = model.to(device).eval()
        self.first, self.device = first, device

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> Opinion:
        first = self.first(image) > 0.5
        boxes = people_boxes(first)
        if not boxes:
            # No box to prompt with: an empty mask, with the first model's confidence.
            return Opinion(first & False, _confidence(self.first(image)), first)
        inputs = self.processor(images=image, input_boxes=[boxes], return_tensors="pt").to(self.device)
        answer = self.model(
            pixel_values=inputs["pixel_values"], input_boxes=inputs["input_boxes"], multimask_output=False
        )
        logits = self.processor.image_processor.post_process_masks(
            answer.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"], binarize=False
        )[0]
        logits = logits[:, 0].float()  # people x height x width
        who = logits.argmax(0)  # each pixel belongs to most
        logit = logits.amax(0)
        believed = answer.iou_scores[0, :, 0].float().clamp(0, 1)
        # Sure where the mask is decided, as far as SAM believes its masks at all.
        sure = 2 * (logit.sigmoid() - 0.5).abs() * believed[who]
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


def _confidence(alpha: np.ndarray) -> np.ndarray:
    return np.rint(255 * 2 * np.abs(alpha - 0.5)).clip(0, 255).astype(np.uint8)
