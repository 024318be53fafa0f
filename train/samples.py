"""From data sets to training samples. Sample number n depends on the seed and n alone, never on what ran before.

So a resumed run, or one spread over several processes, sees exactly the pictures the uninterrupted one saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from . import augment
from .datasets import Source
from .recipe import DataSpec


class Sample(NamedTuple):
    """One training sample, or a batch of them with a leading dimension.

    `augmented` and `original` are uint8 3 x H x W views of one geometry; `mask` and `edge` uint8 H x W labels.
    """

    augmented: torch.Tensor
    original: torch.Tensor
    mask: torch.Tensor
    edge: torch.Tensor
    name: str


class TrainingSamples(Dataset[Sample]):
    """Endless random samples over several sources, addressed by sample number."""

    def __init__(self, sources: list[Source], data: DataSpec, seed: int) -> None:
        self.sources, self.data, self.seed = sources, data, seed
        weights = np.concatenate([np.full(len(s), spec.weight) for s, spec in zip(sources, data.train, strict=True)])
        self._share = np.cumsum(weights) / weights.sum()
        self._first = np.cumsum([0, *(len(s) for s in sources)])

    def __getitem__(self, number: int) -> Sample:
        rng = np.random.default_rng((self.seed, number))
        which, index = self._draw(rng)
        source, spec = self.sources[which], self.data.train[which]
        image, mask = source.read(index)
        if spec.upper_body and rng.random() < spec.upper_body:
            image, mask = augment.upper_body(image, mask, rng)
        recipe = self.data.augment
        if recipe.cut_and_paste and rng.random() < recipe.cut_and_paste and (mask == 1).any():
            image, mask = self._with_other_background(image, mask, rng)
        original, labels = augment.random_geometry(image, mask, self.data.size, recipe, rng)
        augmented = augment.random_texture(original, recipe, rng)
        return Sample(
            _channels_first(augmented),
            _channels_first(original),
            torch.from_numpy(labels),
            torch.from_numpy(augment.edge_of(labels)),
            source.name(index),
        )

    def _draw(self, rng: np.random.Generator) -> tuple[int, int]:
        flat = min(int(np.searchsorted(self._share, rng.random(), side="right")), self._first[-1] - 1)
        which = int(np.searchsorted(self._first, flat, side="right")) - 1
        return which, flat - int(self._first[which])

    def _with_other_background(
        self, image: np.ndarray, mask: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        which, index = self._draw(rng)
        patch = augment.background_patch(*self.sources[which].read(index), rng)
        return (image, mask) if patch is None else augment.paste(image, mask, patch, rng)


class StepSampler(Sampler[list[int]]):
    """Sample numbers of each step from `first_step` on: this process's share of the global batch."""

    def __init__(self, first_step: int, steps: int, batch: int, rank: int = 0, world: int = 1) -> None:
        if batch % world:
            raise ValueError(f"a batch of {batch} cannot be shared by {world} processes")
        self.first_step, self.steps, self.batch = first_step, steps, batch
        self.share = batch // world
        self.offset = rank * self.share

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first_step, self.steps):
            start = step * self.batch + self.offset
            yield list(range(start, start + self.share))

    def __len__(self) -> int:
        return self.steps - self.first_step


def single_threaded(_: int) -> None:
    """Keep a loader's worker to one thread: the workers are the parallelism. (DataLoader passes its number.)"""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _channels_first(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
