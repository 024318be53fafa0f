"""A test clip from one still: a smooth pan and zoom over a portrait, as from a hand-held camera."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from ...runtime.files import write_beside


def sample_portrait() -> np.ndarray:
    """scikit-image's public-domain astronaut, uint8 RGB 512 x 512 x 3."""
    from skimage import data

    return data.astronaut()


def write_panning_clip(path: Path, size: tuple[int, int] = (720, 1280), seconds: float = 4, rate: int = 30) -> Path:
    """Write an H.264 clip of `size` (height, width) that pans over the sample portrait; returns `path`."""
    still = sample_portrait()
    height, width = size
    with write_beside(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)
        for number in range(int(seconds * rate)):
            phase = 2 * math.pi * number / (seconds * rate)
            zoom = max(height, width) / still.shape[1] * (1.08 + 0.05 * math.sin(phase))
            # The head lies in the still's upper half: keep the view there.
            shift = (
                width / 2 - zoom * (still.shape[1] / 2 + 18 * math.sin(phase)),
                height / 2 - zoom * (0.36 * still.shape[0] + 10 * math.sin(2 * phase)),
            )
            view = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
            frame = cv2.warpAffine(still, view, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.astype(np.uint8, copy=False), format="rgb24")))
        container.mux(stream.encode())
    return path
