"""From data sets to batches: pictures out of the cache (or rendered), then augmentation where it costs least."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from rich.progress import Progress, TaskID
from torch.utils.data import DataLoader, Dataset

from ...runtime.errors import InputError
from ..datasets import OnCanvas, SoftMasks, Source, has_layers, label_of
from ..recipe import DataSpec, Recipe
from .augment import Batch, Target, make_batch
from .cache import PictureCache, default_folder, open_cache
from .draws import Canvases, Chosen, Draws, RawBatch, draw


def canvas_size(data: DataSpec) -> tuple[int, int]:
    """Height and width of the canvas: the input's, times data.canvas. Raises InputError outside 1 to 8 times."""
    if not 1 <= data.canvas <= 8:
        raise InputError(f"data.canvas is {data.canvas}: pictures are kept at 1 to 8 times the input")
    return round(data.size[0] * data.canvas), round(data.size[1] * data.canvas)


def open_caches(sources: Sequence[Source], data: DataSpec, bar: Progress) -> list[PictureCache | None]:
    """The cache of each source, built where it is missing; None for sources without files, and for data.cache=none."""
    if data.cache == "none":
        return [None] * len(sources)
    home = Path(data.cache).expanduser() if data.cache else default_folder()
    caches = []
    for source, spec in zip(sources, data.train, strict=True):
        task = bar.add_task(f"decoding {label_of(spec)}, once", total=len(source), visible=False)
        caches.append(open_cache(source, canvas_size(data), home, partial(_show, bar, task)))
    return caches


def _show(bar: Progress, task: TaskID, done: int) -> None:
    bar.update(task, completed=done, visible=True)


