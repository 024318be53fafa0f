"""EG1800 (Shen et al., 2016), portraits from Flickr, in the three packs that go round.

They differ in file names, in splits and in what mask values mean. Many photographs have vanished since, so a few
names of a list without files are skipped, and kept in `skipped`; many missing files mean a broken download.
Only a test split was ever published beside the training one: `val` and `test` are the same pictures.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.media.images import MAX_PIXELS
from ...runtime.media.masks import load_mask, load_person_mask
from .base import FileSource, Item
from .listing import find_root, parts_of, pictures, read_list, split_by_hash, with_files

HOLDOUT = 1 / 6  # 300 of 1800, where a pack brings no lists
_MAT_BYTES = 8 * MAX_PIXELS  # a mask of doubles


class Eg1800PortraitNet(FileSource):
    """PortraitNet's pack: Images/00001.png, Labels/00001.png, eg1800_train.txt (1447) and eg1800_test.txt (289).

    Mask value 1 is the person; anything above is background.
    """

    def __init__(self, root: Path, split: str = "train") -> None:
        find_root(root, "Images", "Labels")
        names = [name for part in _parts(split, "train", "test") for name in _names(root / f"eg1800_{part}.txt")]
        items = (Item(name, root / "Images" / name, root / "Labels" / name) for name in names)
        self.items, self.skipped = with_files(root, items)

    def read_mask(self, item: Item) -> np.ndarray:
        return (load_mask(item.mask) == 1).astype(np.uint8)


class Eg1800Clova(FileSource):
    """clovaai's pack: images_data_crop/00001.jpg, GT_png/00001_mask.png, in `root` or its folder Portrait.

    The split is that of train.txt and val.txt (a number a line) where the pack has them; else a sixth of the
    pictures, by the hash of their bytes, are the test split. Mask values above 200 are the person.
    """

    def __init__(self, root: Path, split: str = "train") -> None:
        home = find_root(root, "images_data_crop", "GT_png", inside=["Portrait"])
        images, masks = home / "images_data_crop", home / "GT_png"
        parts = _parts(split, "train", "val")
        listed = (home / "train.txt").is_file() and (home / "val.txt").is_file()
        if listed:
            stems = [_number(n, home) for part in parts for n in _names(home / f"{part}.txt")]
        else:
            stems = sorted({p.stem for p in pictures(images)} | {p.stem[: -len("_mask")] for p in pictures(masks)})
        items = (Item(stem, images / f"{stem}.jpg", masks / f"{stem}_mask.png") for stem in stems)
        found, self.skipped = with_files(home, items)
        part = parts[0] if len(parts) == 1 else "all"
        self.items = found if listed else split_by_hash(found, part, HOLDOUT)

    def read_mask(self, item: Item) -> np.ndarray:
        return (load_person_mask(item.mask) > 200).astype(np.uint8)


class Eg1800Original(FileSource):
    """The authors' own: images_data_crop/00001.jpg, images_mask/00001_mask.mat, trainlist.mat and testlist.mat.

    Masks are MATLAB matrices named `mask` of 0 and 1; the lists are columns of picture numbers.
    """

    def __init__(self, root: Path, split: str = "train") -> None:
        find_root(root, "images_data_crop", "images_mask")
        images, masks = root / "images_data_crop", root / "images_mask"
        stems = [
            _number(str(value), root)
            for part in _parts(split, "train", "test")
            for value in read_matrix(root / f"{part}list.mat", f"{part}list").ravel().astype(int)
        ]
        items = (Item(stem, images / f"{stem}.jpg", masks / f"{stem}_mask.mat") for stem in stems)
        self.items, self.skipped = with_files(root, items)

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
    return parts_of(split, {"train": [train], "test": [test], "val": [test]})


def _names(path: Path) -> list[str]:
    """The names in a list file; none may lead out of its folder."""
    names = read_list(path)
    for name in names:
        if name in (".", "..") or "/" in name or "\\" in name:
            raise InputError(f"{path}: {name!r} is not a plain file name")
    return names


def _number(text: str, home: Path) -> str:
    """A picture's number as its file name has it: 7 -> 00007."""
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"{home}: {text!r} in its lists is not a picture number")
    return text.lstrip("0").zfill(5)
