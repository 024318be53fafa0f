"""Pictures and masks from untrusted files, of any mode and orientation, bounded before they are decoded."""

from __future__ import annotations

import io
import struct
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import InputError
from ..files import reading, require_file, write_beside
from ..notices import notice
from .colour import to_srgb
from .kinds import IMAGE_SUFFIXES, TRANSPARENT_IMAGES, WRITABLE_IMAGES, is_image, listed

MAX_PIXELS = 100_000_000
QUALITY = 95  # of JPEG, WebP and AVIF
# Named, because Pillow would also try formats that start other programs (EPS starts Ghostscript). A phone's MPO
# is opened as JPEG.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_MOST_SIDE = {".webp": 16_383, ".jpg": 65_535, ".jpeg": 65_535, ".avif": 65_536}  # pixels
_MOST_REPAIRED = 1 << 28  # bytes
_FILL_GREY = 128  # what libjpeg puts where data is missing
_MOST_MISSING = 1 / 8  # of a JPEG's height


def load_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a picture as uint8 RGB height x width x 3, upright (EXIF), in sRGB, transparency laid on white.

    CMYK, palette, grey and 16-bit pictures are converted. Raises InputError for what is not a whole picture of
    at most `max_pixels`, which are counted before it is decoded.
    """
    return on_white(load_rgba(path, max_pixels))


def load_rgba(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """As `load_image`, but a picture with transparency comes as uint8 height x width x 4, straight alpha."""
    path = Path(path)
    image = open_image(path, max_pixels)
    return to_rgb(image, path)


def to_rgb(image: Image.Image, path: Path) -> np.ndarray:
    """The pixels of a decoded picture in sRGB: uint8 height x width x 3, or x 4 where it has transparency.

    Raises InputError for floating-point values.
    """
    if image.mode == "F":
        raise InputError(f"{path} holds floating-point values without a known range; save it as 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    image = to_srgb(image, path)
    return np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def on_white(image: np.ndarray) -> np.ndarray:
    """uint8 height x width x 3, or x 4 with straight alpha -> height x width x 3 on white."""
    if image.shape[2] == 3:
        return image
    rgba = Image.fromarray(image)
    return np.array(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))


def save_image(path: str | Path, image: np.ndarray | Image.Image, quality: int = QUALITY) -> None:
    """Write uint8 grey, RGB or RGBA (height x width x 1, 3 or 4, or height x width), whole or not at all.

    Raises InputError when the format of that suffix cannot hold the picture.
    """
    path = Path(path)
    _check_writable(path, image)
    with write_beside(path) as temporary:
        encode_image(temporary, image, quality)


def encode_image(path: Path, image: np.ndarray | Image.Image, quality: int = QUALITY) -> None:
    """As `save_image`, but straight to `path`: for files that appear together later. The system's errors pass."""
    _check_writable(path, image)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    try:
        image.save(path, quality=quality, icc_profile=None)
    except (ValueError, struct.error) as error:
        raise InputError(f"cannot write {path.name}: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise InputError(f"cannot write {path.name}: {error}") from error  # an encoder's own complaint


def _check_writable(path: Path, image: np.ndarray | Image.Image) -> None:
    height, width = (image.height, image.width) if isinstance(image, Image.Image) else image.shape[:2]
    transparent = image.mode == "RGBA" if isinstance(image, Image.Image) else image.shape[2:] == (4,)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_IMAGES:
        raise InputError(f"cannot write {path}: use one of {listed(WRITABLE_IMAGES)}")
    if transparent and suffix not in TRANSPARENT_IMAGES:
        raise InputError(f"{suffix} holds no transparency; write {path.name} to one of {listed(TRANSPARENT_IMAGES)}")
    if max(height, width) > _MOST_SIDE.get(suffix, max(height, width)):
        raise InputError(
            f"cannot write {path}: {width}x{height} pixels, and {suffix} ends at {_MOST_SIDE[suffix]} a side; use .png"
        )


def list_images(folder: str | Path) -> list[Path]:
    """The pictures of a folder in name order; hidden files are left out. Raises InputError when there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    with reading(folder):
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    found = [path for path in files if is_image(path)]
    others = Counter(
        path.suffix.lower() or "folders and files without a suffix" for path in files if not is_image(path)
    )
    if others:
        notice(f"{folder}: left out " + ", ".join(f"{count} {kind}" for kind, count in sorted(others.items())))
    if not found:
        raise InputError(f"{folder} holds no picture ({listed(IMAGE_SUFFIXES)})")
    return found


def open_image(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The decoded picture, upright, in its own mode and colours, its size checked from the header first."""
    require_file(path)
    with clear_errors(path):
        try:
            return _decode(path, path, max_pixels)
        except OSError as error:
            if "truncated" not in str(error) or not _is_repairable_jpeg(path):
                raise
            return _without_its_end(path, max_pixels)


def opaque_pixels(path: Path) -> int:
    """Number of pixels of a picture of plain RGB, by its header; 0 for one of another mode."""
    require_file(path)
    with clear_errors(path), Image.open(path, formats=_formats(path)) as image:
        return 0 if image.mode != "RGB" or image.has_transparency_data else image.width * image.height


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """What decoders raise, as one InputError that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large ({error}); {_smaller(MAX_PIXELS)}") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a picture of a known kind ({', '.join(_FORMATS)}, HEIF)") from error
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    # RuntimeError is AVIF's, IndexError GIF's.
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError, IndexError, struct.error) as error:
        raise InputError(f"{path} is damaged or cut short: {error}") from error


def _decode(source: Path | io.BytesIO, path: Path, max_pixels: int) -> Image.Image:
    with Image.open(source, formats=_formats(path)) as image:
        if image.width * image.height > max_pixels:
            raise InputError(f"{path} is {image.width}x{image.height} pixels; {_smaller(max_pixels)}")
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format not in ("MPO", "HEIF"):  # phones add depth maps and previews
            notice(f"{path} holds {frames} pictures; only the first is used")
        ImageOps.exif_transpose(image, in_place=True)  # else it copies what is upright already
        image.load()
        return image


def _smaller(max_pixels: int) -> str:
    return f"the limit is {max_pixels / 1e6:g} megapixels: make it smaller first"


def _is_repairable_jpeg(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\xff\xd8" and path.stat().st_size <= _MOST_REPAIRED


def _without_its_end(path: Path, max_pixels: int) -> Image.Image:
    """A JPEG that stops early, as viewers show it, when at most an eighth of it is missing."""
    image = _decode(io.BytesIO(path.read_bytes() + b"\xff\xd9"), path, max_pixels)
    present = np.flatnonzero((np.asarray(image) != _FILL_GREY).reshape(image.height, -1).any(1))
    missing = 1 - (present[-1] + 1 if len(present) else 0) / image.height
    if missing > _MOST_MISSING:
        raise InputError(f"{path} is damaged or cut short: {100 * missing:.0f} % of the picture is missing")
    grey = f", with {100 * missing:.1f} % of it grey" if missing else ""
    notice(f"{path} is cut short; it is used all the same{grey}")
    return image


def _formats(path: Path) -> tuple[str, ...]:
    """The formats to try; HEIF's reader is loaded only for such a file."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] != b"ftyp" or head[8:12] not in _HEIF_BRANDS:
        return _FORMATS
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise InputError(f"{path} is a HEIF picture, which needs pillow-heif: pip install pillow-heif") from error
    register_heif_opener()
    return ("HEIF",)
