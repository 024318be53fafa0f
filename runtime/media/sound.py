"""The sound of a video: copied bit by bit where the new file can hold it, encoded again where it cannot."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from ..notices import notice
from .tags import copy_stream_tags

_BIT_RATE = 160_000  # of sound that is encoded again


class SoundTracks:
    """Passes the sound tracks of `source` on to `output`, in step with the picture.

    A track that nothing decodes, or that breaks off, is left out and told; the picture goes on.
    """

    def __init__(self, source: Any, output: Any, source_path: Path, target: Path) -> None:
        self._output, self._name = output, source_path.name
        self._tracks: dict[int, _Copy | _Encode] = {}
        for stream in source.streams.audio:
            track = self._track(stream, output, target)
            if track is not None:
                self._tracks[stream.index] = track
        streams = [stream for stream in source.streams.audio if stream.index in self._tracks]
        self._packets: Iterator[Any] = source.demux(*streams) if streams else iter(())
        self._next = next(self._packets, None)

    def copy_until(self, seconds: float) -> None:
        """Pass on every packet that starts by `seconds`."""
        while self._next is not None and self._start(self._next) <= seconds:
            if self._next.dts is not None:  # the empty packet that ends a stream has none
                self._mux(self._next.stream.index, self._next)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Pass on all that is left."""
        self.copy_until(float("inf"))
        for index in list(self._tracks):
            self._mux(index, None)

    def _mux(self, index: int, packet: Any) -> None:
        track = self._tracks.get(index)
        if track is None:
            return
        try:
            ready = track.packets(packet)
        except (FFmpegError, ValueError) as error:
            notice(f"{self._name}: sound track {index} ends early, it is damaged ({error})")
            del self._tracks[index]
            return
        for one in ready:
            self._output.mux(one)

    def _track(self, stream: Any, output: Any, target: Path) -> _Copy | _Encode | None:
        if stream.codec_context is None or stream.codec_context.sample_rate < 1:
            notice(f"{self._name}: sound track {stream.index} is of a kind that nothing here decodes; it is left out")
            return None
        if _holds(output.format.name, stream):
            return _Copy(stream, output)
        track = _Encode(stream, output)
        notice(
            f"{self._name}: {target.suffix} holds no {stream.codec_context.name} sound; "
            f"track {stream.index} is encoded again as {track.codec}"
        )
        return track

    @staticmethod
    def _start(packet: Any) -> float:
        return float(packet.dts * packet.time_base) if packet.dts is not None else float("-inf")


class _Copy:
    """The packets themselves, their timestamps made to grow where the source repeats them."""

    def __init__(self, stream: Any, output: Any) -> None:
        self._stream = output.add_stream_from_template(stream)
        copy_stream_tags(stream, self._stream)
        self._last: int | None = None

    def packets(self, packet: Any) -> list[Any]:
        if packet is None:
            return []
        if self._last is not None and packet.dts <= self._last:
            packet.dts = self._last + 1
            packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
        self._last = packet.dts
        packet.stream = self._stream
        return [packet]


class _Encode:
    """The sound decoded, and encoded as the output's format wants it: AAC, Opus in WebM."""

    def __init__(self, stream: Any, output: Any) -> None:
        self.codec = "libopus" if output.format.name == "webm" else "aac"
        context = stream.codec_context
        rate = 48_000 if self.codec == "libopus" else min(max(context.sample_rate, 8_000), 96_000)
        layout = "mono" if context.channels == 1 else "stereo"
        self._stream = output.add_stream(self.codec, rate=rate, layout=layout)
        self._stream.codec_context.bit_rate = _BIT_RATE if layout == "stereo" else _BIT_RATE // 2
        copy_stream_tags(stream, self._stream)
        self._stream.codec_context.open()
        self._resampler = av.AudioResampler(
            self._stream.format, layout, rate, self._stream.codec_context.frame_size or 1024
        )

    def packets(self, packet: Any) -> list[Any]:
        ready = []
        for frame in [None] if packet is None else packet.decode():
            for block in self._resampler.resample(frame):
                ready += self._stream.encode(block)
        return ready + (self._stream.encode(None) if packet is None else [])


def _holds(format_name: str, stream: Any) -> bool:
    """Whether a container takes a stream as it is: its header is written, to memory."""
    try:
        with av.open(io.BytesIO(), "w", format=format_name) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True
