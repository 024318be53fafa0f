"""How fast training is: the whole loop, against the network alone and the feed alone, taking turns."""

from __future__ import annotations

import dataclasses
import resource
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import islice, repeat
from pathlib import Path

import torch
from rich.progress import Progress

from ...train.data.augment import Batch
from ...train.data.feed import TrainingBatches, feed, loader_processes, open_caches
from ...train.datasets import open_source
from ...train.engine.distributed import open_fabric
from ...train.engine.optimizer import build_optimizer
from ...train.models import Normalize, build_model
from ...train.recipe import Recipe
from ...train.trainer import batch_losses, freeze_stages
from ..reporting.table import formatted, provenance, write_csv

_WARM = 8  # steps before the clock: a loader's processes start, and what they have made ahead is used up
ROUNDS = 3


def benchmark_training(
    recipe: Recipe, out: Path, steps: int = 20, accelerator: str = "auto", progress: Progress | None = None
) -> Path:
    """Images per second of `recipe`, median of three rounds of `steps` steps; writes training_RECIPE.csv into `out`.

    "one batch again and again" is the network's limit; "training" feeds it as a run does; "feed" leaves the network
    out; "feed, no cache" decodes every picture each time.
    """
    bar = progress or Progress(disable=True)
    run = dataclasses.replace(recipe.run, steps=1 << 40)
    recipe = dataclasses.replace(recipe, run=run)
    fabric = open_fabric(recipe.run, accelerator)
    root = Path(recipe.data.root).expanduser()
    sources = [open_source(spec, root, recipe.data.size, recipe.model.classes) for spec in recipe.data.train]
    batches = TrainingBatches(sources, open_caches(sources, recipe.data, bar), recipe)
    uncached = TrainingBatches(sources, [None] * len(sources), recipe)
    # Speed does not depend on what the encoder knows.
    untrained = dataclasses.replace(recipe.model, encoder_weights="none")
    network = build_model(untrained).to(memory_format=torch.channels_last)
    freeze_stages(network, recipe.optimizer.frozen_stages)
    model, optimizer = fabric.setup(network, build_optimizer(network, recipe.optimizer))
    normalize = Normalize().to(fabric.device)

    def step(batch: Batch) -> None:
        fabric.backward(batch_losses(model, normalize, batch, recipe).total)
        optimizer.step()
        optimizer.zero_grad()

    def fresh(which: TrainingBatches) -> Callable[[], Iterator[Batch]]:
        return lambda: feed(which, 0, fabric.device)

    first = feed(batches, 0, fabric.device)
    constant = next(first)
    first.close()
    processes = {which: loader_processes(which, fabric.device) for which in (batches, uncached)}
    contestants: dict[str, tuple[Callable[[], Iterator[Batch]], Callable[[Batch], None], int]] = {
        "one batch again and again": (lambda: repeat(constant), step, 0),
        "training": (fresh(batches), step, processes[batches]),
        "feed": (fresh(batches), lambda batch: None, processes[batches]),
        "feed, no cache": (fresh(uncached), lambda batch: None, processes[uncached]),
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    task = bar.add_task("training speed", total=ROUNDS * len(contestants))
    for _ in range(ROUNDS):
        for name, (source, use, _) in contestants.items():
            given = source()
            rates[name].append(_rate(given, use, steps, fabric.device) * recipe.run.batch)
            if isinstance(given, Generator):
                given.close()  # its loader's processes must not outlive this one's interpreter
            bar.advance(task)
    limit = statistics.median(rates["one batch again and again"])
    rows = [
        {
            "what": name,
            "images_per_second": statistics.median(values),
            "of_the_network_alone": statistics.median(values) / limit,
            "batch": recipe.run.batch,
            "workers": contestants[name][2],
            "precision": recipe.run.precision,
            "device": torch.cuda.get_device_name() if fabric.device.type == "cuda" else fabric.device.type,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "steps": steps,
            **provenance(),
        }
        for name, values in rates.items()
    ]
    path = out / f"training_{recipe.name}.csv"
    write_csv(path, rows)
    return path


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of training_NAME.csv as Markdown."""
    return formatted(
        rows,
        {
            "what": "{what}",
            "images/s": "{images_per_second:.1f}",
            "of the network alone": "{of_the_network_alone:.2f}x",
            "batch": "{batch:.0f}",
            "device": "{device}",
        },
    )


def _rate(batches: Iterator[Batch], use: Callable[[Batch], None], steps: int, device: torch.device) -> float:
    """Batches per second."""
    for batch in islice(batches, _WARM):
        use(batch)
    _wait(device)
    start = time.perf_counter()
    for batch in islice(batches, steps):
        use(batch)
    _wait(device)
    return steps / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
