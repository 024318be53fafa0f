"""Finding a data set's files: pairs of pictures and masks, list files, splits, and what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.media.kinds import IMAGE_SUFFIXES
from .base import Item

MISSING_LIMIT = 0.25  # share of a set's pictures that may lack a file; published packs lack up to 14 %


def find_root(root: Path, *names: str, inside: Sequence[str] = ()) -> Path:
    """`root`, or its folder of one of the names in `inside`, whichever holds all of `names`."""
    for place in (root, *(root / name for name in inside)):
        if all((place / name).exists() for name in names):
            return place
    raise InputError(
        f"{root} lacks {' and '.join(n for n in names if not (root / n).exists())}: it is not laid out as this kind "
        "of data set; `portraitnet data check` tells which kind it is"
    )


def parts_of(split: str, parts: Mapping[str, Sequence[str]]) -> list[str]:
    """The set's own names of what makes up a `split`; `all` is every one of them."""
    known = {**parts, "all": list(dict.fromkeys(part for own in parts.values() for part in own))}
    if split not in known:
        raise InputError(f"split {split!r} is none of {', '.join(known)}")
    return list(known[split])


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in name order; hidden ones, as macOS adds them, are left out."""
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def folders(folder: Path, pattern: str = "*") -> list[Path]:
    """The folders in a folder, in name order; none if it is none."""
    return sorted(path for path in folder.glob(pattern) if path.is_dir() and not path.name.startswith("."))


def read_list(path: Path) -> list[str]:
    """The lines of a list file that are not empty."""
    if not path.is_file():
        raise InputError(f"{path} is missing; it lists the pictures of the split")
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file") from error


def inside(root: Path, name: str, listing: Path) -> Path:
    """The file that a list names, which must lie in `root`."""
    path = root / name
    if "\0" in name or not path.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{listing}: {name!r} lies outside {root}")
    return path


def pair_by_stem(images: Path, masks: Path) -> tuple[list[Item], list[str]]:
    """Items for every picture with a mask of the same stem, in name order, and the names without a mask."""
    for folder in (images, masks):
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; expected images/ and masks/ with the same file stems")
    mask_of = {path.stem: path for path in pictures(masks)}
    found = pictures(images)
    items = [Item(path.name, path, mask_of[path.stem]) for path in found if path.stem in mask_of]
    return items, [path.name for path in found if path.stem not in mask_of]


def with_files(home: Path, items: Iterable[Item]) -> tuple[list[Item], list[str]]:
    """Items whose two files exist, and the names of the others. Raises InputError when those are too many."""
    found: list[Item] = []
    skipped: list[str] = []
    for item in items:
        if item.image.exists() and item.mask.exists():
            found.append(item)
        else:
            skipped.append(item.name)
    if len(skipped) > MISSING_LIMIT * (len(found) + len(skipped)):
        raise InputError(
            f"{home}: {len(skipped)} of {len(found) + len(skipped)} pictures lack the image or the mask, "
            f"the first is {skipped[0]}; the download is not complete"
        )
    return found, skipped


def split_by_hash(items: Sequence[Item], split: str, holdout: float, test_share: float = 0.0) -> list[Item]:
    """The items of a `split` (see falls_into); a picture's bytes decide, so that copies never fall on both sides."""
    check_split(split)
    return [item for item in items if split == "all" or falls_into(item.image.read_bytes(), split, holdout, test_share)]


def check_split(split: str) -> None:
    """Refuse a split that a set without splits of its own does not have."""
    if split not in ("train", "val", "test", "all"):
        raise InputError(f"split {split!r} is none of train, val, test, all")


def falls_into(content: bytes, split: str, holdout: float, test_share: float = 0.0) -> bool:
    """Whether the hash of `content` puts it into `split`.

    A share of `holdout` is kept from training; of that, `test_share` is `test` and the rest `val`. `val` chooses
    weights and settings, `test` only judges. The training part does not depend on `test_share`.
    """
    position = int.from_bytes(hashlib.sha256(content).digest()[:4], "big") / 2**32
    if position >= holdout:
        return split in ("train", "all")
    return split in ("test" if position < holdout * test_share else "val", "all")
