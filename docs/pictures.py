"""Makes the README's picture from scikit-image's public-domain portrait (NASA): python docs/pictures.py

Photograph, mask, blurred background and new background (Hubble's deep field, public domain too), side by side.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

from portraitnet.runtime.backends import find_model
from portraitnet.runtime.files import write_beside
from portraitnet.runtime.media.images import load_image, save_image
from portraitnet.runtime.process import run
from portraitnet.runtime.segmenter import Segmenter

PICTURE = Path(__file__).parent / "images" / "portrait.webp"
MODEL = "mobile"
_SIDE, _GAP = 448, 8  # of a part, and between the parts; pixels


def front_picture(scratch: Path, model: str = MODEL) -> np.ndarray:
    """The four parts in a row, uint8 RGB side x (4 side + 3 gap) x 3; files on the way go into `scratch`."""
    photograph, stars = scratch / "portrait.png", scratch / "stars.png"
    save_image(photograph, data.astronaut())
    save_image(stars, data.hubble_deep_field())
    segmenter = Segmenter.load(find_model(model), refine=True)
    parts = [load_image(photograph)]
    for name, background, output in (
        ("mask.png", "none", "mask"),
        ("blur.png", "blur", "composite"),
        ("new.png", str(stars), "composite"),
    ):
        run([photograph], segmenter, scratch / name, background, output)
        parts.append(load_image(scratch / name))
    parts = [cv2.resize(part, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for part in parts]
    gap = np.full((_SIDE, _GAP, 3), 255, np.uint8)
    return np.concatenate([each for part in parts for each in (gap, part)][1:], axis=1)


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as scratch, write_beside(PICTURE) as temporary:
        Image.fromarray(front_picture(Path(scratch))).save(temporary, quality=82, method=6)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
