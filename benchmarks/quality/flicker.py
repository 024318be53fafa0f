"""Flicker: how much alpha trembles on clips made of real photographs, and what smoothing takes away and costs.

A clip is one photograph seen by a camera that stands still or drifts smoothly, with sensor noise; its true masks move
with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.progress import Progress

from ...runtime.compositing.refine import refine_alpha
from ...runtime.compositing.smoothing import AlphaSmoother
from ...runtime.metrics import edge_band_iou, flicker
from ...runtime.segmenter import Segmenter
from ...train.datasets import Source
from ..latency.contestants import open_contestant
from ..reporting.table import formatted, provenance, write_csv

FRAMES = 45
SIZE = (240, 320)
_NOISE = 5.0  # standard deviation at white, of 255; darker pixels have less, as sensors do
_DRIFT = 0.03  # of the frame's side; and of the zoom


def moving_clip(
    image: np.ndarray,
    mask: np.ndarray,
    drift: float,
    seed: int,
    frames: int = FRAMES,
    size: tuple[int, int] = SIZE,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frames (uint8 RGB of `size`) and true masks (bool) of a photograph under a camera that drifts by `drift`."""
    rng = np.random.default_rng(seed)
    (height, width), (out_height, out_width) = image.shape[:2], size
    phase, rate = rng.uniform(0, 2 * np.pi, 4), rng.uniform(0.15, 0.5, 4)  # radians; cycles per second
    for number in range(frames):
        zoom, turn, right, down = np.sin(2 * np.pi * rate * number / 30 + phase) * drift / _DRIFT
        scale = max(out_width / width, out_height / height) * (1.12 + _DRIFT * zoom)
        view = cv2.getRotationMatrix2D((width / 2, height / 2), 2 * turn, scale)
        view[:, 2] += (
            (out_width - width) / 2 + _DRIFT * out_width * right,
            (out_height - height) / 2 + _DRIFT * out_height * down,
        )
        seen = cv2.warpAffine(image, view, (out_width, out_height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
        truth = cv2.warpAffine(
            mask * 255, view, (out_width, out_height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        noise = rng.standard_normal(seen.shape, np.float32) * _NOISE * np.sqrt(0.3 + seen / 365)
        yield np.clip(seen + noise, 0, 255).astype(np.uint8), truth > 127


def benchmark_flicker(
    models: Sequence[Path], sets: Sequence[tuple[str, Source]], out: Path, clips: int, bar: Progress
) -> Path:
    """Write flicker.csv into `out`: each model on clips of the first pictures of each set, plain and smoothed."""
    rows = []
    for label, source in sets:
        chosen = range(min(clips, len(source)))
        for model in models:
            segmenter = open_contestant(model)
            for camera, drift in (("still", 0.0), ("drifting", _DRIFT)):
                task = bar.add_task(f"{label}, {camera} camera, {model.name}", total=len(chosen))
                found = []
                for index in chosen:
                    image, mask = source.read(index)
                    found.append(
                        measure(segmenter, list(moving_clip(image, (mask == 1).astype(np.uint8), drift, index)))
                    )
                    bar.advance(task)
                mean = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
                rows.append(
                    {
                        "set": label,
                        "file": model.name,
                        "camera": camera,
                        "clips": len(chosen),
                        "frames": FRAMES,
                        **{key: f"{value:.6f}" for key, value in mean.items()},
                        "flicker_ratio": f"{mean['flicker_plain'] / mean['flicker_smoothed']:.2f}",
                        **provenance(),
                    }
                )
    write_csv(out / "flicker.csv", rows)
    return out / "flicker.csv"


def measure(segmenter: Segmenter, clip: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Flicker, and IoU in the band around the true edge: of the model's alphas, and of the smoothed ones; both at the
    model's size. Of refined outlines (of the smoothed alphas) as they are, and smoothed again: at the clip's size.
    """
    frames, masks = [frame for frame, _ in clip], [mask for _, mask in clip]
    box = segmenter.place(frames[0].shape[:2])
    smooth, steady = AlphaSmoother(), AlphaSmoother()
    plain = [box.content(segmenter.small_alpha(frame)[1]) for frame in frames]
    smoothed = [smooth(alpha) for alpha in plain]
    refined, refined_steady = (
        [refine_alpha(frame, alpha, way) / np.float32(255) for frame, alpha in zip(frames, smoothed, strict=True)]
        for way in (None, steady)
    )
    small = [box.content(box.apply_mask(mask.astype(np.uint8))) > 0 for mask in masks]
    scores = {}
    for name, alphas, truths in (
        ("plain", plain, small),
        ("smoothed", smoothed, small),
        ("refined", refined, masks),
        ("refined_steady", refined_steady, masks),
    ):
        scores[f"flicker_{name}"] = flicker(alphas, truths)
        scores[f"edge_iou_{name}"] = float(
            np.mean([edge_band_iou(alpha > 0.5, truth) for alpha, truth in zip(alphas, truths, strict=True)])
        )
    return scores


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of flicker.csv as Markdown: flicker and edge band IoU, plain, smoothed and with refined outlines."""
    return formatted(
        rows,
        {
            "file": "{file}",
            "camera": "{camera}",
            "clips": "{clips:.0f}",
            "flicker": "{flicker_plain:.4f}",
            "smoothed": "{flicker_smoothed:.4f}",
            "less": "{flicker_ratio:.1f}x",
            "refined": "{flicker_refined:.4f}",
            "refined, smoothed again": "{flicker_refined_steady:.4f}",
            "edge band IoU": "{edge_iou_plain:.4f}",
            "smoothed edge band IoU": "{edge_iou_smoothed:.4f}",
            "refined edge band IoU": "{edge_iou_refined_steady:.4f}",
        },
    )
