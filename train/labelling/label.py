"""Labelling photographs with a teacher: masks and confidence in the layout that the `folder` data set reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ...runtime.errors import InputError, OutputError
from ...runtime.files import write_text
from ...runtime.media.images import list_images, load_image, save_image
from ...runtime.media.masks import load_mask, load_person_mask
from ...runtime.metrics import IGNORE, iou
from ...runtime.notices import notice
from ..data.sheets import errors, overlay, tile, write_sheet
from ..datasets.base import HALF
from ..datasets.folder import CONFIDENCE, person_labels
from .teacher import Opinion, Teacher, confidence_of

COLUMNS = ("name", "confidence", "unknown", "foreground", "agreement")
_ROWS_OF_SHEET = 10


def label_folder(
    pictures: Path,
    out: Path,
    teacher: Teacher,
    overwrite: bool = False,
    on_picture: Callable[[int], object] = lambda total: None,
    soft: bool = False,
    truth: Path | None = None,
) -> Path:
    """Label every picture of a folder; returns `out`, which then trains as a `folder` set.

    `out` receives images (a link to the pictures), masks/, confidence/, labels.csv (a row for each picture: mean
    confidence, share of unknown pixels, of foreground, and IoU with the mask the teacher was prompted with) and
    comparison.png. Pictures that have a mask there already are kept unless `overwrite`: an interrupted run goes on.
    A picture that cannot be read does not stop the others: InputError, at the end, names those that failed.

    With `soft` the masks hold the teacher's alpha, without confidence/, and `out` trains as an `alpha_folder` set.
    `truth` is then a folder of masks of the same names, which are mixed in (see `mixed`); pictures may lack one.
    """
    if soft and (out / CONFIDENCE).is_dir():
        raise InputError(f"{out} holds labels that are not soft; choose another --out")
    store = _Store(out, soft, {path.stem: path for path in list_images(truth)} if truth else {})
    found = list_images(pictures)
    by_stem: dict[str, Path] = {}
    for path in found:
        if by_stem.setdefault(path.stem, path) != path:
            raise InputError(f"{path.name} and {by_stem[path.stem].name} would have the same mask; rename one")
    if store.truths and not store.truths.keys() & by_stem.keys():
        raise InputError(f"no mask in {truth} has the name of a picture in {pictures}")
    _link(pictures, out / "images")
    rows = {row["name"]: row for row in _read_rows(out / "labels.csv")}
    failed = []
    try:
        for path in found:
            try:
                _label(path, store, teacher, rows, overwrite)
            except OutputError:
                raise
            except InputError as error:
                notice(f"failed: {error}")
                failed.append(path)
            on_picture(len(found))
    finally:
        kept = [rows[path.name] for path in found if path.name in rows]
        if kept:
            text = io.StringIO()
            writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
            write_text(out / "labels.csv", text.getvalue())
    labelled = [path for path in found if path not in failed]
    if labelled:
        _write_comparison(out / "comparison.png", labelled, rows, teacher)
    if failed:
        names = ", ".join(path.name for path in failed)
        raise InputError(f"{len(failed)} of {len(found)} pictures failed, the others are labelled: {names}")
    return out


def mixed(alpha: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean of a teacher's alpha and of true labels, in which every pixel keeps its label; uint8 0..255.

    `alpha` is uint8, `labels` are 0, 1, and IGNORE for unknown pixels, which get the teacher's alpha.
    """
    half = alpha // 2
    return np.where(labels == IGNORE, alpha, np.where(labels == 1, half + 128, half)).astype(np.uint8)


