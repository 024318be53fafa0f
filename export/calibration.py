"""Pictures that calibrate int8, and others, held out, that judge every artefact."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..runtime.errors import InputError
from ..runtime.geometry import LETTERBOX, Letterbox
from ..runtime.media.images import list_images, load_image
from ..runtime.metrics import IGNORE
from ..train.datasets.base import Item
from ..train.datasets.folder import Folder
from ..train.synthetic import render_portrait

MOST = 96  # pictures in all; more of them moved no parity figure


@dataclass(frozen=True)
class Pictures:
    """uint8 RGB pictures laid into the model's size, in two halves.

    `truths` are label masks of the held-out half, IGNORE outside the picture; None when there are no masks.
    """

    calibrate: Sequence[np.ndarray]
    held_out: Sequence[np.ndarray]
    truths: Sequence[np.ndarray] | None
    source: str


def rendered_pictures(size: tuple[int, int], count: int = MOST) -> Pictures:
    """Portraits of train/synthetic, for when nobody has photographs at hand. `size` is (height, width)."""
    scenes = [render_portrait(seed, size) for seed in range(count)]
    half = count // 2
    return Pictures(
        [image for image, _ in scenes[:half]],
        [image for image, _ in scenes[half:]],
        [mask for _, mask in scenes[half:]],
        "rendered portraits",
    )


def pictures_of(
    folder: Path, size: tuple[int, int], classes: tuple[str, ...], most: int = MOST, geometry: str = LETTERBOX
) -> Pictures:
    """Pictures of a `folder` data set (images/ and masks/), or of a plain folder of pictures.

    At most `most`, chosen by name; which half each falls in is decided by its bytes. Both are the same on every
    machine. Raises InputError when there are fewer than two.
    """
    if not folder.is_dir():
        raise InputError(f"calibration folder {folder} does not exist; give a folder of pictures")
    masks = Folder(folder, classes=classes) if (folder / "masks").is_dir() else None
    inside = folder / "images" if (folder / "images").is_dir() else folder
    items: Sequence[Item] = masks.items if masks else [Item(p.name, p, p) for p in list_images(inside)]
    if len(items) < 2:
        raise InputError(f"{folder} holds {len(items)} picture; calibration and parity need at least 2, better 64")
    chosen = sorted(items, key=lambda item: hashlib.sha256(item.name.encode()).digest())[:most]
    chosen.sort(key=lambda item: hashlib.sha256(item.image.read_bytes()).digest())
    images, truths = [], []
    for item in chosen:
        image = load_image(item.image)
        letterbox = Letterbox.fit(image.shape[:2], size, geometry)
        images.append(letterbox.apply(image))
        if masks:
            mask = masks.check_labels(item, masks.read_mask(item))
            if mask.shape != image.shape[:2]:
                raise InputError(f"{item.mask}: the mask and its picture {item.image.name} differ in size")
            truths.append(letterbox.apply_mask(mask, fill=IGNORE))
    half = len(chosen) // 2
    return Pictures(images[:half], images[half:], truths[half:] if masks else None, folder.name)
