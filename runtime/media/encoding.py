"""Which codec a video is written with, and how: one table for files, recordings and transparency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from ..errors import InputError

# Superfast leaves out mbtree, which gives bits to what stays in the picture. With it, files are about as large as
# veryfast's, in two thirds of the time (docs/benchmarks/experiments.md).
_X264_SPEEDS = {
    "fast": {"preset": "superfast", "x264-params": "mbtree=1:rc-lookahead=10"},
    "small": {"preset": "medium"},
}
_HARDWARE = ("h264_videotoolbox", "h264_nvenc", "h264_qsv", "h264_amf")
RECORDABLE = (".mp4", ".mov", ".m4v", ".mkv")
# Plays up to the last second when the program is killed; an MP4 becomes an ordinary one when it is closed.
_FRAGMENTED = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "1000000", "flush_packets": "1"}
_CLUSTERED = {"cluster_time_limit": "1000", "flush_packets": "1"}


@dataclass(frozen=True)
class Encoding:
    """A codec and its settings. Both sides of a picture are multiples of `multiple` pixels."""

    codec: str
    pixel_format: str
    options: Mapping[str, str] = field(default_factory=dict)
    alpha: bool = False
    threads: int = 0  # 0: the codec's own choice

    @property
    def multiple(self) -> int:
        """2 where colours have half the pixels of brightness."""
        return 2 if "420" in self.pixel_format or "422" in self.pixel_format else 1

    @property
    def is_rgb(self) -> bool:
        """Whether the codec stores red, green and blue."""
        return self.pixel_format in ("bgra", "rgb24", "bgr0")


def encoding_for(path: Path, alpha: bool = False, encoder: str = "fast", quality: int = 95) -> Encoding:
    """The codec for a file by its suffix: H.264; VP9 in WebM; with `alpha` ProRes 4444, VP9 or FFV1.

    `encoder` chooses among speeds of H.264; `quality` is 1..100, 95 hard to tell from the source. Raises InputError
    when this PyAV lacks the encoder.
    """
    suffix, rate_factor = path.suffix.lower(), str(constant_rate_factor(quality))
    if alpha and suffix == ".mov":
        chosen = Encoding("prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "8"}, alpha=True)
    elif alpha and suffix == ".mkv":
        chosen = Encoding("ffv1", "bgra", {"level": "3", "slices": "4"}, alpha=True, threads=2)
    elif suffix == ".webm":
        speed = {"deadline": "realtime" if encoder == "fast" else "good", "cpu-used": "6" if encoder == "fast" else "3"}
        options = {**speed, "row-mt": "1", "crf": rate_factor, "b": "0", "auto-alt-ref": "0"}
        chosen = Encoding("libvpx-vp9", "yuva420p" if alpha else "yuv420p", options, alpha)
    elif encoder == "hardware":
        chosen = Encoding(_hardware_codec(), "yuv420p")
    else:
        chosen = Encoding("libx264", "yuv420p", {**_X264_SPEEDS[encoder], "crf": rate_factor})
    if chosen.codec not in av.codecs_available:
        raise InputError(
            f"cannot write {path}: this PyAV has no encoder {chosen.codec}; reinstall it: pip install -U av"
        )
    return chosen


def constant_rate_factor(quality: int) -> int:
    """x264's and VP9's scale: 20 for quality 95, 51 (the worst) for the least."""
    return min(51, round(20 + (95 - quality) * 0.4))


def _hardware_codec() -> str:
    for name in _HARDWARE:
        if name in av.codecs_available and _opens(name):
            return name
    raise InputError("no hardware encoder for H.264 can be opened here; use --encoder fast")


def _opens(codec: str) -> bool:
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = 1280, 720, "yuv420p"
    context.time_base = Fraction(1, 30)
    try:
        context.open()
    except (FFmpegError, ValueError):
        return False
    return True


def recording_options(path: Path) -> dict[str, str]:
    """How a container is written so that it plays although it was never finished."""
    return dict(_CLUSTERED if path.suffix.lower() == ".mkv" else _FRAGMENTED)
