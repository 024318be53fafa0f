"""Videos in and out with PyAV: upright RGB frames with their own timestamps, and the sound copied untouched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from ..errors import InputError
from ..files import write_beside

MAX_FRAME_PIXELS = 8192 * 4352
WRITABLE_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv")
# Only files, and only formats that hold their own data: a playlist could fetch from anywhere.
_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,yuv4mpegpipe,gif",
}
_TURNS = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    -90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    -180: cv2.ROTATE_180,
}
# FFmpeg's AVColorSpace numbers; what is not tagged is taken as BT.601, in and out, so that nothing shifts.
_MATRICES = {1: Colorspace.ITU709, 9: Colorspace.BT2020, 10: Colorspace.BT2020}
_UNSPECIFIED = 2
_QUALITY = 20  # x264's constant rate factor: hard to tell from the source


@dataclass(frozen=True)
class Frame:
    """One upright picture, uint8 RGB height x width x 3, with its timestamp in units of `time_base` seconds."""

    image: np.ndarray
    pts: int
    time_base: Fraction
    duration: float  # seconds, 0 when the file does not say

    @property
    def seconds(self) -> float:
        return float(self.pts * self.time_base)


class VideoReader:
    """A video file; every `iter` decodes it from the start.

    Raises InputError when it is opened (no video, too large, cut short) or read on (damaged).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{path} does not exist or is not a file")
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
            self.rotation: int = first.rotation if first.rotation in _TURNS else 0
            self.size = (first.height, first.width) if self.rotation in (0, 180, -180) else (first.width, first.height)
            ratio = stream.sample_aspect_ratio or Fraction(1)
            self.pixel_aspect = 1 / ratio if self.rotation in (90, -90) and ratio else ratio
            self.colours = {
                "colorspace": int(first.colorspace) or _UNSPECIFIED,
                "color_primaries": int(first.color_primaries),
                "color_trc": int(first.color_trc),
            }

    def __iter__(self) -> Iterator[Frame]:
        reformatter, last = VideoReformatter(), -1
        with self.open() as container:
            stream = self._stream(container)
            for picture in self._decode(container, stream):
                rgb = reformatter.reformat(
                    picture,
                    format="rgb24",
                    src_colorspace=_matrix(picture.colorspace),
                    dst_colorspace=Colorspace.ITU601,
                )
                flat = rgb.to_ndarray()
                image = cv2.rotate(flat, _TURNS[self.rotation]) if self.rotation else flat
                if image.shape[:2] != self.size:
                    raise InputError(f"{self.path} changes its picture size midway; re-encode it first")
                step = max(1, round(1 / (self.frame_rate * self.time_base)))
                pts = picture.pts if picture.pts is not None else last + step
                last = max(pts, last + 1) if last >= 0 else pts
                yield Frame(image, last, self.time_base, float((picture.duration or step) * self.time_base))

    @contextmanager
    def open(self) -> Iterator[Any]:
        """The opened PyAV container; its errors become InputError."""
        try:
            with av.open(str(self.path), options=_OPEN_OPTIONS, metadata_errors="replace") as container:
                yield container
        except FFmpegError as error:
            raise InputError(f"{self.path} is damaged or no video that can be read: {error.strerror}") from error

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
        for packet in container.demux():
            if packet.is_corrupt:
                raise InputError(f"{self.path} is damaged or cut short after {end:.1f} s")
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream is stream:
                yield from packet.decode()
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


