"""What a folder of photographs and masks is, and what is wrong with it, before anything is trained on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.metrics import IGNORE, has_background
from ..datasets import LAYOUTS, FileSource, recognise
from ..datasets.base import PORTRAIT_CLASSES
from ..recipe import SourceSpec
from .balance import ClassCounter, ClassShares
from .choice import cover_classes, spread
from .sheets import overlay, paint, tile, write_sheet

_SMALL = 64  # pixels; a picture with a shorter side teaches nothing about outlines
_COLUMNS, _ROWS = 6, 4
_ODD_SHOWN = 12


@dataclass(frozen=True)
class Oddity:
    """A picture with something strange about it."""

    split: str
    index: int
    name: str
    what: str


@dataclass
class Report:
    """Everything `check_data` found."""

    root: Path
    kind: str
    others: list[str]  # further kinds that the same files can be read as
    classes: tuple[str, ...]
    sources: dict[str, FileSource] = field(default_factory=dict)  # by split
    problems: list[str] = field(default_factory=list)  # splits that could not be opened
    odd: list[Oddity] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    shares: ClassShares = field(default_factory=lambda: ClassCounter(2).shares())
    unreadable: int = 0  # pictures or masks that cannot be used at all
    absent: list[str] = field(default_factory=list)  # classes without a pixel in what was read


def check_data(
    root: Path,
    kind: str = "",
    classes: tuple[str, ...] = PORTRAIT_CLASSES,
    limit: int = 0,
    holdout: float = 0.2,
    on_picture: Callable[[int], object] = lambda total: None,
) -> Report:
    """Open the data set in `root`, of whatever kind it is, and read every picture and mask of every split.

    `classes` name the labels of a `folder` set; `limit` reads only so many pictures of each split, evenly spread.
    `on_picture` hears, for each, how many there are in all. Raises InputError when no kind fits, or nothing opens.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder")
    found = recognise(root)
    if not kind and not found:
        raise InputError(f"{root} has the layout of none of the known sets: {', '.join(LAYOUTS)}; see --help")
    if kind and kind not in LAYOUTS:
        raise InputError(f"unknown data set kind {kind!r}; known: {', '.join(LAYOUTS)}")
    kind = kind or found[0]
    report = Report(root, kind, [other for other in found if other != kind], classes)
    for split in LAYOUTS[kind].splits:
        try:
            source = LAYOUTS[kind].open(root, SourceSpec(kind, split=split, holdout=holdout), classes)
        except InputError as error:
            report.problems.append(str(error))
            continue
        report.sources[split], report.classes = source, source.classes
    chosen = [(s, i) for s, source in report.sources.items() for i in spread(len(source), limit)]
    if not chosen:
        raise InputError(report.problems[0] if report.problems else f"{root} holds no picture of kind {kind}")
    counter = ClassCounter(len(report.classes))
    first_with: dict[bytes, tuple[str, str]] = {}  # content -> split, name
    for split, index in chosen:
        name = report.sources[split].name(index)
        report.odd += [Oddity(split, index, name, w) for w in _examine(report, split, index, counter, first_with)]
        on_picture(len(chosen))
    report.shares = counter.shares()
    report.absent = [name for name, share in zip(report.classes, report.shares.pixels, strict=True) if not share]
    return report


def _examine(
    report: Report,
    split: str,
    index: int,
    counter: ClassCounter,
    first_with: dict[bytes, tuple[str, str]],
) -> Iterator[str]:
    source = report.sources[split]
    try:
        image, labels = source.read(index)
    except InputError as error:
        report.unreadable += 1
        yield str(error)
        return
    counter.add(labels)
    report.sizes.append(labels.shape)
    known = labels[labels != IGNORE]
    if not len(known):
        yield "every pixel is unknown"
    elif not known.any() and source.classes[0] == "background":
        yield "nothing but background"
    elif (known > 0).all() and source.classes == PORTRAIT_CLASSES:
        yield "nothing but foreground"
    if min(labels.shape) < _SMALL:
        yield f"only {labels.shape[1]}x{labels.shape[0]} pixels"
    content = hashlib.sha256(image.tobytes()).digest()
    other_split, other = first_with.setdefault(content, (split, source.name(index)))
    if other != source.name(index):
        place = "" if other_split == split else f", which is in {other_split}: scores on {split} would flatter"
        yield f"the same picture as {other}{place}"


def write_contact_sheet(path: Path, report: Report) -> None:
    """Write pictures from all splits with their labels overlaid; below them the odd ones next to their masks."""
    count = _COLUMNS * _ROWS // max(len(report.sources), 1)
    tiles = []
    for split, source in report.sources.items():
        for index in cover_classes(source, count):
            try:
                image, labels = source.read(index)
            except InputError:
                continue
            shown = overlay(image, labels, has_background(source.classes))
            tiles.append(tile(shown, f"{split}  {source.name(index)}"))
    tiles += [np.full_like(tiles[0], 90)] * (-len(tiles) % _COLUMNS) if tiles else []
    for oddity in report.odd[:_ODD_SHOWN]:
        tiles += _beside_mask(report.sources[oddity.split], oddity)
    write_sheet(path, [tiles[start : start + _COLUMNS] for start in range(0, len(tiles), _COLUMNS)])


def _beside_mask(source: FileSource, oddity: Oddity) -> list[np.ndarray]:
    try:
        image, labels = source.read(oddity.index)
    except InputError:
        image, labels = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    return [tile(image, f"odd  {oddity.name}"), tile(paint(labels), oddity.what)]
