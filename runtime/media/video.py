"""Videos in and out: what the rest of the program uses of `video_reader` and `video_writer`."""

from __future__ import annotations

from .video_reader import MAX_FRAME_PIXELS, Frame, VideoReader
from .video_writer import VideoWriter

__all__ = ["MAX_FRAME_PIXELS", "Frame", "VideoReader", "VideoWriter"]
