"""The embedded data set: portraits rendered from a seed by a pinhole camera, with exact masks. numpy and cv2."""

from .render import render_portrait

__all__ = ["render_portrait"]
