"""EG1800 (Shen et al., 2016), portraits from Flickr, in the three packs that go round.

They differ in file names, in splits and in what mask values mean. Many photographs have vanished since, so a few
names of a list without files are skipped, and kept in `skipped`; many missing files mean a broken download.
Only a test split was ever published beside the training one: `val` and `test` are the same pictures.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.images import MAX_PIXELS, load_mask
from .base import FileSource, Item, split_by_hash

MISSING_LIMIT = 0.25  # share of a pack's names that may lack a file; the published packs lack up to 14 %
HOLDOUT = 1 / 6  # 300 of 1800, where a pack brings no lists
_MAT_BYTES = 8 * MAX_PIXELS  # a mask of doubles


class Eg1800PortraitNet(FileSource):
    """PortraitNet's pack: Images/00001.png, Labels/00001.png, eg1800_train.txt (1447) and eg1800_test.txt (289).

    Mask value 1 is the person; anything above is background.
    """

    def __init__(self, root: Path, split: str = "train") -> None:
        _need_folders(root, "Images", "Labels")
        names = [name for part in _parts(split, "train", "test") for name in _read_list(root / f"eg1800_{part}.txt")]
        items = (Item(name, root / "Images" / name, root / "Labels" / name) for name in names)
        self.items, self.skipped = _with_files(root, items)

    def read_mask(self, item: Item) -> np.ndarray:
        return (load_mask(item.mask) == 1).astype(np.uint8)


class Eg1800Clova(FileSource):
    """clovaai's pack: images_data_crop/00001.jpg, GT_png/00001_mask.png, in `root` or its folder Portrait.

    The split is that of train.txt and val.txt (a number a line) where the pack has them; else a sixth of the
    pictures, by the hash of their bytes, are the test split. Mask values above 200 are the person.
    """

    def __init__(self, root: Path, split: str = "train") -> None:
        home = root if (root / "images_data_crop").is_dir() else root / "Portrait"
        images, masks = _need_folders(home, "images_data_crop", "GT_png")
        parts = _parts(split, "train", "val")
        listed = (home / "train.txt").is_file() and (home / "val.txt").is_file()
        if listed:
            stems = [_number(n, home) for part in parts for n in _read_list(home / f"{part}.txt")]
        else:
            stems = sorted({p.stem for p in _visible(images)} | {p.stem[: -len("_mask")] for p in _visible(masks)})
        items = (Item(stem, images / f"{stem}.jpg", masks / f"{stem}_mask.png") for stem in stems)
        found, self.skipped = _with_files(home, items)
        part = parts[0] if len(parts) == 1 else "all"
        self.items = found if listed else split_by_hash(found, part, HOLDOUT)

    def read_mask(self, item: Item) -> np.ndarray:
        return (load_mask(item.mask) > 200).astype(np.uint8)


class Eg1800Original(FileSource):
    """The authors' own: images_data_crop/00001.jpg, images_mask/00001_mask.mat, trainlist.mat and testlist.mat.

    Masks are MATLAB matrices named `mask` of 0 and 1; the lists are columns of picture numbers.
    """

    def __init__(self, root: Path, split: str = "train") -> None:
        images, masks = _need_folders(root, "images_data_crop", "images_mask")
        stems = [
            _number(str(value), root)
            for part in _parts(split, "train", "test")
            for value in read_matrix(root / f"{part}list.mat", f"{part}list").ravel().astype(int)
        ]
        items = (Item(stem, images / f"{stem}.jpg", masks / f"{stem}_mask.mat") for stem in stems)
        self.items, self.skipped = _with_files(root, items)

    def read_mask(self, item: Item) -> np.ndarray:
        mask = read_matrix(item.mask, "mask")
        if not np.isin(mask, (0, 1)).all():
            raise InputError(f"{item.mask}: the matrix 'mask' holds values other than 0 and 1")
        return mask.astype(np.uint8)


def read_matrix(path: Path, name: str) -> np.ndarray:
    """The 2-D numeric matrix `name` of a MATLAB 5 file: data only, its size checked before it is built."""
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    try:
        data = _inflate(path.read_bytes(), path)
        contents = {key: (shape, kind) for key, shape, kind in whosmat(data)}
        if name not in contents:
            raise InputError(f"{path}: no matrix {name!r} in it, only {', '.join(sorted(contents)) or 'nothing'}")
        shape, kind = contents[name]
        numeric = kind.startswith(("int", "uint")) or kind in ("double", "single", "logical")
        if not numeric or len(shape) != 2 or not 0 < shape[0] * shape[1] <= MAX_PIXELS:
            raise InputError(f"{path}: {name!r} is a {kind} of size {shape}, not a matrix of numbers")
        data.seek(0)
        return loadmat(data, variable_names=[name])[name]
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MatReadError) as error:
        raise InputError(f"{path} is not a readable MATLAB 5 file: {error}") from error
    except (zlib.error, struct.error) as error:
        raise InputError(f"{path} is damaged or cut short: {error}") from error


def _inflate(packed: bytes, path: Path) -> BytesIO:
    """The same MATLAB 5 file without compression, so that no small file can swell without bound in the reader."""
    order = {b"IM": "<", b"MI": ">"}.get(packed[126:128])
    if order is None or not packed.startswith(b"MATLAB 5.0"):
        raise InputError(f"{path} is not a MATLAB 5 file; save it in MATLAB with -v7")
    plain, position = bytearray(packed[:128]), 128
    while position < len(packed):
        kind, count = struct.unpack_from(f"{order}II", packed, position)
        body = packed[position + 8 : position + 8 + count]
        if kind == 15:  # miCOMPRESSED
            plain += zlib.decompressobj().decompress(body, max(1, _MAT_BYTES + 1 - len(plain)))
        else:
            plain += packed[position : position + 8] + body
        if len(plain) > _MAT_BYTES:
            raise InputError(f"{path} unpacks to more than {_MAT_BYTES >> 20} MiB; no mask is that large")
        position += 8 + count
    return BytesIO(bytes(plain))


def _parts(split: str, train: str, test: str) -> list[str]:
    """The pack's own names of the lists that make up a split."""
    parts = {"train": [train], "test": [test], "val": [test], "all": [train, test]}
    if split not in parts:
        raise InputError(f"split {split!r} is none of {', '.join(parts)}")
    return parts[split]


