"""What the numbers of a picture mean as colours: profiles of photographs, tags of videos, HDR."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from ..notices import notice

# FFmpeg's numbers (AVColorSpace, AVColorPrimaries, AVColorTransferCharacteristic).
_BT709, _UNSPECIFIED, _BT601 = 1, 2, 6
_BT2020_PRIMARIES = (9, 11, 12)  # BT.2020 and the two P3s
_HDR_TRANSFERS = (16, 18)  # PQ and HLG
# Matrices of AVColorSpace -> SWS_CS_*, the numbers that libswscale takes.
_SCALER_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
# Shares of red and blue in brightness, by SWS_CS_* (ITU-T H.273, table 4).
_SHARES = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}


def to_srgb(image: Image.Image, path: Path) -> Image.Image:
    """The picture with its colours converted by its embedded profile; sRGB and untagged pictures as they are.

    A profile that cannot be used is told and ignored, as viewers do.
    """
    profile = image.info.get("icc_profile")
    if not profile or image.mode.startswith(("I", "F")):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return image
        if image.mode in ("P", "1", "PA"):
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        transparent = image.mode in ("RGBA", "LA", "La", "RGBa")
        if transparent:
            opaque = _converted(image.convert(image.mode[:-1]), source)
            opaque.putalpha(image.getchannel(image.mode[-1].upper()))
            return opaque
        return _converted(image, source)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notice(f"{path}: its colour profile cannot be used, so its colours are taken as sRGB ({error})")
        return image


_SRGB = ImageCms.createProfile("sRGB")


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    assert converted is not None  # it is only for conversions in place
    return converted


@dataclass(frozen=True)
class VideoColours:
    """Tags of a video in FFmpeg's numbers, with what a file leaves unsaid filled in as players do."""

    matrix: int
    primaries: int
    transfer: int

    @classmethod
    def of(cls, frame: Any) -> VideoColours:
        """The colours of a decoded PyAV frame. Untagged: BT.709 for HD, BT.601 for smaller pictures."""
        usual = usual_colours(frame.height, frame.width)
        matrix, primaries, transfer = (int(v) for v in (frame.colorspace, frame.color_primaries, frame.color_trc))
        return cls(
            matrix if matrix in _SCALER_MATRICES else usual.matrix,
            primaries if primaries not in (0, _UNSPECIFIED) else usual.primaries,
            transfer if transfer not in (0, _UNSPECIFIED) else usual.transfer,
        )

    @property
    def is_wide(self) -> bool:
        """Whether the video is HDR or of a gamut that 8 bits of sRGB-like RGB do not mean."""
        return self.transfer in _HDR_TRANSFERS or self.primaries in _BT2020_PRIMARIES

    @property
    def scaler_matrix(self) -> int:
        """The number that PyAV's `reformat` takes as colour space."""
        return _SCALER_MATRICES[self.matrix]

    @property
    def weights(self) -> np.ndarray:
        """3 x 3, from RGB to Y, U and V of limited range, in levels, without the offsets 16, 128 and 128."""
        red, blue = _SHARES[self.scaler_matrix]
        brightness = np.array((red, 1 - red - blue, blue))
        to_blue = (np.array((0, 0, 1)) - brightness) / (2 * (1 - blue))
        to_red = (np.array((1, 0, 0)) - brightness) / (2 * (1 - red))
        return np.stack([219 * brightness, 224 * to_blue, 224 * to_red]) / 255


SDR = VideoColours(_BT709, _BT709, _BT709)


def usual_colours(height: int, width: int) -> VideoColours:
    """What players assume of an untagged video: BT.709 from 720p on, BT.601 below."""
    if width >= 1280 or height > 576:
        return SDR
    return VideoColours(_BT601, _BT601, _BT601)
