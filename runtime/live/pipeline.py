"""Capture, inference and output overlap, and the newest picture wins: a slow model lowers the mask's rate, never the
video's, and nothing queues up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Generic, TypeVar

import numpy as np

from ..errors import InputError
from ..fringe import without_fringe
from ..geometry import Letterbox, resize
from ..levels import levels
from ..memory import keep_freed_memory
from ..refine import refine_alpha
from ..segmenter import Segmenter
from ..smoothing import AlphaSmoother
from .camera import Source

_STALLED = 10.0  # seconds without a picture after which the pipeline gives up
_WINDOW = 60  # pictures that statistics look back on
Value = TypeVar("Value")


class Latest(Generic[Value]):
    """A place for one value: a newer one replaces it, whether it was taken or not."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: Value | None = None
        self._number = 0
        self._closed: BaseException | bool = False

    def put(self, value: Value, number: int) -> None:
        """Replace the value; numbers grow."""
        with self._changed:
            self._value, self._number = value, number
            self._changed.notify_all()

    def take(self, after: int, timeout: float) -> tuple[int, Value] | None:
        """The value and its number once that is beyond `after`; None after `timeout` seconds, or when closed.

        Raises what the place was closed with.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self._closed, timeout)
            if self._number > after and self._value is not None:
                return self._number, self._value
            if isinstance(self._closed, BaseException):
                raise self._closed
            return None

    def close(self, error: BaseException | None = None) -> None:
        """No more values; those who wait are told."""
        with self._changed:
            self._closed = error or True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return bool(self._closed)


@dataclass(frozen=True)
class Mask:
    """Alpha 0..1 at the model's size, how the picture it was made of lies in it, and when that was captured."""

    alpha: np.ndarray
    box: Letterbox
    captured: float

    def of(self, image: np.ndarray, refine: bool = False) -> np.ndarray:
        """uint8 alpha height x width for `image`: the picture itself, or one soon after it."""
        if refine:
            return refine_alpha(image, self.box.content(self.alpha))
        return resize(self._levelled, image.shape[:2])

    def own_colours(self, image: np.ndarray) -> np.ndarray:
        """`image` without the old background's colours at the person's outline."""
        return without_fringe(image, self._levelled)

    @cached_property
    def _levelled(self) -> np.ndarray:
        return levels(self.box.content(self.alpha))


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

    >>> with LivePipeline(source, segmenter) as pipeline:
    ...     for shown in pipeline:
    ...         frame = scene.compose(shown.mask.own_colours(shown.image), shown.mask.of(shown.image))

    `change` is applied to each picture as it comes.
    """

    def __init__(
        self,
        source: Source,
        segmenter: Segmenter,
        smooth: bool = True,
        change: Callable[[np.ndarray], np.ndarray] = lambda image: image,
    ) -> None:
        self.statistics = Statistics()
        self._source, self._segmenter, self._smooth, self._change = source, segmenter, smooth, change
        self._pictures: Latest[tuple[np.ndarray, float]] = Latest()
        self._masks: Latest[Mask] = Latest()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("capture", self._capture), ("inference", self._infer))
        ]

    def __enter__(self) -> LivePipeline:
        keep_freed_memory()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_STALLED)
        self._source.close()

    def __iter__(self) -> Iterator[Shown]:
        number, masked, mask = 0, 0, None
        while (taken := self._pictures.take(number, _STALLED)) or not self._pictures.closed:
            if taken is None:
                raise InputError(f"the camera has given no picture for {_STALLED:.0f} seconds")
            number, (image, captured) = taken
            # A model that keeps up gives this picture's own mask within a frame's time. Until its first mask, wait.
            patience = _STALLED if mask is None else 1 / self._source.rate
            until = time.monotonic() + patience
            while masked < number and (left := until - time.monotonic()) > 0:
                newer = self._masks.take(masked, left)
                if newer is None:
                    break
                masked, mask = newer
            if mask is None:
                return
            self.statistics.tick()
            yield Shown(image, mask, captured, masked == number)
            self.statistics.add("latency", time.monotonic() - captured)

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

    def _infer(self) -> None:
        smoother = AlphaSmoother()
        number, before = 0, 0.0
        try:
            while not self._stop.is_set():
                taken = self._pictures.take(number, 0.2)
                if taken is None:
                    if self._pictures.closed:
                        break
                    continue
                number, (image, captured) = taken
                began = time.monotonic()
                box, alpha = self._segmenter.small_alpha(image)
                if self._smooth:
                    alpha = partial(smoother, elapsed=captured - before)(alpha)
                self.statistics.add("inference", time.monotonic() - began)
                self._masks.put(Mask(alpha, box, captured), number)
                before = captured
            self._masks.close()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that iterates
            self._masks.close(error)