def _need_folders(root: Path, *names: str) -> list[Path]:
    missing = [name for name in names if not (root / name).is_dir()]
    if missing:
        raise InputError(
            f"{root} lacks {' and '.join(missing)}: it is not this pack of EG1800, try another of "
            "eg1800_portraitnet, eg1800_clova, eg1800_original"
        )
    return [root / name for name in names]


def _read_list(path: Path) -> list[str]:
    """The names in a list file, one a line; none may lead out of its folder."""
    if not path.is_file():
        raise InputError(f"{path} is missing; it lists the pictures of the split")
    try:
        names = path.read_text(encoding="utf-8").split()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file") from error
    for name in names:
        if name in (".", "..") or "/" in name or "\\" in name:
            raise InputError(f"{path}: {name!r} is not a plain file name")
    return names


def _number(text: str, home: Path) -> str:
    """A picture's number as its file name has it: 7 -> 00007."""
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"{home}: {text!r} in its lists is not a picture number")
    return text.lstrip("0").zfill(5)


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _with_files(home: Path, items: Iterable[Item]) -> tuple[list[Item], list[str]]:
    """Items whose two files exist, and the names of the others. Raises InputError when those are too many."""
    found: list[Item] = []
    skipped: list[str] = []
    for item in items:
        if item.image.is_file() and item.mask.is_file():
            found.append(item)
        else:
            skipped.append(item.name)
    if len(skipped) > MISSING_LIMIT * (len(found) + len(skipped)):
        raise InputError(
            f"{home}: {len(skipped)} of {len(found) + len(skipped)} pictures lack the image or the mask, "
            f"the first is {skipped[0]}; the download is not complete"
        )
    return found, skipped