class TrainingBatches(Dataset[RawBatch]):
    """The batch of each step, addressed by the step's number; this process's share of it."""

    def __init__(
        self,
        sources: Sequence[Source],
        caches: Sequence[PictureCache | None],
        recipe: Recipe,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if recipe.run.batch % world:
            raise ValueError(f"a batch of {recipe.run.batch} cannot be shared by {world} processes")
        self.sources, self.caches, self.recipe = sources, caches, recipe
        self.rank, self.world = rank, world
        self.canvas = canvas_size(recipe.data)
        self.target = Target.of(recipe.data, recipe.model.classes)

    def draw(self, step: int) -> tuple[Chosen, Draws]:
        """Which pictures `step` takes, and all that is random about them."""
        data, run = self.recipe.data, self.recipe.run
        lengths = [len(source) for source in self.sources]
        return draw(run.seed, step, run.batch, lengths, data.train, data.augment, self.rank, self.world)

    def names(self, chosen: Chosen) -> list[str]:
        """Readable names of the pictures."""
        return [self.sources[source].name(index) for source, index in chosen.pictures]

    def __getitem__(self, step: int) -> RawBatch:
        chosen, draws = self.draw(step)
        paste_into = torch.nonzero(draws.paste)[:, 0]
        contrasts = self.no_contrasts(len(chosen.pictures))
        canvases = Canvases(
            *self._stack(chosen.pictures, None if contrasts is None else contrasts.numpy()),
            *self._stack([chosen.backgrounds[i] for i in paste_into]),
            paste_into,
            self.soft(chosen),
            contrasts,
        )
        return RawBatch(canvases, draws, self.names(chosen))

    def soft(self, chosen: Chosen) -> torch.Tensor | None:
        """Which pictures have alpha for a mask; None where no loss needs it."""
        loss = self.recipe.loss
        if not (loss.matte or loss.composition or loss.soft_labels):
            return None
        return torch.tensor([isinstance(self.sources[source], SoftMasks) for source, _ in chosen.pictures])

    def no_contrasts(self, count: int) -> torch.Tensor | None:
        """Contrasts of `count` pictures of unknown colours; None where no loss needs them."""
        return torch.zeros((count, *self.canvas), dtype=torch.uint8) if self.recipe.loss.composition else None

    def _stack(
        self, chosen: list[tuple[int, int]], contrasts: np.ndarray | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images, masks and rects; fills in the `contrasts` of the sources that know them."""
        images = np.empty((len(chosen), *self.canvas, 3), np.uint8)
        masks = np.empty((len(chosen), *self.canvas), np.uint8)
        rects = np.empty((len(chosen), 4), np.int32)
        for place, (number, index) in enumerate(chosen):
            images[place], masks[place], rects[place] = self._read(number, index)
            source = self.sources[number]
            if contrasts is not None and isinstance(source, SoftMasks) and has_layers(source.source):
                contrasts[place] = source.source.contrast_on_canvas(index, self.canvas)
        return torch.from_numpy(images), torch.from_numpy(masks), torch.from_numpy(rects)

    def _read(self, source: int, index: int) -> OnCanvas:
        cache = self.caches[source]
        return self.sources[source].on_canvas(index, self.canvas) if cache is None else cache.read(index)


class ResidentBatches:
    """The same batches from caches held in the device's memory: nothing is read, copied or waited for."""

    def __init__(self, batches: TrainingBatches, device: torch.device) -> None:
        caches = [cache for cache in batches.caches if cache is not None]
        if len(caches) != len(batches.caches):
            raise ValueError("only cached sources can be held in memory")
        self.batches, self.device = batches, device
        mapped = [cache.mapped() for cache in caches]
        self.images = torch.cat([_to_device(images, device) for images, _ in mapped])
        self.masks = torch.cat([_to_device(masks, device) for _, masks in mapped])
        self.rects = torch.from_numpy(np.concatenate([cache.rects for cache in caches])).to(device)
        self.first = np.cumsum([0, *(len(cache) for cache in caches)])

    def __getitem__(self, step: int) -> RawBatch:
        chosen, draws = self.batches.draw(step)
        paste_into = torch.nonzero(draws.paste)[:, 0]
        canvases = Canvases(
            *self._take(chosen.pictures),
            *self._take([chosen.backgrounds[i] for i in paste_into]),
            paste_into.to(self.device),
            None if (soft := self.batches.soft(chosen)) is None else soft.to(self.device),
            # No set that is cached knows its layers.
            None if (none := self.batches.no_contrasts(len(chosen.pictures))) is None else none.to(self.device),
        )
        return RawBatch(canvases, to_device(draws, self.device), self.batches.names(chosen))

    def _take(self, chosen: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        where = torch.tensor([int(self.first[source]) + index for source, index in chosen], dtype=torch.long)
        where = where.to(self.device, non_blocking=True)
        return self.images[where], self.masks[where], self.rects[where]


class AugmentedBatches(Dataset[Batch]):
    """The same, augmented where they are read: on a CPU, in the loader's processes."""

    def __init__(self, batches: TrainingBatches) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Batch:
        return make_batch(self.batches[step], self.batches.target)


def feed(batches: TrainingBatches, first_step: int, device: torch.device) -> Generator[Batch, None, None]:
    """Batches on `device`, from `first_step` to the recipe's last.

    A GPU augments, on pictures that it holds where they fit. On a CPU this process does, by all its threads, or the
    loader's processes where pictures have to be made.
    """
    steps = range(first_step, batches.recipe.run.steps)
    on_cpu = device.type == "cpu"
    if device.type == "cuda" and _fits(batches, device):
        resident = ResidentBatches(batches, device)
        yield from (make_batch(resident[step], batches.target) for step in steps)
        return
    workers = loader_processes(batches, device)
    loader: Iterable[Any] = DataLoader(
        AugmentedBatches(batches) if on_cpu else batches,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        # Not fork: a child of a process whose OpenCV threads have run hangs at its first OpenCV call.
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=single_threaded,
    )
    for loaded in loader:
        if on_cpu:
            yield loaded
        else:
            here = RawBatch(to_device(loaded.canvases, device), to_device(loaded.draws, device), loaded.names)
            yield make_batch(here, batches.target)


def loader_processes(batches: TrainingBatches, device: torch.device) -> int:
    """How many processes read the pictures beside this one."""
    # On a CPU they would take the network's cores to augment; only pictures that have to be made are worth that.
    return 0 if device.type == "cpu" and all(batches.caches) else batches.recipe.data.workers


_Named = TypeVar("_Named", Canvases, Draws)


def to_device(named: _Named, device: torch.device) -> _Named:
    """The same with every tensor on `device`."""
    there: dict[str, Any] = {
        key: value.to(device, non_blocking=True)
        for key, value in named._asdict().items()
        if isinstance(value, torch.Tensor)
    }
    return named._replace(**there)


def single_threaded(_: int) -> None:
    """Keep a loader's worker to one thread: the workers are the parallelism. (DataLoader passes its number.)"""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _fits(batches: TrainingBatches, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    caches = batches.caches
    return all(caches) and sum(cache.bytes for cache in caches if cache) < free / 2


def _to_device(mapped: np.ndarray, device: torch.device) -> torch.Tensor:
    """A mapped array on the device, in pieces: the whole would pass through this process's memory."""
    result = torch.empty(mapped.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(mapped), 256):
        result[start : start + 256] = torch.from_numpy(np.array(mapped[start : start + 256]))
    return result
