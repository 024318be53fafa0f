"""Capture, inference and output overlap, and the newest picture wins: a slow model lowers the mask's rate, never the
video's, and nothing queues up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..media.memory import keep_freed_memory
from ..segmenter import Segmenter
from .camera import Source
from .inference import Inference, Mask
from .latest import Latest

_STALLED = 10.0  # seconds without a picture after which the pipeline gives up
_MOST_DELAY = 0.25  # seconds by which aligned pictures are shown late at most, so that sound still fits
_WINDOW = 60  # pictures that statistics look back on


@dataclass(frozen=True)
class Shown:
    """A picture to show, with the newest mask there is (its own, when the model keeps up)."""

    image: np.ndarray
    mask: Mask
    captured: float  # time.monotonic() at which the picture was there
    own_mask: bool


class Statistics:
    """What the overlay tells: rates over the last pictures, and medians of milliseconds by stage."""

    def __init__(self) -> None:
        self._stages: dict[str, deque[float]] = {}
        self._shown: deque[float] = deque(maxlen=_WINDOW)

    def add(self, stage: str, seconds: float) -> None:
        """Count `seconds` for a stage: capture, inference, composite, latency."""
        self._stages.setdefault(stage, deque(maxlen=_WINDOW)).append(1000 * seconds)

    def tick(self) -> None:
        """A picture was shown."""
        self._shown.append(time.monotonic())

    @property
    def rate(self) -> float:
        """Pictures shown per second."""
        span = self._shown[-1] - self._shown[0] if len(self._shown) > 1 else 0.0
        return (len(self._shown) - 1) / span if span else 0.0

    def milliseconds(self) -> dict[str, float]:
        """Median of each stage."""
        return {stage: float(np.median(list(values))) for stage, values in self._stages.items()}

    def line(self) -> str:
        """One line for the overlay."""
        stages = "  ".join(f"{stage} {value:.1f}" for stage, value in self.milliseconds().items())
        return f"{self.rate:.0f} fps  {stages} ms"


class LivePipeline:
    """Runs a source and a model in threads of their own; iterate over it to get what to show.

    >>> with LivePipeline(source, [segmenter]) as pipeline:
    ...     for shown in pipeline:
    ...         frame = scene.compose(shown.image, shown.mask.of(shown.image))

    `segmenters` are copies of one model, each with a picture of its own; `change` is applied to pictures as they come.
    With `align` every picture shown has its own mask: it is shown later, by the same time for all, and those for which
    the model has no time are left out.
    """

    def __init__(
        self,
        source: Source,
        segmenters: Sequence[Segmenter],
        smooth: bool = True,
        change: Callable[[np.ndarray], np.ndarray] = lambda image: image,
        align: bool = False,
    ) -> None:
        self.statistics = Statistics()
        self._source, self._change, self._align = source, change, align
        self._pictures: Latest[tuple[np.ndarray, float]] = Latest()
        self._stop = threading.Event()
        self._inference = Inference(segmenters, self._pictures, smooth, self._stop, self.statistics.add)
        self._capturing = threading.Thread(target=self._capture, name="capture", daemon=True)

    def __enter__(self) -> LivePipeline:
        keep_freed_memory()
        self._capturing.start()
        self._inference.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._capturing.join(_STALLED)
        self._inference.join(_STALLED)
        self._source.close()

    def __iter__(self) -> Iterator[Shown]:
        for shown in self._aligned() if self._align else self._newest():
            self.statistics.tick()
            yield shown
            self.statistics.add("latency", time.monotonic() - shown.captured)

    def _aligned(self) -> Iterator[Shown]:
        """Pictures with their own masks, each as long after it was captured as the slowest mask so far has taken."""
        number, delay = 0, 0.0
        while (masked := self._inference.masks.take(number, _STALLED)) or not self._inference.masks.closed:
            if masked is None:
                raise InputError(f"the camera has given no picture for {_STALLED:.0f} seconds")
            number, (image, mask) = masked
            late = time.monotonic() - mask.captured
            delay = min(max(delay, late), _MOST_DELAY)
            time.sleep(max(0.0, delay - late))
            yield Shown(image, mask, mask.captured, own_mask=True)

    def _newest(self) -> Iterator[Shown]:
        """The newest picture there is, with its own mask where that comes in time, else with the newest."""
        number = 0  # of the picture that was shown last
        while (taken := self._pictures.take(number, _STALLED)) or not self._pictures.closed:
            if taken is None:
                raise InputError(f"the camera has given no picture for {_STALLED:.0f} seconds")
            masked = self._inference.masks.take(number, self._patience())
            if masked:
                number, (image, mask) = masked
                shown = Shown(image, mask, mask.captured, own_mask=True)
            elif before := self._inference.masks.newest:
                number, (image, captured) = taken
                shown = Shown(image, before[1], captured, own_mask=False)
            else:
                return
            yield shown

    def _patience(self) -> float:
        """Seconds to wait for a picture's own mask."""
        if self._inference.masks.newest is None:
            return _STALLED
        # A model that keeps up is waited for, in two frames' time it is there; for a slow one no picture is held back.
        return (2 if self._inference.keeps_up_with(self._source.rate) else 1) / self._source.rate

    def _capture(self) -> None:
        number = 0
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                picture = self._source.read()
                if picture is None:
                    break
                now = time.monotonic()
                self.statistics.add("capture", now - began)
                number += 1
                self._pictures.put((self._change(picture), now), number)
            self._pictures.close()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that iterates
            self._pictures.close(error)
