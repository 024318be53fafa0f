"""Public sets of people with one foreground class, each in the layout in which it is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.media.masks import load_alpha_channel, load_mask, load_person_mask
from .base import HALF, FileSource, Item, MattingSource
from .listing import (
    check_split,
    falls_into,
    find_root,
    folders,
    inside,
    parts_of,
    pictures,
    read_list,
    split_by_hash,
    with_files,
)


class SupervisePortrait(FileSource):
    """Supervisely people cut to portraits: SuperviselyPerson_dsN/img/x.png, and its mask ann/x.png of the same name.

    Some masks are JPEG, whose values scatter: above one half is the person. No splits: a file's hash decides.
    """

    def __init__(self, root: Path, split: str = "train", holdout: float = 0.2, test_share: float = 0.0) -> None:
        parts = [part for home in (root, root / "Supervisely_face") for part in folders(home, "SuperviselyPerson_ds*")]
        if not parts:
            raise InputError(f"{root} holds no folder SuperviselyPerson_ds*, alone or in Supervisely_face")
        items = (
            Item(f"{part.name}/{path.name}", path, part / "ann" / path.name)
            for part in parts
            for path in pictures(find_root(part, "img", "ann") / "img")
        )
        found, self.skipped = with_files(root, items)
        self.items = split_by_hash(found, split, holdout, test_share)

    def read_mask(self, item: Item) -> np.ndarray:
        return (load_person_mask(item.mask) > HALF).astype(np.uint8)


class AiSegment(MattingSource):
    """AISegment's matting_human_half: clip_img/DAY/clip_N/x.jpg and matting/DAY/matting_N/x.png, alpha in channel 3.

    A folder of a day is one session with the same people: the folder's hash decides the split.
    """

    def __init__(self, root: Path, split: str = "train", holdout: float = 0.2, test_share: float = 0.0) -> None:
        check_split(split)
        home = find_root(root, "clip_img", "matting", inside=["matting_human_half"])
        items = (
            Item(f"{day.name}/{path.stem}", path, home / "matting" / day.name / _matting(clip) / f"{path.stem}.png")
            for day in folders(home / "clip_img")
            if falls_into(day.name.encode(), split, holdout, test_share)
            for clip in folders(day, "clip_*")
            for path in pictures(clip)
        )
        self.items, self.skipped = with_files(home, items)

    def read_alpha(self, item: Item) -> np.ndarray:
        return load_alpha_channel(item.mask)


def _matting(clip: Path) -> str:
    return clip.name.replace("clip", "matting", 1)


class PpHumanSeg(FileSource):
    """PP-HumanSeg14K: train.txt, val.txt and test.txt name picture and label on each line. 255 is unknown."""

    def __init__(self, root: Path, split: str = "train") -> None:
        lists = [root / f"{part}.txt" for part in parts_of(split, {p: [p] for p in ("train", "val", "test")})]
        items = []
        for listing in lists:
            for line in read_list(listing):
                names = line.split()
                if len(names) != 2:
                    raise InputError(f"{listing}: {line[:60]!r} is not the names of a picture and its label")
                image, label = (inside(root, name, listing) for name in names)
                items.append(Item(names[0], image, label))
        self.items, self.skipped = with_files(root, items)

    def read_mask(self, item: Item) -> np.ndarray:
        return load_mask(item.mask)


class P3m10k(MattingSource):
    """P3M-10k: train/{blurred_image,mask}; validation sets P3M-500-P (faces blurred) and P3M-500-NP (not blurred).

    Those two lie in validation/ or, in the other pack, are its folders validation1 and validation2.
    """

    _IMAGES = ("blurred_image", "original_image", "image")

    def __init__(self, root: Path, split: str = "train") -> None:
        validation = [*folders(root / "validation"), *folders(root, "validation[0-9]")]
        parts = {"train": [root / "train"], "val": validation, "all": [root / "train", *validation]}
        if split not in parts:
            raise InputError(f"split {split!r} is none of {', '.join(parts)}")
        items = []
        for part in parts[split]:
            find_root(part, "mask")
            images = next((part / name for name in self._IMAGES if (part / name).is_dir()), None)
            if images is None:
                raise InputError(f"{part} lacks {' or '.join(self._IMAGES)}: it is not laid out as P3M-10k")
            items += [
                Item(f"{part.name}/{path.name}", path, part / "mask" / f"{path.stem}.png") for path in pictures(images)
            ]
        self.items, self.skipped = with_files(root, items)

    def read_alpha(self, item: Item) -> np.ndarray:
        return load_person_mask(item.mask)
