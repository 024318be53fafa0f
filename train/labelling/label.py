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
from ...runtime.media.masks import load_mask
from ...runtime.metrics import iou
from ...runtime.notices import notice
from ..data.sheets import errors, overlay, tile, write_sheet
from ..datasets.folder import CONFIDENCE
from .teacher import Opinion, Teacher

COLUMNS = ("name", "confidence", "unknown", "foreground", "agreement")
_ROWS_OF_SHEET = 10


def label_folder(
    pictures: Path,
    out: Path,
    teacher: Teacher,
    overwrite: bool = False,
    on_picture: Callable[[int], object] = lambda total: None,
) -> Path:
    """Label every picture of a folder; returns `out`, which then trains as a `folder` set.

    `out` receives images (a link to the pictures), masks/, confidence/, labels.csv (a row for each picture: mean
    confidence, share of unknown pixels, of foreground, and IoU with the mask the teacher was prompted with) and
    comparison.png. Pictures that have a mask there already are kept unless `overwrite`: an interrupted run goes on.
    A picture that cannot be read does not stop the others: InputError, at the end, names those that failed.
    """
    found = list_images(pictures)
    by_stem: dict[str, Path] = {}
    for path in found:
        if by_stem.setdefault(path.stem, path) != path:
            raise InputError(f"{path.name} and {by_stem[path.stem].name} would have the same mask; rename one")
    _link(pictures, out / "images")
    rows = {row["name"]: row for row in _read_rows(out / "labels.csv")}
    failed = []
    try:
        for path in found:
            try:
                _label(path, out, teacher, rows, overwrite)
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


def _label(path: Path, out: Path, teacher: Teacher, rows: dict[str, dict[str, str]], overwrite: bool) -> None:
    """Write mask and confidence of one picture, and put its row into `rows`."""
    mask_file = out / "masks" / f"{path.stem}.png"
    if overwrite or not mask_file.is_file():
        opinion = teacher(load_image(path))
        # The mask last: it is what tells the next run that this picture is done.
        save_image(out / CONFIDENCE / mask_file.name, opinion.confidence)
        save_image(mask_file, opinion.mask.astype(np.uint8) * 255)
        rows[path.name] = _row(path.name, opinion)
    elif path.name not in rows:
        rows[path.name] = _row(path.name, _stored(out, path.stem))


def _row(name: str, opinion: Opinion) -> dict[str, str]:
    agreement = "" if opinion.first is None else f"{iou(opinion.mask, opinion.first):.4f}"
    return {
        "name": name,
        "confidence": f"{opinion.confidence.mean() / 255:.4f}",
        "unknown": f"{(opinion.confidence < 128).mean():.4f}",
        "foreground": f"{opinion.mask.mean():.4f}",
        "agreement": agreement,
    }


def _stored(out: Path, stem: str) -> Opinion:
    mask, confidence = (load_mask(out / folder / f"{stem}.png") for folder in ("masks", CONFIDENCE))
    return Opinion(mask > 127, confidence)


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
