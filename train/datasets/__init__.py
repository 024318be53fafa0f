"""Data sets, each taken as it is downloaded. `open_source(spec, root, ...)` opens any of them by kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...runtime.errors import InputError
from ..recipe import SourceSpec
from .base import (
    PORTRAIT_CLASSES,
    FileSource,
    Item,
    OnCanvas,
    SoftMasks,
    Source,
    Subset,
    has_alpha,
    has_layers,
    is_portrait,
    select,
)
from .cityscapes import Cityscapes
from .eg1800 import Eg1800Clova, Eg1800Original, Eg1800PortraitNet
from .folder import AlphaFolder, Folder
from .parsing import CelebAMaskHq, EasyPortrait, EasyPortraitPerson, FasSeg
from .portraits import AiSegment, P3m10k, PpHumanSeg, SupervisePortrait
from .synthetic import Synthetic, SyntheticMattes
from .voc import Voc, VocPerson

__all__ = [
    "LAYOUTS",
    "FileSource",
    "Item",
    "Layout",
    "OnCanvas",
    "SoftMasks",
    "Source",
    "Subset",
    "has_alpha",
    "has_layers",
    "is_portrait",
    "label_of",
    "open_source",
    "recognise",
    "select",
    "source_kinds",
]


@dataclass(frozen=True)
class Layout:
    """A kind of data set: how it is opened, its splits, and by which files it is recognised."""

    open: Callable[[Path, SourceSpec, tuple[str, ...]], FileSource]
    splits: tuple[str, ...]
    marks: tuple[tuple[str, ...], ...]  # alternatives; of one of them every pattern must be found


_HASHED = ("train", "val")
_VOC = (
    ("ImageSets/Segmentation", "SegmentationClass"),
    ("VOC2012/ImageSets/Segmentation",),
    ("VOCdevkit/VOC2012/ImageSets/Segmentation",),
)
_EASY = (("images/train", "annotations/train"), ("images/val", "annotations/val"))

# The first kind that fits is what a folder is recognised as, so the special come before the general.
LAYOUTS: dict[str, Layout] = {
    "voc": Layout(lambda r, s, c: Voc(r, s.split), ("train", "val"), _VOC),
    "voc_person": Layout(lambda r, s, c: VocPerson(r, s.split), ("train", "val"), _VOC),
    "eg1800_portraitnet": Layout(
        lambda r, s, c: Eg1800PortraitNet(r, s.split), ("train", "test"), (("Images", "Labels", "eg1800_train.txt"),)
    ),
    "eg1800_clova": Layout(
        lambda r, s, c: Eg1800Clova(r, s.split),
        ("train", "test"),
        (("images_data_crop", "GT_png"), ("Portrait/images_data_crop", "Portrait/GT_png")),
    ),
    "eg1800_original": Layout(
        lambda r, s, c: Eg1800Original(r, s.split), ("train", "test"), (("images_data_crop", "images_mask"),)
    ),
    "supervise_portrait": Layout(
        lambda r, s, c: SupervisePortrait(r, s.split, s.holdout, s.test_share),
        _HASHED,
        (("SuperviselyPerson_ds*/img",), ("Supervisely_face/SuperviselyPerson_ds*/img",)),
    ),
    "aisegment": Layout(
        lambda r, s, c: AiSegment(r, s.split, s.holdout, s.test_share),
        _HASHED,
        (("clip_img", "matting"), ("matting_human_half/clip_img", "matting_human_half/matting")),
    ),
    "easyportrait": Layout(lambda r, s, c: EasyPortrait(r, s.split), ("train", "val", "test"), _EASY),
    "easyportrait_person": Layout(lambda r, s, c: EasyPortraitPerson(r, s.split), ("train", "val", "test"), _EASY),
    "celebamask": Layout(
        lambda r, s, c: CelebAMaskHq(r, s.split, s.holdout, s.test_share),
        _HASHED,
        (
            ("CelebA-HQ-img", "CelebAMask-HQ-mask-anno"),
            ("CelebAMask-HQ/CelebA-HQ-img", "CelebAMask-HQ/CelebAMask-HQ-mask-anno"),
        ),
    ),
    "p3m10k": Layout(
        lambda r, s, c: P3m10k(r, s.split),
        ("train", "val"),
        (("train/blurred_image", "train/mask"), ("validation/P3M-500-*/mask",), ("validation1/mask",)),
    ),
    "cityscapes": Layout(lambda r, s, c: Cityscapes(r, s.split), ("train", "val"), (("leftImg8bit", "gtFine"),)),
    "pp_humanseg": Layout(
        lambda r, s, c: PpHumanSeg(r, s.split), ("train", "val", "test"), (("train.txt", "val.txt", "test.txt"),)
    ),
    "fasseg": Layout(
        lambda r, s, c: FasSeg(r, s.split), ("train", "test"), (("train/images", "train/labels", "test/labels"),)
    ),
    "folder": Layout(lambda r, s, c: Folder(r, s.split, s.holdout, s.test_share, c), _HASHED, (("images", "masks"),)),
    # Nothing marks it: that grey values are true alpha is for the user to say.
    "alpha_folder": Layout(lambda r, s, c: AlphaFolder(r, s.split, s.holdout, s.test_share), _HASHED, ()),
}
_RENDERED: dict[str, Callable[[tuple[int, int], str, int], Source]] = {
    "synthetic": Synthetic,
    "synthetic_mattes": SyntheticMattes,
}


def source_kinds() -> list[str]:
    """Names that `SourceSpec.kind` may take."""
    return [*LAYOUTS, *_RENDERED]


def recognise(root: Path) -> list[str]:
    """The kinds of data set whose files lie in `root`, the likeliest first."""
    return [
        kind
        for kind, layout in LAYOUTS.items()
        if any(all(any(root.glob(mark)) for mark in marks) for marks in layout.marks)
    ]


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
    """Open a data set; `size` (height, width) is what the rendered sets are for. Raises InputError when it is empty."""
    if spec.kind in _RENDERED:
        return _RENDERED[spec.kind](size, spec.split, spec.limit)
    if spec.kind not in LAYOUTS:
        raise InputError(f"unknown data set kind {spec.kind!r}; known: {', '.join(source_kinds())}")
    home = root / Path(spec.path).expanduser()
    if not home.is_dir():
        raise InputError(f"data set {spec.kind}: {home} is not a folder; set data.root or the source's path")
    source: Source = LAYOUTS[spec.kind].open(home, spec, classes)
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
