"""Writing videos with PyAV: the frames' own timestamps, the source's sound and tags, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, VideoReformatter

from ..compositing.kernels import kernels
from ..errors import InputError
from ..files import write_beside
from .colour import VideoColours
from .encoding import Encoding, encoding_for
from .kinds import TRANSPARENT_VIDEOS, WRITABLE_VIDEOS, listed
from .sound import SoundTracks
from .tags import copy_stream_tags, copy_tags
from .video_reader import Frame, VideoReader


@dataclass(frozen=True)
class VideoShape:
    """What a video stream is made of: (height, width), nominal rate, shape of a pixel, colours, unit of time."""

    size: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    colours: VideoColours
    pixel_aspect: Fraction = Fraction(1)


class VideoStream:
    """The video track of an output container: encodes uint8 RGB (RGBA with `encoding.alpha`) pictures.

    4:2:0 video has even sides: an odd last row or column is left out.
    """

    def __init__(self, output: Any, shape: VideoShape, encoding: Encoding) -> None:
        self._shape, self._encoding = shape, encoding
        self._reformatter, self._weights = VideoReformatter(), shape.colours.weights
        self._limited = {"dst_colorspace": shape.colours.scaler_matrix, "dst_color_range": ColorRange.MPEG}
        height, width = (side // encoding.multiple * encoding.multiple for side in shape.size)
        self.stream = output.add_stream(
            encoding.codec, rate=shape.rate.limit_denominator(1 << 20), options=dict(encoding.options)
        )
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, encoding.pixel_format
        context = self.stream.codec_context
        context.time_base = self.stream.time_base = shape.time_base
        context.sample_aspect_ratio = shape.pixel_aspect
        context.color_primaries, context.color_trc = shape.colours.primaries, shape.colours.transfer
        if not encoding.is_rgb:
            context.colorspace, context.color_range = shape.colours.matrix, ColorRange.MPEG
        if encoding.threads:
            context.thread_count = encoding.threads

    def encode(self, image: np.ndarray, pts: int, duration: int = 0) -> list[Any]:
        """The packets that are ready once this picture went in."""
        height, width, channels = self.stream.height, self.stream.width, 4 if self._encoding.alpha else 3
        if image.shape != (*self._shape.size, channels) or image.dtype != np.uint8:
            raise ValueError(f"expected uint8 {(*self._shape.size, channels)}, got {image.dtype} {image.shape}")
        frame = self._frame(image[:height, :width])
        frame.pts, frame.time_base = pts, self._shape.time_base
        if duration:
            frame.duration = duration
        return self.stream.encode(frame)

    def finish(self) -> list[Any]:
        """The packets that were held back."""
        return self.stream.encode(None)

    def _frame(self, image: np.ndarray) -> Any:
        """The picture as the codec takes it."""
        if self._encoding.pixel_format == "yuv420p":
            # FFmpeg's own way from RGB to 4:2:0 takes four times as long.
            frame = av.VideoFrame(self.stream.width, self.stream.height, "yuv420p")
            kernels().to_yuv420(image, self._weights, [_pixels(plane) for plane in frame.planes])
            return frame
        source = "rgba" if self._encoding.alpha else "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=source)
        target = {} if self._encoding.is_rgb else self._limited
        return self._reformatter.reformat(frame, format=self._encoding.pixel_format, **target)


def _pixels(plane: Any) -> np.ndarray:
    """A plane of a frame as an array of height x width, to be written to."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


class VideoWriter:
    """Writes a video in the shape and time of another, with its sound and tags.

    >>> with VideoWriter.open("out.mp4", like=reader) as writer:
    ...     writer.write(frame, picture)

    Subtitles and data are not copied.
    """

    @classmethod
    @contextmanager
    def open(
        cls,
        path: str | Path,
        like: VideoReader,
        sound: bool = True,
        alpha: bool = False,
        encoder: str = "fast",
        quality: int = 95,
    ) -> Iterator[VideoWriter]:
        """`alpha` writes RGBA pictures; `encoder` and `quality` are those of `encoding_for`.

        The file appears when the block ends without an exception. Raises InputError for what cannot be written.
        """
        path = Path(path)
        known = TRANSPARENT_VIDEOS if alpha else WRITABLE_VIDEOS
        if path.suffix.lower() not in known:
            what = "holds no transparency" if alpha and path.suffix.lower() in WRITABLE_VIDEOS else "is not written"
            raise InputError(f"cannot write {path}: {path.suffix or path.name} {what}; use one of {listed(known)}")
        encoding = encoding_for(path, alpha, encoder, quality)
        if min(like.size) < encoding.multiple:
            raise InputError(f"{like.path} is {like.size[1]}x{like.size[0]} pixels: too small for {encoding.codec}")
        # The source is the outermost, so that only its own errors are told as its own.
        with (
            like.open() as source,
            _encoding_errors(path, like.path),
            write_beside(path) as temporary,
            av.open(str(temporary), "w") as output,
        ):
            shape = VideoShape(like.size, like.frame_rate, like.time_base, like.colours, like.pixel_aspect)
            writer = cls(output, VideoStream(output, shape, encoding))
            copy_tags(source, output)
            copy_stream_tags(source.streams.video[0], writer._video.stream)
            if sound:
                writer._sound = SoundTracks(source, output, like.path, path)
            yield writer
            writer._mux(writer._video.finish())
            if writer._sound:
                writer._sound.finish()

    def __init__(self, output: Any, video: VideoStream) -> None:
        self._output, self._video = output, video
        self._sound: SoundTracks | None = None

    def write(self, frame: Frame, picture: np.ndarray) -> None:
        """Encode `picture` (uint8 RGB or RGBA, the source's upright size) at the time of `frame`."""
        self._mux(self._video.encode(picture, frame.pts, round(frame.duration / frame.time_base)))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            if self._sound:
                self._sound.copy_until(float(packet.dts * packet.time_base))
            self._output.mux(packet)


@contextmanager
def _encoding_errors(path: Path, source: Path) -> Iterator[None]:
    try:
        yield
    except FFmpegError as error:
        raise InputError(f"cannot encode {source} to {path}: {error.strerror}") from error
