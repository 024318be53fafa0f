"""Segment Anything (Kirillov et al., 2023): masks for boxes, for points, and of everything in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ...runtime.errors import InputError

Point = tuple[float, float]  # x, y in pixels
Box = Sequence[float]  # left, top, right, bottom in pixels


class Answer(NamedTuple):
    """SAM's masks of a picture: float logits masks x height x width, and its own guess of each mask's IoU, 0..1."""

    logits: torch.Tensor
    belief: torch.Tensor


class Sam:
    """A SAM checkpoint of the transformers library in a `folder`, as safetensors; nothing is fetched."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from transformers import SamModel, SamProcessor
        from transformers.utils import logging

        logging.disable_progress_bar()
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder} holds no SAM of the transformers library (config.json, model.safetensors)")
        try:
            model: Any = SamModel.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
            self.processor: Any = SamProcessor.from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"{folder} cannot be opened as a SAM: {str(error).strip().splitlines()[0]}") from error
        self.model, self.device = model.to(device).eval(), device

    def boxes(self, image: np.ndarray, boxes: Sequence[Box]) -> Answer:
        """A mask for each box of uint8 RGB `image`."""
        return self._ask(image, input_boxes=[[list(map(float, box)) for box in boxes]])

    def points(self, image: np.ndarray, points: Sequence[Point]) -> Answer:
        """A mask of what lies at each point of uint8 RGB `image`. Raises InputError for points beside it."""
        height, width = image.shape[:2]
        for x, y in points:
            if not (0 <= x < width and 0 <= y < height):
                raise InputError(f"point {x:g},{y:g} lies outside the picture of {width}x{height}")
        return self._ask(image, input_points=[[[[float(x), float(y)]] for x, y in points]])

    def everything(
        self, image: np.ndarray, grid: int = 16, belief: float = 0.88, stability: float = 0.95
    ) -> np.ndarray:
        """Masks of everything that a `grid` x `grid` of points finds, boolean masks x height x width, largest first.

        Kept are masks of which SAM believes at least so much and that hardly depend on their threshold; of those that
        overlap nearly wholly, one. The library's mask generation.
        """
        from PIL import Image
        from transformers import pipeline

        generator: Any = pipeline(
            "mask-generation", model=self.model, image_processor=self.processor.image_processor, device=self.device
        )
        found = generator(
            Image.fromarray(image),
            points_per_crop=grid,
            points_per_batch=64,
            pred_iou_thresh=belief,
            stability_score_thresh=stability,
        )["masks"]
        masks = np.array([np.asarray(mask, bool) for mask in found]).reshape(-1, *image.shape[:2])
        return masks[np.argsort(-masks.sum((1, 2)), kind="stable")]

    @torch.inference_mode()
    def _ask(self, image: np.ndarray, **prompts: Any) -> Answer:
        inputs = self.processor(images=image, return_tensors="pt", **prompts).to(self.device)
        asked = {key: value for key, value in inputs.items() if key in ("pixel_values", "input_boxes", "input_points")}
        answer = self.model(**asked, multimask_output=False)
        logits = self.processor.image_processor.post_process_masks(
            answer.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"], binarize=False
        )[0]
        return Answer(logits[:, 0].float(), answer.iou_scores[0, :, 0].float().clamp(0, 1))


def as_labels(masks: np.ndarray) -> np.ndarray:
    """Boolean masks x height x width -> uint8 labels, each mask a number from 1; smaller masks lie over larger ones."""
    labels = np.zeros(masks.shape[1:], np.uint8)
    for number, index in enumerate(np.argsort(-masks.sum((1, 2)), kind="stable")):
        labels[masks[index]] = number % 254 + 1
    return labels
