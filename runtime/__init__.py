"""Run exported models: pictures, folders and videos in, alpha and composites out. No torch here, ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contract import Contract
    from .errors import InputError
    from .segmenter import Segmenter

__all__ = ["Contract", "InputError", "Segmenter"]


def __getattr__(name: str) -> Any:
    # Lazy, so that `import portraitnet.runtime` costs nothing until something is used.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import contract, errors, segmenter

    return next(getattr(m, name) for m in (contract, errors, segmenter) if hasattr(m, name))
