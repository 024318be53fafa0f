"""Data sets, each taken as it is downloaded. `open_source(spec, root, ...)` opens any of them by kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...runtime.errors import InputError
from ..recipe import SourceSpec
from .base import PORTRAIT_CLASSES, Item, Source, Subset, is_portrait, select
from .eg1800 import Eg1800Clova, Eg1800Original, Eg1800PortraitNet
from .folder import Folder
from .synthetic import Synthetic
from .voc import Voc, VocPerson

__all__ = ["Item", "Source", "Subset", "is_portrait", "label_of", "open_source", "source_kinds"]

_ON_DISK: dict[str, Callable[[Path, SourceSpec, tuple[str, ...]], Source]] = {
    "folder": lambda root, spec, classes: Folder(root, spec.split, spec.holdout, classes),
    "voc": lambda root, spec, classes: Voc(root, spec.split),
    "voc_person": lambda root, spec, classes: VocPerson(root, spec.split),
    "eg1800_portraitnet": lambda root, spec, classes: Eg1800PortraitNet(root, spec.split),
    "eg1800_clova": lambda root, spec, classes: Eg1800Clova(root, spec.split),
    "eg1800_original": lambda root, spec, classes: Eg1800Original(root, spec.split),
}


def source_kinds() -> list[str]:
    """Names that `SourceSpec.kind` may take."""
    return [*_ON_DISK, "synthetic"]


def label_of(spec: SourceSpec) -> str:
    """Short name of a data set in logs and tables."""
    place = Path(spec.path).name if spec.path else spec.kind
    return f"{place}_portraits" if spec.only_portraits else place


def open_source(
    spec: SourceSpec,
    root: Path,
    size: tuple[int, int],
    classes: tuple[str, ...] = PORTRAIT_CLASSES,
) -> Source:
    """Open a data set; `size` (height, width) is what `synthetic` renders. Raises InputError when it is empty."""
    if spec.kind == "synthetic":
        return Synthetic(size, spec.split, spec.limit)
    if spec.kind not in _ON_DISK:
        raise InputError(f"unknown data set kind {spec.kind!r}; known: {', '.join(source_kinds())}")
    home = root / Path(spec.path).expanduser()
    if not home.is_dir():
        raise InputError(f"data set {spec.kind}: {home} is not a folder; set data.root or the source's path")
    source = _ON_DISK[spec.kind](home, spec, classes)
    if source.classes != classes:
        raise InputError(
            f"data set {spec.kind} has {len(source.classes)} classes, the model {len(classes)}; "
            "set model.classes to the data set's"
        )
    if spec.only_portraits:
        source = select(source, is_portrait)
    if spec.limit:
        source = Subset(source, range(min(spec.limit, len(source))))
    if not len(source):
        raise InputError(f"data set {spec.kind} at {home} has no picture in its {spec.split!r} split")
    return source
