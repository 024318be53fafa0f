"""`Segmenter`: one picture of any size in, one alpha of the same size out, whatever runs underneath."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from .compositing.levels import levels
from .compositing.refine import refine_alpha
from .contract import Backend
from .geometry import Letterbox


class Segmenter:
    """Segments pictures of any size with a model of fixed size: letterbox, run, undo.

    With `refine`, a person's outline is drawn to the picture's own edges (see refine_alpha); classes are left alone.

    Examples:
        >>> segmenter = Segmenter.load("mobile")
        >>> alpha = segmenter(image)  # uint8 height x width x 3 RGB -> float32 height x width in 0..1
    """

    def __init__(self, backend: Backend, refine: bool = False) -> None:
        self.backend, self.refine = backend, refine
        self.contract = backend.contract

    @classmethod
    def load(cls, path: str | Path, threads: int = 2, refine: bool = False, device: str = "auto") -> Segmenter:
        """Open a shipped model by name ("mobile", or "fast", "balanced", "best"), a bundle folder or a loose file.

        A loose file is an .onnx, a .tflite, another's by its .yaml, or, on a Mac, an .mlpackage. `device` is one of
        backends.DEVICES.

        Raises InputError when the file is not such a model, or its contract cannot be read.
        """
        from .backends import open_backend

        return cls(open_backend(path, threads, device), refine)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Alpha of the foreground: float32 height x width in [0, 1], for uint8 RGB height x width x 3.

        As the model gives it; with `refine`, as `alpha_bytes` does.
        """
        if self.refine:
            return self.alpha_bytes(image).astype(np.float32) * np.float32(1 / 255)
        letterbox, alpha = self.small_alpha(image)
        return letterbox.undo(alpha)

    def alpha_bytes(self, image: np.ndarray) -> np.ndarray:
        """Alpha for compositing: uint8 height x width, 0..255; its extremes become nothing and all (see levels.py)."""
        return self.grown_alpha(image, *self.small_alpha(image))

    def grown_alpha(
        self,
        image: np.ndarray,
        letterbox: Letterbox,
        alpha: np.ndarray,
        steady: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> np.ndarray:
        """`alpha_bytes` of `image` from its alpha at the model's size, as `small_alpha` gave it. Takes no model.

        `steady` smooths refined outlines between the frames of a clip (see refine_alpha).
        """
        if self.refine:
            return refine_alpha(image, letterbox.content(alpha), steady)
        return letterbox.undo(levels(alpha))

    def labels(self, image: np.ndarray) -> np.ndarray:
        """Class of each pixel: uint8 height x width (alpha above one half, or the highest score)."""
        if self.refine and self.contract.task == "portrait":
            return (self.alpha_bytes(image) > 127).astype(np.uint8)
        letterbox, scores = self._scores(image)
        full = letterbox.undo(scores)
        if scores.shape[-1] == 1:
            return (full.reshape(image.shape[:2]) > 0.5).astype(np.uint8)
        return full.argmax(-1).astype(np.uint8)

    def labels_and_alpha(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`labels` and `alpha_bytes` of a portrait model, from one run of it."""
        if self.refine:
            alpha = self.alpha_bytes(image)
            return (alpha > 127).astype(np.uint8), alpha
        letterbox, small = self.small_alpha(image)
        return (letterbox.undo(small) > 0.5).astype(np.uint8), letterbox.undo(levels(small))

    def place(self, size: tuple[int, int]) -> Letterbox:
        """How a picture of `size` (height, width) lies in the model's input."""
        return Letterbox.fit(size, self.contract.size, self.contract.geometry)

    def small_alpha(self, image: np.ndarray) -> tuple[Letterbox, np.ndarray]:
        """Alpha at the model's size, float32 height x width in [0, 1], and how the picture lies in it."""
        letterbox, scores = self._scores(image)
        alpha = scores[..., 0] if scores.shape[-1] == 1 else 1 - scores[..., 0]
        # Clipped before it grows: bilinear weights cannot leave the range again, and 720p has 18 x the pixels.
        return letterbox, np.clip(alpha, 0, 1)

    def _scores(self, image: np.ndarray) -> tuple[Letterbox, np.ndarray]:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"expected uint8 height x width x 3 RGB, got {image.dtype} {image.shape}")
        letterbox = self.place(image.shape[:2])
        return letterbox, self.backend.run(letterbox.apply(image)[None])[0]
