"""Pictures and masks from untrusted files, of any mode and orientation, bounded before they are decoded."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import InputError
from ..files import write_beside

MAX_PIXELS = 100_000_000
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
# Named, because Pillow would also try formats that start other programs (EPS starts Ghostscript). A phone's MPO
# is opened as JPEG.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


def load_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a picture as uint8 RGB height x width x 3, upright (EXIF), transparency laid on white.

    CMYK, palette, grey and 16-bit pictures are converted. Raises InputError for what is not a whole picture of
    at most `max_pixels`, which are counted before it is decoded.
    """
    image = _open(Path(path), max_pixels)
    if image.mode == "F":
        raise InputError(f"{path} holds floating-point values without a known range; save it as 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.array(image.convert("RGB"))


def load_mask(path: str | Path) -> np.ndarray:
    """Read a label picture as uint8 height x width; palette indices stay indices, 1-bit masks become 0/1.

    A picture of one colour whose transparency varies has its shape there: the mask is its alpha. Raises InputError for
    a mask in several colours, or with one shape in its colours and another in its alpha.
    """
    return _labels_of(_open(Path(path)), path)


def load_person_mask(path: str | Path) -> np.ndarray:
    """Like `load_mask`, of one kind of foreground: a palette of greys is read as it looks (0 black .. 255 white).

    Raises InputError for a palette of colours whose first entry is lighter than the others: which one is the
    background cannot be told.
    """
    image = _open(Path(path))
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
    return np.array(_open(Path(path)).convert("RGBA").getchannel("A"))


def save_image(path: str | Path, image: np.ndarray) -> None:
    """Write uint8 grey, RGB or RGBA (height x width x 1, 3 or 4, or height x width), whole or not at all."""
    path = Path(path)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise InputError(f"cannot write {path}: use one of {', '.join(sorted(IMAGE_SUFFIXES))}")
    if image.ndim == 3 and image.shape[2] == 4 and path.suffix.lower() in (".jpg", ".jpeg", ".bmp"):
        raise InputError(f"{path.suffix} holds no transparency; write the cut-out to a .png or .webp")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    with write_beside(path) as temporary:
        Image.fromarray(image).save(temporary, quality=95)


def list_images(folder: str | Path) -> list[Path]:
    """The pictures of a folder in name order; hidden files are left out. Raises InputError when there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    found = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        raise InputError(f"{folder} holds no picture ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return found


def _open(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The decoded picture, upright, its size checked from the header first."""
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file")
    limit = f"the limit is {max_pixels / 1e6:g} megapixels: make it smaller first"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                if image.width * image.height > max_pixels:
                    raise InputError(f"{path} is {image.width}x{image.height} pixels; {limit}")
                return ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large ({error}); {limit}") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a picture of a known kind ({', '.join(_FORMATS)})") from error
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise InputError(f"{path} is damaged or cut short: {error}") from error
