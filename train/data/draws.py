"""A training batch before augmentation, and everything random about it. Step n depends on the seed and n alone.

So a resumed run, or one spread over several processes, sees exactly the pictures the uninterrupted one saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ..recipe import AugmentSpec, SourceSpec

PATCH_TRIES = 20


class Draws(NamedTuple):
    """One value (or row) per picture of this process's share; uniforms are in [0, 1)."""

    zoom: torch.Tensor
    angle: torch.Tensor  # radians
    shift: torch.Tensor  # x, y; shares of the input
    flip: torch.Tensor
    upper_body: torch.Tensor
    crop: torch.Tensor  # uniforms for the lower edge, headroom and width; a normal for the offset from the centre
    colour: torch.Tensor
    brightness: torch.Tensor
    contrast: torch.Tensor
    sharpness: torch.Tensor
    blur: torch.Tensor  # kernel size, 0 for none
    noise: torch.Tensor  # standard deviation, of 255
    paste: torch.Tensor
    patch: torch.Tensor  # tries x 4 uniforms: height, width, y, x of a background
    mirror: torch.Tensor
    softness: torch.Tensor  # of a pasted outline: standard deviation in pixels
    match: torch.Tensor  # how much of the background's mean colour the person takes on
    hls: torch.Tensor  # factors of hue, lightness, saturation
    noise_seed: int  # the same for all shares of a step
    first: int  # of this share, in the whole batch
    batch: int
    changes_hls: bool
    blur_reach: int  # of the widest kernel that may be drawn
    box_blur: bool


class Chosen(NamedTuple):
    """Which pictures: (source, index) of each, and of the one that its background may come from."""

    pictures: list[tuple[int, int]]
    backgrounds: list[tuple[int, int]]


class Canvases(NamedTuple):
    """Pictures as they are before augmentation, on canvases of one size; uint8, batch x H x W (x 3).

    `rects` are (top, left, height, width) of the pictures on them. The backgrounds are those of the pictures
    numbered `paste_into`. Where `soft` (batch) is true, a mask is alpha, 0..255, in place of labels. `contrasts`
    (batch x H x W) hold how far the person's colours are from the background's; 0 where they are not known.
    """

    images: torch.Tensor
    masks: torch.Tensor
    rects: torch.Tensor
    background_images: torch.Tensor
    background_masks: torch.Tensor
    background_rects: torch.Tensor
    paste_into: torch.Tensor
    soft: torch.Tensor | None = None
    contrasts: torch.Tensor | None = None

    @classmethod
    def plain(cls, images: torch.Tensor, masks: torch.Tensor, rects: torch.Tensor) -> Canvases:
        """Canvases that keep their own backgrounds."""
        return cls(images, masks, rects, images[:0], masks[:0], rects[:0], torch.zeros(0, dtype=torch.long))


class RawBatch(NamedTuple):
    """A step's share before augmentation."""

    canvases: Canvases
    draws: Draws
    names: list[str]


def draw(
    seed: int,
    step: int,
    batch: int,
    lengths: Sequence[int],
    sources: Sequence[SourceSpec],
    spec: AugmentSpec,
    rank: int = 0,
    world: int = 1,
) -> tuple[Chosen, Draws]:
    """What `step` of a run takes, of which process `rank` of `world` gets its share of the `batch`.

    `lengths` are the numbers of pictures in the `sources`.
    """
    rng = np.random.default_rng((seed, step))
    chosen, behind = (_choose(rng, batch, lengths, sources) for _ in range(2))
    wants_crop = np.array([sources[source].upper_body for source, _ in chosen])
    values = {
        "zoom": rng.uniform(*spec.scale, batch),
        "angle": np.deg2rad(rng.uniform(-spec.rotation, spec.rotation, batch)),
        "shift": rng.uniform(-spec.translation, spec.translation, (batch, 2)),
        "flip": rng.random(batch) < spec.flip,
        "upper_body": rng.random(batch) < wants_crop,
        "crop": np.column_stack([rng.random((batch, 3)), rng.standard_normal(batch)]),
        "colour": rng.uniform(*spec.colour, batch),
        "brightness": rng.uniform(*spec.brightness, batch),
        "contrast": rng.uniform(*spec.contrast, batch),
        "sharpness": rng.uniform(*spec.sharpness, batch),
        "blur": rng.choice([0, *spec.blur], batch),
        "noise": rng.uniform(0, spec.noise, batch),
        "paste": rng.random(batch) < spec.cut_and_paste,
        "patch": rng.random((batch, PATCH_TRIES, 4)),
        "mirror": rng.random(batch) < 0.5,
        "softness": rng.uniform(0.6, 1.4, batch),
        "match": rng.uniform(0, 0.35, batch),
    }
    noise_seed = int(rng.integers(1 << 62))
    # Drawn last: what came before them in older recipes stays as it was.
    factors = [rng.uniform(*around, batch) for around in (spec.hue, spec.lightness, spec.saturation)]
    values["hls"] = np.column_stack(factors)
    if spec.texture_probability < 1:
        _leave_some(rng, values, spec.texture_probability)
    count = batch // world
    own = slice(rank * count, (rank + 1) * count)
    tensors: dict[str, Any] = {key: _tensor(value[own]) for key, value in values.items()}
    draws = Draws(
        **tensors,
        noise_seed=noise_seed,
        first=own.start,
        batch=batch,
        changes_hls=any(around != (1, 1) for around in (spec.hue, spec.lightness, spec.saturation)),
        blur_reach=max((0, *spec.blur)) // 2,
        box_blur=spec.blur_kernel == "box",
    )
    return Chosen(chosen[own], behind[own]), draws


def _choose(
    rng: np.random.Generator, batch: int, lengths: Sequence[int], sources: Sequence[SourceSpec]
) -> list[tuple[int, int]]:
    shares = np.array([length * source.weight for length, source in zip(lengths, sources, strict=True)])
    which = rng.choice(len(lengths), batch, p=shares / shares.sum())
    return [(int(source), int(rng.random() * lengths[source])) for source in which]


def _leave_some(rng: np.random.Generator, values: dict[str, np.ndarray], probability: float) -> None:
    """Undo each texture change of each picture with 1 - `probability`."""
    for name in ("colour", "brightness", "contrast", "sharpness", "hls"):
        values[name] = np.where(rng.random(values[name].shape) < probability, values[name], 1.0)
    values["blur"] = np.where(rng.random(len(values["blur"])) < probability, values["blur"], 0)


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32 if values.dtype == np.float64 else None))
