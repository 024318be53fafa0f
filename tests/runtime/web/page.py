"""What tests do with the page of `portraitnet serve` and read from it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from portraitnet.benchmarks.page.browsers import Browser

READY = "!document.getElementById('camera').disabled && document.getElementById('progress').hidden"


def status(page: Browser) -> str:
    return page.evaluate("document.getElementById('status').textContent")


def says(page: Browser, words: str, seconds: float = 120) -> None:
    """Wait until the page's status line holds these words."""
    page.wait(f"document.getElementById('status').textContent.includes({json.dumps(words)})", seconds)


def choose(page: Browser, background: str) -> None:
    page.click(f"input[name=background][value='{background}']")


def pixels(page: Browser) -> np.ndarray:
    """What the canvas shows: uint8 height x width x 4."""
    found = page.evaluate(
        """(() => {
            const view = document.getElementById('view');
            const copy = new OffscreenCanvas(view.width, view.height).getContext('2d');
            copy.drawImage(view, 0, 0);
            const {data} = copy.getImageData(0, 0, view.width, view.height);
            let text = '';
            for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
            return [view.height, view.width, btoa(text)];
        })()"""
    )
    return np.frombuffer(base64.b64decode(found[2]), np.uint8).reshape(found[0], found[1], 4)


def settled(page: Browser, action: Callable[[], object]) -> None:
    """Do something, and wait until it is drawn."""
    before = page.evaluate("window.portraitnet?.frames ?? 0")
    action()
    page.wait(f"(window.portraitnet?.frames ?? 0) > {before}")


def assert_soon(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for what cannot be asked of the page itself."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not come true"
        time.sleep(0.1)


def show(page: Browser, portrait: tuple[Path, np.ndarray]) -> None:
    """Open the sample portrait's file, and wait until it is drawn."""
    settled(page, lambda: page.set_files("#file", portrait[0]))


def detail(picture: np.ndarray, where: np.ndarray) -> float:
    """How sharp a picture is there: the mean absolute Laplacian."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.abs(cv2.Laplacian(grey, cv2.CV_32F))[where].mean()
