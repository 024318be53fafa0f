"""Latency that can be believed: contestants take turns in one process, and the median and spread are reported."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

IQR_OF_NORMAL = 1.349  # interquartile range of a normal distribution, in its standard deviations


@dataclass(frozen=True)
class Timing:
    """Milliseconds of `runs` counted calls; `rounds` holds each of them, in the order of the rounds."""

    median_ms: float
    p90_ms: float
    iqr_ms: float
    runs: int
    rounds: tuple[float, ...] = ()


def interleave(
    contestants: Sequence[Callable[[], object]],
    runs: int = 50,
    warmup: int = 5,
    seed: int = 0,
    on_round: Callable[[], None] = lambda: None,
) -> list[Timing]:
    """Time each contestant `runs` times, one call each per round in an order drawn anew, after `warmup` rounds.

    What else the machine does then falls on all alike, so ratios hold where absolute times drift.
    """
    order = list(range(len(contestants)))
    shuffle = random.Random(seed).shuffle
    times: list[list[float]] = [[] for _ in contestants]
    gc.collect()
    gc.disable()
    try:
        for round_number in range(warmup + runs):
            shuffle(order)
            for index in order:
                start = time.perf_counter()
                contestants[index]()
                elapsed = time.perf_counter() - start
                if round_number >= warmup:
                    times[index].append(elapsed * 1000)
            on_round()
    finally:
        gc.enable()
    return [summarize(values) for values in times]


def summarize(milliseconds: Sequence[float]) -> Timing:
    """Median, 90th percentile and interquartile range of measured times."""
    low, median, high, p90 = np.percentile(milliseconds, [25, 50, 75, 90])
    return Timing(float(median), float(p90), float(high - low), len(milliseconds), tuple(milliseconds))
