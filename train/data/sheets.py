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
MISSED, WRONG = (60, 110, 255), (255, 60, 60)
_BACKGROUND, _UNKNOWN = (30, 30, 34), (128, 128, 128)


def paint(labels: np.ndarray) -> np.ndarray:
    """uint8 labels height x width -> RGB: a hue for each class, background dark, unknown grey."""
    hues = (labels.astype(np.int64) * 47 + 10) % 180
    colours = np.stack([hues, np.full_like(hues, 120), np.full_like(hues, 235)], -1).astype(np.uint8)
    painted = cv2.cvtColor(colours, cv2.COLOR_HSV2RGB)
    painted[labels == 0] = _BACKGROUND
    painted[labels == IGNORE] = _UNKNOWN
    return painted


def overlay(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The picture with its foreground tinted by class; the background is darkened."""
    mixed = cv2.addWeighted(image, 0.5, paint(labels), 0.5, 0)
    return np.where((labels == 0)[..., None], image // 2, mixed).astype(np.uint8)


def errors(image: np.ndarray, found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The picture dark, with background taken for foreground in red and foreground that was missed in blue."""
    shown = (image // 3).astype(np.uint8)
    known = truth != IGNORE
    shown[(found > 0) & (truth == 0) & known] = WRONG
    shown[(found == 0) & (truth > 0) & known] = MISSED
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
