"""Pictures that calibrate int8, and others that judge every artefact: those that training never saw, where it is known.

Training and its held-out share are told apart by the hash of a picture's bytes (train.datasets.listing); this module
orders pictures by another, salted hash, so that the two do not coincide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.errors import InputError
from ..runtime.geometry import LETTERBOX, Letterbox
from ..runtime.media.images import list_images, load_image
from ..runtime.metrics import IGNORE
from ..train.datasets.base import Item, check_same_size
from ..train.datasets.folder import Folder
from ..train.datasets.listing import falls_into
from ..train.datasets.synthetic import Synthetic
from ..train.recipe import SourceSpec

MOST = 96  # pictures in all; more of them moved no parity figure
HOLDOUT = SourceSpec("folder").holdout  # the share kept from training when the checkpoint does not say
_ENOUGH = 8  # held-out pictures; with fewer, pictures that training may have seen join them
_SAMPLE = 10  # times as many pictures are looked at as are taken, so that enough of them are held out
_SALT = b"calibration"


@dataclass(frozen=True)
class Pictures:
    """uint8 RGB pictures laid into the model's size, in two parts without a picture in common.

    `truths` are label masks of the held-out part, IGNORE outside the picture; None when there are no masks.
    """

    calibrate: Sequence[np.ndarray]
    held_out: Sequence[np.ndarray]
    truths: Sequence[np.ndarray] | None
    source: str


def rendered_pictures(size: tuple[int, int], count: int = MOST) -> Pictures:
    """Portraits of train/synthetic, for use without photographs. `size` is (height, width).

    Scenes of the training range calibrate, scenes of the validation range judge.
    """
    half = count // 2
    training, judging = Synthetic(size), Synthetic(size, "val")
    judges = [_laid_into(size, *judging.read(index)) for index in range(count - half)]
    return Pictures(
        [_laid_into(size, *training.read(index))[0] for index in range(half)],
        [image for image, _ in judges],
        [mask for _, mask in judges],
        "rendered portraits",
    )


def _laid_into(size: tuple[int, int], image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    box = Letterbox.fit(mask.shape[:2], size)
    return box.apply(image), box.apply_mask(mask)


def holdout_of(facts: Mapping[str, Any]) -> float:
    """The share of pictures that no source of a checkpoint's training saw, by its `facts`; the default when unknown.

    A recipe of several sources has several shares: what lies below the smallest was kept from all of them.
    """
    recipe = facts.get("recipe")
    data = recipe.get("data") if isinstance(recipe, Mapping) else None
    sources = data.get("train") if isinstance(data, Mapping) else None
    shares = [
        0.0 if source.get("split") == "all" else source.get("holdout", HOLDOUT)
        for source in (sources if isinstance(sources, (list, tuple)) else ())
        if isinstance(source, Mapping) and source.get("kind") != "synthetic"
    ]
    return min((float(share) for share in shares if isinstance(share, (int, float))), default=HOLDOUT)


def pictures_of(
    folder: Path,
    size: tuple[int, int],
    classes: tuple[str, ...],
    most: int = MOST,
    geometry: str = LETTERBOX,
    holdout: float = HOLDOUT,
) -> Pictures:
    """Pictures of a `folder` data set (images/ and masks/), or of a plain folder of pictures; `most` at most.

    Those that training with this `holdout` never saw judge, others calibrate. Bytes decide, so the choice is the same
    on every machine, and copies of one picture count once. Raises InputError when there are fewer than two.
    """
    if not folder.is_dir():
        raise InputError(f"calibration folder {folder} does not exist; give a folder of pictures")
    masks = Folder(folder, classes=classes) if (folder / "masks").is_dir() else None
    inside = folder / "images" if (folder / "images").is_dir() else folder
    items: Sequence[Item] = masks.items if masks else [Item(p.name, p, p) for p in list_images(inside)]
    sides = _sides(items, most, holdout)
    if len(sides) < 2:
        raise InputError(
            f"{folder} holds {len(sides)} different pictures; calibration and parity need at least 2, better 64"
        )
    unseen = [item for item, side in sides if side == "unseen"]
    seen = [item for item, side in sides if side == "seen"]
    count = min(most, len(sides))
    judges = unseen[: count - count // 2]
    judges += seen[: max(0, min(_ENOUGH, count - count // 2) - len(judges))]
    calibrate = [item for item in [*seen, *unseen] if item not in judges][: count // 2]
    kept = sum(item in unseen for item in judges)
    truths = [_truth(item, masks, size, geometry) for item in judges] if masks else None
    source = f"{folder.name or 'folder'}, {kept} of {len(judges)} kept from training"
    return Pictures(
        [_picture(item, size, geometry) for item in calibrate],
        [_picture(item, size, geometry) for item in judges],
        truths,
        source,
    )


def _sides(items: Sequence[Item], most: int, holdout: float) -> list[tuple[Item, str]]:
    """Different pictures in salted order, each "seen" or "unseen" by training; of a large folder, a sample."""
    sample = sorted(items, key=lambda item: hashlib.sha256(_SALT + item.name.encode()).digest())[: _SAMPLE * most]
    found = {}
    for item in sample:
        content = item.image.read_bytes()
        side = "seen" if falls_into(content, "train", holdout) else "unseen"
        found[hashlib.sha256(_SALT + content).digest()] = (item, side)
    return [found[key] for key in sorted(found)]


def _picture(item: Item, size: tuple[int, int], geometry: str) -> np.ndarray:
    image = load_image(item.image)
    return Letterbox.fit(image.shape[:2], size, geometry).apply(image)


def _truth(item: Item, masks: Folder, size: tuple[int, int], geometry: str) -> np.ndarray:
    mask = masks.check_labels(item, masks.read_mask(item))
    check_same_size(item, load_image(item.image), mask)
    return Letterbox.fit(mask.shape, size, geometry).apply_mask(mask, fill=IGNORE)
