"""Contact sheets: pictures in rows of tiles, labels in colours, a line of text on each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ...runtime.compositing.overlay import write_line
from ...runtime.geometry import Letterbox
from ...runtime.media.images import save_image
from ...runtime.metrics import IGNORE

TILE = 200
MISSED, WRONG, CONFUSED = (60, 110, 255), (255, 60, 60), (255, 200, 60)
_UNKNOWN = (224, 224, 192)


def voc_palette() -> np.ndarray:
    """PASCAL VOC's colours: uint8 256 x 3, black for label 0, a light grey for IGNORE."""
    labels = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((labels >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    palette[IGNORE] = _UNKNOWN
    return palette


_PALETTE = voc_palette()


def paint(labels: np.ndarray) -> np.ndarray:
    """uint8 labels height x width -> RGB in VOC's colours."""
    return _PALETTE[labels]


def overlay(image: np.ndarray, labels: np.ndarray, background: bool = True) -> np.ndarray:
    """The picture tinted by class. Label 0 is only darkened, unless the set has no `background`."""
    # Bright tints: VOC's own colour for a person in a portrait, dark red, would hardly show.
    tint = np.minimum(paint(labels).astype(np.uint16) * 3 // 2 + 40, 255).astype(np.uint8)
    mixed = cv2.addWeighted(image, 0.5, tint, 0.5, 0)
    return np.where((labels == 0)[..., None] & background, image // 2, mixed).astype(np.uint8)


def errors(image: np.ndarray, found: np.ndarray, truth: np.ndarray, background: bool = True) -> np.ndarray:
    """The picture dark; background taken for foreground in red, missed foreground in blue, another class in yellow."""
    shown = (image // 3).astype(np.uint8)
    wrong = (truth != IGNORE) & (found != truth)
    shown[wrong] = CONFUSED
    if background:
        shown[wrong & (truth == 0)] = WRONG
        shown[wrong & (found == 0)] = MISSED
    return shown


def tile(image: np.ndarray, text: str = "") -> np.ndarray:
    """RGB TILE x TILE: the picture letterboxed, `text` in its upper left corner."""
    square = np.ascontiguousarray(Letterbox.fit(image.shape[:2], (TILE, TILE)).apply(image))
    if text:
        write_line(square, text, 0.4)
    return square


def write_sheet(path: Path, rows: Sequence[Sequence[np.ndarray]]) -> None:
    """Write rows of tiles as one picture; short rows are filled up with grey."""
    blank = np.full((TILE, TILE, 3), 90, np.uint8)
    width = max(len(row) for row in rows)
    lines = [np.concatenate([*row, *[blank] * (width - len(row))], axis=1) for row in rows]
    save_image(path, np.concatenate(lines, axis=0))
