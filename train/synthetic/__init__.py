"""The embedded data set: portraits rendered from a seed by a pinhole camera, with exact masks. numpy and cv2."""

from .matte import render_matte
from .render import render_portrait

__all__ = ["render_matte", "render_portrait"]