class VideoWriter:
    """Writes H.264 with the frames' own timestamps and the source's sound, whole or not at all.

    >>> with VideoWriter.open("out.mp4", like=reader) as writer:
    ...     writer.write(frame, picture)

    4:2:0 video has even sides: an odd last row or column is left out. Subtitles and data are not copied.
    """

    @classmethod
    @contextmanager
    def open(cls, path: str | Path, like: VideoReader, sound: bool = True) -> Iterator[VideoWriter]:
        """A writer with the size, rate and colours of `like`; the file appears when the block succeeds."""
        path = Path(path)
        if path.suffix.lower() not in WRITABLE_SUFFIXES:
            raise InputError(f"cannot write {path}: use one of {', '.join(WRITABLE_SUFFIXES)}")
        if min(like.size) < 2:
            raise InputError(f"{like.path} is {like.size[1]}x{like.size[0]} pixels: too small for H.264")
        # The source is the outermost, so that only its own errors are told as its own.
        with (
            like.open() if sound else nullcontext() as source,
            _encoding_errors(path, like.path),
            write_beside(path) as temporary,
            av.open(str(temporary), "w") as output,
        ):
            writer = cls(output, like)
            if sound:
                writer._sound = _SoundCopy(source, output, path)
            yield writer
            writer._finish()

    def __init__(self, output: Any, like: VideoReader) -> None:
        self._output, self._source = output, like
        self._reformatter = VideoReformatter()
        self._video = self._add_video()
        self._sound: _SoundCopy | None = None

    def write(self, frame: Frame, picture: np.ndarray) -> None:
        """Encode `picture` (uint8 RGB, the source's upright size) at the time of `frame`."""
        height, width = self._video.height, self._video.width
        if picture.shape != (*self._source.size, 3) or picture.dtype != np.uint8:
            raise ValueError(f"expected uint8 {(*self._source.size, 3)}, got {picture.dtype} {picture.shape}")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
        encoded = self._reformatter.reformat(
            rgb,
            format="yuv420p",
            src_colorspace=Colorspace.ITU601,
            dst_colorspace=_matrix(self._source.colours["colorspace"]),
            dst_color_range=ColorRange.MPEG,
        )
        encoded.pts, encoded.time_base = frame.pts, frame.time_base
        if frame.duration:
            encoded.duration = round(frame.duration / frame.time_base)
        self._mux(self._video.encode(encoded))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            if self._sound:
                self._sound.copy_until(float(packet.dts * packet.time_base))
            self._output.mux(packet)

    def _finish(self) -> None:
        self._mux(self._video.encode(None))
        if self._sound:
            self._sound.copy_until(float("inf"))

    def _add_video(self) -> Any:
        height, width = (side // 2 * 2 for side in self._source.size)
        stream = self._output.add_stream(
            "libx264",
            rate=self._source.frame_rate.limit_denominator(1 << 20),
            options={"preset": "veryfast", "crf": str(_QUALITY)},
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = stream.time_base = self._source.time_base
        context.sample_aspect_ratio = self._source.pixel_aspect
        context.color_range = ColorRange.MPEG
        for name, value in self._source.colours.items():
            setattr(context, name, value)
        return stream


class _SoundCopy:
    """Copies the sound packets of a file bit by bit into an output, in step with the picture."""

    def __init__(self, source: Any, output: Any, target: Path) -> None:
        self._output = output
        self._copies = {}
        for stream in source.streams.audio:
            try:
                self._copies[stream.index] = output.add_stream_from_template(stream)
            except ValueError as error:
                raise InputError(
                    f"{target.suffix} cannot hold sound of kind {stream.codec_context.name}; "
                    "write to .mkv, or convert the sound first"
                ) from error
        self._packets = source.demux(*source.streams.audio) if self._copies else iter(())
        self._next = next(self._packets, None)

    def copy_until(self, seconds: float) -> None:
        """Pass on every packet that starts by `seconds`."""
        while self._next is not None and self._start(self._next) <= seconds:
            if self._next.dts is not None:  # the empty packet that ends a stream has none
                self._next.stream = self._copies[self._next.stream.index]
                self._output.mux(self._next)
            self._next = next(self._packets, None)

    @staticmethod
    def _start(packet: Any) -> float:
        return float(packet.dts * packet.time_base) if packet.dts is not None else float("-inf")


@contextmanager
def _encoding_errors(path: Path, source: Path) -> Iterator[None]:
    try:
        yield
    except FFmpegError as error:
        raise InputError(f"cannot encode {source} to {path}: {error.strerror}") from error


def _matrix(colorspace: int) -> Colorspace:
    return _MATRICES.get(int(colorspace), Colorspace.ITU601)
