"""`run` on pictures of tens of megapixels, in little more memory than the decoded picture takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

from .compositing.bands import Stretched, bands
from .compositing.composite import Background, blend
from .media.colour import to_srgb
from .media.images import open_image, save_image

LARGE = 20_000_000  # pixels from which a picture is done here
_SMALL = 2048  # longer side of the copy on which everything is found


class Wanted(Protocol):
    """What is made of a picture: composite, mask, cutout or foreground, and how well it is compressed."""

    @property
    def output(self) -> str: ...
    @property
    def quality(self) -> int: ...


def run_large(
    source: Path,
    target: Path,
    find_alpha: Callable[[np.ndarray], np.ndarray],
    clean: Callable[[np.ndarray, np.ndarray], np.ndarray],
    scene: Background,
    wanted: Wanted,
) -> None:
    """The result of `source` (opaque RGB) at `target`.

    `find_alpha` gives the alpha (uint8) of a picture, `clean` the person's colours in it, as they
    are to be seen.
    """
    output = wanted.output
    picture = open_image(source)
    size = picture.height, picture.width
    factor = max(1, -(-max(size) // _SMALL))
    small = np.asarray(to_srgb(picture.reduce(factor), source).convert("RGB"))
    alpha = find_alpha(small)
    stretched = Stretched(alpha, size)
    result = Image.new("L", picture.size) if output in ("mask", "cutout") else picture
    colours = clean(small, alpha)
    change = None if colours is small else Stretched(cv2.subtract(colours, small, dtype=cv2.CV_16S), size)
    plate = Stretched(scene.plate(small, alpha, size), size) if output == "composite" else None
    for top, bottom in bands(size[0]):
        share = stretched.rows(top, bottom)
        if output != "mask":
            band = picture.crop((0, top, size[1], bottom))
            image = np.asarray(to_srgb(band, source).convert("RGB"))
            if change is not None:
                image = cv2.add(image, change.rows(top, bottom), dtype=cv2.CV_8U)
            if plate is not None:
                image = blend(image, plate.rows(top, bottom), share)
            else:
                image = cv2.copyTo(image, (share > 0).view(np.uint8))
            picture.paste(Image.fromarray(image), (0, top))
        if result is not picture:
            result.paste(Image.fromarray(share), (0, top))
    if output == "cutout":
        picture.putalpha(result)
    save_image(target, result if output == "mask" else picture, wanted.quality)
