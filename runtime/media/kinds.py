"""Kinds of files by their suffix: one list for everybody who reads or writes pictures and videos."""

from __future__ import annotations

from pathlib import Path

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif"}
)
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})

WRITABLE_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif")
TRANSPARENT_IMAGES = (".png", ".webp", ".tif", ".tiff", ".avif")
WRITABLE_VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm")
TRANSPARENT_VIDEOS = (".mov", ".webm", ".mkv")
ANIMATIONS = (".gif", ".png", ".webp")  # that may hold several frames, and are written so
MOVING_PICTURES = (".gif", ".webp")  # what a video may become
ENCODERS = ("fast", "small", "hardware")  # of H.264


def is_image(path: Path) -> bool:
    """Whether a file is a picture by its name."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_video(path: Path) -> bool:
    """Whether a file is a video by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def listed(suffixes: frozenset[str] | tuple[str, ...]) -> str:
    """The suffixes for a message, in a fixed order."""
    return ", ".join(sorted(suffixes) if isinstance(suffixes, frozenset) else suffixes)
