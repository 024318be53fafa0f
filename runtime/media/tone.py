"""HDR and wide gamuts to BT.709: FFmpeg's own tone mapping, kept as a table, for it takes seconds to work out.

libswscale maps tones and gamut in a perceptual space, and computes its table anew for every graph. Here it does so once
for each kind of video; the table (65 steps a side, to one level of the direct way) lies in the user's cache.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np

from ..caches import cache_folder
from .filters import Filters

_SIDE = 65
_DEEP = "gbrp16le"  # planes in the order green, blue, red
_DEEP_WITH_ALPHA = "gbrap16le"
_BRIGHTNESS = ("MASTERING_DISPLAY_METADATA", "DYNAMIC_HDR_PLUS")  # what libswscale heeds of a frame's metadata
_TO_SDR = {"out_transfer": "bt709", "out_primaries": "bt709", "out_range": "pc", "intent": "perceptual"}


def to_sdr(frame: Any) -> list[tuple[str, Mapping[str, str]]]:
    """The chain of filters that maps videos like `frame`, a decoded PyAV frame, to BT.709 in RGB of 16 bits.

    The peak brightness that the frame's metadata state holds throughout. Raises InputError where this FFmpeg cannot.
    """
    data = [frame.side_data[number] for number in range(len(frame.side_data))]
    metadata = b"".join(bytes(one) for one in data if one.type.name in _BRIGHTNESS)
    kind = f"{av.library_versions['libswscale']} {frame.color_trc} {frame.color_primaries}".encode() + metadata
    path = cache_folder("tone") / f"{hashlib.sha256(kind).hexdigest()[:16]}.cube"
    deep = {"pix_fmts": _DEEP_WITH_ALPHA if any(part.is_alpha for part in frame.format.components) else _DEEP}
    try:
        if not path.is_file():
            _write(path, _mapped(frame))
    except OSError:  # no cache here: each clip waits for a table of its own
        return [("scale", _TO_SDR), ("format", deep)]
    return [("format", deep), ("lut3d", {"file": str(path), "interp": "tetrahedral"})]


def _write(path: Path, table: np.ndarray) -> None:
    """`table`, uint16 colours N x 3, as a .cube file, which appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        file = Path(scratch) / path.name
        with file.open("w", encoding="ascii") as text:
            text.write(f"LUT_3D_SIZE {_SIDE}\n")
            np.savetxt(text, table / 65535, fmt="%.5f")
        file.replace(path)


def _mapped(frame: Any) -> np.ndarray:
    """What libswscale makes of every colour of the table, red fastest: uint16 N x 3 (red, green, blue)."""
    size = {"width": str(_SIDE * _SIDE), "height": str(_SIDE)}
    (grid,) = _through(frame, ("scale", size), ("format", {"pix_fmts": _DEEP}))  # its tags and metadata stay
    steps = np.linspace(0, 65535, _SIDE).round().astype("<u2")
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    for plane, values in zip(grid.planes, (green, blue, red), strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
        rows[:, : plane.width] = values.reshape(plane.height, plane.width)
        plane.update(rows.tobytes())
    (mapped,) = _through(grid, ("scale", _TO_SDR), ("format", {"pix_fmts": _DEEP}))
    planes = [
        np.frombuffer(plane, "<u2").reshape(plane.height, -1)[:, : plane.width].ravel() for plane in mapped.planes
    ]
    green, blue, red = planes
    return np.stack([red, green, blue], axis=1)


def _through(frame: Any, *chain: tuple[str, Mapping[str, str]]) -> list[Any]:
    filters = Filters(frame, chain)
    return [*filters.push(frame), *filters.push(None)]
