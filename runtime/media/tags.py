"""What a video says about itself: title, creation time, place, language and disposition of its tracks."""

from __future__ import annotations

from typing import Any

# Of the container or encoder that was, not of the video.
_OF_THE_FILE = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "software",
    "handler_name",
    "vendor_id",
    "rotate",
    "duration",
    "alpha_mode",
    "timecode",
    "bps",
    "number_of_frames",
    "number_of_bytes",
}
_PLAIN_NAMES = {  # of an iPhone's tags
    "com.apple.quicktime.location.iso6709": "location",
    "com.apple.quicktime.creationdate": "date",
    "com.apple.quicktime.make": "make",
    "com.apple.quicktime.model": "model",
    "com.apple.quicktime.title": "title",
}


def copy_tags(source: Any, output: Any) -> None:
    """Copy the tags of a PyAV container and its chapters."""
    output.metadata.update(_kept(source.metadata))
    chapters = source.chapters()
    if chapters:
        output.set_chapters(chapters)


def copy_stream_tags(source: Any, stream: Any) -> None:
    """Copy language, title and disposition of a track."""
    stream.metadata.update(_kept(source.metadata))
    stream.disposition = source.disposition


def _kept(tags: dict[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in tags.items():
        plain = _PLAIN_NAMES.get(name.lower(), name)
        of_the_file = plain.lower() in _OF_THE_FILE or plain.lower().startswith("_statistics")
        repeated = plain.partition("-")[0] in tags and "-" in plain  # location-eng beside location
        if not of_the_file and not repeated:
            kept.setdefault(plain, value)
    # The track's name in MP4 and MOV.
    if "name" in kept:
        kept.setdefault("title", kept.pop("name"))
    return kept
