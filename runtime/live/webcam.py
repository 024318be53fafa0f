"""`portraitnet webcam`: the loop that joins source, model, background and outputs, and listens to keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ..compositing.composite import Background, Blur, Cutout, Picture, parse_background, shows_fringe
from ..compositing.fringe import without_fringe
from ..compositing.light import compose
from ..compositing.overlay import write_line
from ..compositing.smoothing import AlphaSmoother
from ..media.images import save_image
from ..segmenter import Segmenter
from .camera import Source
from .framing import AutoFrame
from .pipeline import LivePipeline, Shown

KEYS = "b background   + - blur   m mirror   space pause   s statistics   p snapshot   q quit"
_BLUR_STEP, _LEAST_BLUR, _MOST_BLUR = 1.25, 0.3, 20.0
_NOTHING = Picture(np.full((1, 1, 3), 128, np.uint8))  # what "none" looks like where there is no transparency


class Sink(Protocol):
    """Takes the composed pictures."""

    def send(self, image: np.ndarray, seconds: float) -> None:
        """One picture, uint8 RGB, and when its original was captured."""
        ...

    def close(self) -> None:
        """No more pictures."""
        ...


@dataclass
class Controls:
    """What keys change while the camera runs."""

    backgrounds: Sequence[Background]
    chosen: int = 0
    mirror: bool = False
    paused: bool = False
    statistics: bool = False
    snapshot: bool = False
    quit: bool = False

    @property
    def background(self) -> Background:
        """The background that is on."""
        return self.backgrounds[self.chosen]

    def press(self, key: str) -> None:
        """Act on a key of KEYS; others are ignored."""
        if key == "b":
            self.chosen = (self.chosen + 1) % len(self.backgrounds)
        elif key in ("+", "=", "-") and isinstance(self.background, Blur):
            factor = 1 / _BLUR_STEP if key == "-" else _BLUR_STEP
            strength = min(max(self.background.strength * factor, _LEAST_BLUR), _MOST_BLUR)
            self.backgrounds = [*self.backgrounds]
            self.backgrounds[self.chosen] = Blur(strength)
        elif key == "m":
            self.mirror = not self.mirror
        elif key == " ":
            self.paused = not self.paused
        elif key == "s":
            self.statistics = not self.statistics
        elif key == "p":
            self.snapshot = True
        elif key in ("q", "\x1b"):
            self.quit = True


@dataclass
class Webcam:
    """One live session; `run` returns the number of pictures shown."""

    source: Source
    segmenters: Sequence[Segmenter]  # copies of one model, each with a picture of its own
    controls: Controls
    sinks: Sequence[Sink] = field(default_factory=list)
    keys: Callable[[], str] = lambda: ""
    smooth: bool = True
    refine: bool = False
    light_wrap: float = 0.0
    align: bool = False  # see LivePipeline
    framing: AutoFrame | None = None
    snapshots: Path = Path()
    say: Callable[[str], object] = lambda text: None

    def __post_init__(self) -> None:
        """Nothing was shown yet."""
        self._edges, self._before = AlphaSmoother(), 0.0  # of refined outlines; when the last picture was captured

    def run(self, most: int = 0) -> int:
        """Until the source ends, q or Ctrl-C is pressed, or `most` (0: any number of) pictures were shown.

        All outputs are closed, and so recordings finished, whichever way it ends.
        """
        count, started = 0, time.monotonic()
        with ExitStack() as outputs, suppress(KeyboardInterrupt):
            for sink in self.sinks:
                outputs.callback(sink.close)  # each is called, also when another one raises
            with LivePipeline(self.source, self.segmenters, self.smooth, self._oriented, self.align) as pipeline:
                for shown in pipeline:
                    if not self.controls.paused:
                        picture = self._composed(shown, pipeline, shown.captured - started)
                        for sink in self.sinks:
                            sink.send(picture, shown.captured)
                        count += 1
                    self.controls.press(self.keys())
                    if self.controls.quit or count == most > 0:
                        break
        return count

    def _oriented(self, image: np.ndarray) -> np.ndarray:
        return cv2.flip(image, 1) if self.controls.mirror else image

    def _composed(self, shown: Shown, pipeline: LivePipeline, seconds: float) -> np.ndarray:
        began = time.monotonic()
        steady = partial(self._edges, elapsed=shown.captured - self._before) if self.smooth else None
        image, alpha = shown.image, shown.mask.of(shown.image, self.refine, steady)
        self._before = shown.captured
        if self.framing is not None:
            image, alpha = self.framing(image, alpha, max(0.0, seconds))
        scene = self.controls.background
        opaque = _NOTHING if isinstance(scene, Cutout) else scene
        image = without_fringe(image, alpha) if shows_fringe(scene) else image
        picture = compose(opaque, image, alpha, max(0.0, seconds), self.light_wrap)
        pipeline.statistics.add("composite", time.monotonic() - began)
        if self.controls.snapshot:
            self.controls.snapshot = False
            path = self.snapshots / time.strftime("portraitnet-%Y%m%d-%H%M%S.png")
            save_image(path, compose(scene, image, alpha, max(0.0, seconds), self.light_wrap))
            self.say(f"snapshot: {path}")
        if self.controls.statistics:
            write_line(picture, pipeline.statistics.line(), max(0.4, picture.shape[0] / 900))
        return picture


def parse_backgrounds(specs: Sequence[str]) -> list[Background]:
    """The backgrounds that `b` goes through: those given, then blur, a colour and none."""
    given = [parse_background(spec) for spec in specs]
    more = [parse_background(spec) for spec in ("blur", "#208060", "none") if spec not in specs]
    return [*given, *more]
