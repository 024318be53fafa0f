"""A chain of FFmpeg filters between decoder and picture: deinterlacing, tone mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import av
from av.error import FFmpegError

from ..errors import InputError

DEINTERLACE = ("bwdif", {"mode": "send_frame", "deint": "interlaced"})  # frames without the interlaced flag pass


class Filters:
    """Passes frames through `chain`, a sequence of filters and their options. Frames may come out later than in."""

    def __init__(self, template: Any, chain: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        """`template` is a frame like those to come. Raises InputError where this FFmpeg lacks a filter."""
        self._graph = av.filter.Graph()
        try:
            nodes = [
                self._graph.add_buffer(
                    width=template.width,
                    height=template.height,
                    format=template.format,
                    time_base=template.time_base,
                ),
                *(self._graph.add(name, **options) for name, options in chain),
                self._graph.add("buffersink"),
            ]
            for before, after in pairwise(nodes):
                before.link_to(after)
            self._graph.configure()
        except (FFmpegError, ValueError) as error:
            names = ", ".join(name for name, _ in chain)
            raise InputError(
                f"this PyAV cannot convert HDR or interlaced video ({names}: {error}); update it: pip install -U av"
            ) from error

    def push(self, frame: Any) -> list[Any]:
        """The frames that are ready once `frame` (None: no more) went in."""
        self._graph.push(frame)
        ready = []
        while True:
            try:
                ready.append(self._graph.pull())
            except (BlockingIOError, EOFError):  # FFmpegError's ways to say "not yet" and "no more"
                return ready
