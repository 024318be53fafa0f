"""Masks from files: labels, a person's mask, transparency."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import InputError
from .images import open_image


def load_mask(path: str | Path) -> np.ndarray:
    """Read a label picture as uint8 height x width; palette indices stay indices, 1-bit masks become 0/1.

    A picture of one colour whose transparency varies has its shape there: the mask is its alpha. Raises InputError for
    a mask in several colours, or with one shape in its colours and another in its alpha.
    """
    return _labels_of(open_image(Path(path)), path)


def load_person_mask(path: str | Path) -> np.ndarray:
    """Like `load_mask`, of one kind of foreground: a palette of greys is read as it looks (0 black .. 255 white).

    Raises InputError for a palette of colours whose first entry is lighter than the others: which one is the
    background cannot be told.
    """
    image = open_image(Path(path))
    if image.mode != "P":
        return _labels_of(image, path)
    indices = np.array(image)
    palette = np.zeros((256, 3), np.uint8)
    known = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    palette[: len(known)] = known
    used = palette[np.unique(indices)]
    looks = palette.max(1)
    if (used == used[:, :1]).all() and used.max() > 1:
        return looks[indices]
    if (indices == 0).any() and looks[0] > looks[np.unique(indices)].min():
        raise InputError(
            f"{path}: its palette paints entry 0, the background, lighter than the rest; save it as a grey picture "
            "with 0 for the background and 255 for the person"
        )
    return indices


def _labels_of(image: Image.Image, path: str | Path) -> np.ndarray:
    if image.mode in ("P", "L", "1"):
        return np.array(image).astype(np.uint8)
    if image.mode in ("RGB", "RGBA", "LA"):
        rgba = np.array(image.convert("RGBA"))
        colours, alpha = rgba[..., :3], rgba[..., 3]
        if (alpha == alpha.flat[0]).all():
            mask = colours
        elif (colours == colours[:1, :1]).all() or (colours[alpha > 0] == colours[alpha > 0][:1]).all():
            mask = rgba[..., 3:]
        elif not colours[alpha == 0].any():  # a transparent background of label 0
            mask = colours
        else:
            raise InputError(f"{path}: its colours and its transparency both have a shape; save the mask as grey")
        if (mask == mask[..., :1]).all():
            return np.ascontiguousarray(mask[..., 0])
    raise InputError(f"{path}: a mask must be an 8-bit grey or palette picture, this one is {image.mode}")


def load_alpha_channel(path: str | Path) -> np.ndarray:
    """Read the transparency of a picture as uint8 height x width, 255 where it is opaque."""
    return np.array(open_image(Path(path)).convert("RGBA").getchannel("A"))
