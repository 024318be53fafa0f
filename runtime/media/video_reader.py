"""Reading videos with PyAV: upright RGB frames in standard dynamic range, each with its own timestamp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from ..errors import InputError
from ..files import require_file
from .colour import SDR, VideoColours
from .filters import DEINTERLACE, Filters
from .images import on_white
from .orientation import Orientation
from .tone import to_sdr

MAX_FRAME_PIXELS = 8192 * 4352
# Only files, and only formats that hold their own data: a playlist could fetch from anywhere.
_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,yuv4mpegpipe,gif",
}
# FFmpeg's own decoders of these leave out the transparency that a WebM file says it has.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class Frame:
    """One upright picture with its timestamp in units of `time_base` seconds.

    `image` is uint8 RGB height x width x 3, transparency laid on white; `rgba` is the picture as stored,
    height x width x 4, where the video has transparency of its own.
    """

    image: np.ndarray
    pts: int
    time_base: Fraction
    duration: float  # seconds, 0 when the file does not say
    rgba: np.ndarray | None = None

    @property
    def seconds(self) -> float:
        return float(self.pts * self.time_base)


class VideoReader:
    """A video file; every `iter` decodes it from the start.

    Interlaced frames are deinterlaced unless `deinterlace` is False; HDR and wide gamuts come as BT.709. Raises
    InputError when it is opened (no video, too large, cut short) or read on (damaged).
    """

    def __init__(self, path: str | Path, deinterlace: bool = True) -> None:
        self.path = require_file(path)
        self._deinterlace = deinterlace
        with self.open() as container:
            stream = self._stream(container)
            if stream.width * stream.height > MAX_FRAME_PIXELS:
                raise InputError(
                    f"{path} is {stream.width}x{stream.height} pixels; the limit is {MAX_FRAME_PIXELS // 10**6} "
                    "megapixels a frame"
                )
            self._refuse_cut_short(container, stream)
            first = next(self._decode(container, stream), None)
            if first is None:
                raise InputError(f"{path} holds no video frame")
            self.time_base: Fraction = stream.time_base or Fraction(1, 90_000)
            self.frame_rate: Fraction = stream.average_rate or stream.guessed_rate or Fraction(30)
            length = float((container.duration or 0) / av.time_base)
            self.frames: int = stream.frames or round(length * self.frame_rate)  # an estimate
            self.orientation = Orientation.of(first)
            self.size = self.orientation.size(first.height, first.width)
            ratio = stream.sample_aspect_ratio or Fraction(1)
            self.pixel_aspect: Fraction = 1 / ratio if self.orientation.swap and ratio else ratio
            self.has_alpha = any(component.is_alpha for component in first.format.components)
            self._stored_colours = VideoColours.of(first)
            self.colours = SDR if self._stored_colours.is_wide else self._stored_colours  # of the frames' RGB

    def __iter__(self) -> Iterator[Frame]:
        reformatter, last = VideoReformatter(), -1
        kind = "rgba" if self.has_alpha else "rgb24"
        with self.open() as container:
            stream = self._stream(container)
            for picture in self._filtered(self._decode(container, stream)):
                rgb = reformatter.reformat(picture, format=kind, src_colorspace=self.colours.scaler_matrix)
                image = self.orientation.apply(rgb.to_ndarray())
                if image.shape[:2] != self.size:
                    raise InputError(f"{self.path} changes its picture size midway; re-encode it first")
                step = max(1, round(1 / (self.frame_rate * self.time_base)))
                last = max(self._in_ticks(picture, picture.pts, last + step), last + 1 if last >= 0 else -(1 << 62))
                duration = self._in_ticks(picture, picture.duration or None, step) * self.time_base
                rgba = image if self.has_alpha else None
                image = on_white(image) if self.has_alpha else image
                yield Frame(image, last, self.time_base, float(duration), rgba)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """The opened PyAV container; its errors become InputError."""
        try:
            with av.open(str(self.path), options=_OPEN_OPTIONS, metadata_errors="replace") as container:
                yield container
        except PermissionError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from error
        except FFmpegError as error:
            raise InputError(f"{self.path} is damaged or no video that can be read: {error.strerror}") from error

    def _in_ticks(self, picture: Any, count: int | None, otherwise: int) -> int:
        """`count` of the picture's time base (a filter may have another) in units of the stream's."""
        if count is None:
            return otherwise
        base = picture.time_base or self.time_base
        return count if base == self.time_base else round(count * base / self.time_base)

    def _filtered(self, pictures: Iterable[Any]) -> Iterator[Any]:
        """The pictures, deinterlaced from the first interlaced one on, and mapped to BT.709 where they are not near."""
        wide: list[tuple[str, Mapping[str, str]]] = []
        filters: Filters | None = None
        deinterlacing = False
        for picture in pictures:
            interlaced = self._deinterlace and picture.interlaced_frame and not deinterlacing
            if self._stored_colours.is_wide and not wide:
                wide = to_sdr(picture)
            if interlaced or (wide and filters is None):
                if filters is not None:
                    yield from filters.push(None)
                deinterlacing = deinterlacing or interlaced
                filters = Filters(picture, [*([DEINTERLACE] if deinterlacing else []), *wide])
            if filters is None:
                yield picture
            else:
                yield from filters.push(picture)
        if filters is not None:
            yield from filters.push(None)

    def _stream(self, container: Any) -> Any:
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise InputError(f"{self.path} holds no video")
        if streams[0].codec_context is None:
            raise InputError(f"{self.path} holds video of a kind that there is no decoder for; re-encode it first")
        streams[0].codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
        streams[0].thread_type = "AUTO"
        return streams[0]

    def _decode(self, container: Any, stream: Any) -> Iterator[Any]:
        end = 0.0
        decode = _decoder(stream)
        for packet in container.demux():
            if packet.is_corrupt:
                raise InputError(f"{self.path} is damaged or cut short after {end:.1f} s")
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream is stream:
                yield from decode(packet)
        # Matroska has no index up front, but says how long the whole is.
        whole = (container.duration or 0) / av.time_base
        if "matroska" in container.format.name and end < whole - max(1.0, 0.02 * whole):
            raise InputError(f"{self.path} is cut short: it ends after {end:.1f} of {whole:.1f} s")

    def _refuse_cut_short(self, container: Any, stream: Any) -> None:
        if "mp4" not in container.format.name:
            return
        needed = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
        held = self.path.stat().st_size
        if needed > held:
            raise InputError(f"{self.path} is cut short: it lists {needed} bytes of video and holds {held}")


def _decoder(stream: Any) -> Any:
    """What turns a packet of `stream` into frames."""
    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return lambda packet: packet.decode()
    context: Any = av.CodecContext.create(name, "r")
    context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
    return lambda packet: context.decode(packet if packet.size else None)