class _Store:
    """The files of labels in `out`; `truths` are masks by the stem of their picture."""

    def __init__(self, out: Path, soft: bool, truths: dict[str, Path]) -> None:
        self.out, self.soft, self.truths = out, soft, truths

    def mask(self, stem: str) -> Path:
        return self.out / "masks" / f"{stem}.png"

    def write(self, stem: str, opinion: Opinion) -> None:
        # The mask last: it is what tells the next run that this picture is done.
        if not self.soft:
            save_image(self.out / CONFIDENCE / f"{stem}.png", opinion.confidence)
        save_image(self.mask(stem), self._soft(stem, opinion) if self.soft else opinion.mask.astype(np.uint8) * 255)

    def _soft(self, stem: str, opinion: Opinion) -> np.ndarray:
        truth = self.truths.get(stem)
        if truth is None:
            return opinion.alpha
        labels = person_labels(load_person_mask(truth), truth)
        if labels.shape != opinion.alpha.shape:
            raise InputError(f"{truth} is not as large as its picture")
        return mixed(opinion.alpha, labels)

    def read(self, stem: str) -> Opinion:
        stored = load_mask(self.mask(stem))
        mask = stored > HALF
        return Opinion(
            mask, confidence_of(stored / 255) if self.soft else load_mask(self.out / CONFIDENCE / f"{stem}.png")
        )


def _label(path: Path, store: _Store, teacher: Teacher, rows: dict[str, dict[str, str]], overwrite: bool) -> None:
    """Write the labels of one picture, and put its row into `rows`."""
    if overwrite or not store.mask(path.stem).is_file():
        opinion = teacher(load_image(path))
        store.write(path.stem, opinion)
        rows[path.name] = _row(path.name, opinion)
    elif path.name not in rows:
        rows[path.name] = _row(path.name, store.read(path.stem))


def _row(name: str, opinion: Opinion) -> dict[str, str]:
    agreement = "" if opinion.first is None else f"{iou(opinion.mask, opinion.first):.4f}"
    return {
        "name": name,
        "confidence": f"{opinion.confidence.mean() / 255:.4f}",
        "unknown": f"{(opinion.confidence < 128).mean():.4f}",
        "foreground": f"{opinion.mask.mean():.4f}",
        "agreement": agreement,
    }


def _write_comparison(path: Path, found: list[Path], rows: dict[str, dict[str, str]], teacher: Teacher) -> None:
    """Half of the sheet: the pictures of lowest agreement (or confidence); half: evenly spaced through the folder."""
    doubt = sorted(found, key=lambda p: float(rows[p.name]["agreement"] or rows[p.name]["confidence"]))
    even = [found[int(i)] for i in np.linspace(0, len(found) - 1, min(len(found), _ROWS_OF_SHEET))]
    chosen = list(dict.fromkeys([*doubt[: _ROWS_OF_SHEET // 2], *even]))[:_ROWS_OF_SHEET]
    lines = []
    for picture in chosen:
        image = load_image(picture)
        opinion = teacher(image)
        unknown = np.where(opinion.confidence < 128, 255, opinion.mask).astype(np.uint8)
        row = [tile(image, picture.name), tile(overlay(image, unknown), "label; light: unknown")]
        row.append(tile(cv2.applyColorMap(opinion.confidence, cv2.COLORMAP_VIRIDIS)[..., ::-1], "confidence"))
        if opinion.first is not None:
            first = opinion.first.astype(np.uint8)
            row.append(tile(overlay(image, first), "semantic mask"))
            text = f"IoU {rows[picture.name]['agreement']}; red: only teacher"
            row.append(tile(errors(image, opinion.mask.astype(np.uint8), first), text))
        lines.append(row)
    write_sheet(path, lines)


def _read_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    if rows and tuple(rows[0]) != COLUMNS:
        raise InputError(f"{path} was not written by `portraitnet data label`; choose another --out")
    return rows


def _link(pictures: Path, images: Path) -> None:
    """Make `images` a link to the pictures, unless it is their folder itself."""
    if images.resolve() == pictures.resolve():
        return
    if images.is_symlink() or images.exists():
        raise InputError(f"{images} exists and is not {pictures}; choose another --out")
    try:
        images.parent.mkdir(parents=True, exist_ok=True)
        images.symlink_to(pictures.resolve(), target_is_directory=True)
    except OSError as error:
        raise InputError(f"{images} cannot be made a link to {pictures}: {error.strerror}") from error
