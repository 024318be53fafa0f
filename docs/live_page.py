"""Makes the README's animation of the live page: python docs/live_page.py (after `make web`; needs Chromium).

Chromium's fake camera plays a clip of scikit-image's public-domain portrait, filmed by a camera that sways; the page of
`portraitnet serve` replaces its background live. It is photographed every two seconds and shown faster, so that a busy
computer without a GPU makes the same animation.
"""

from __future__ import annotations

import io
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

from portraitnet.benchmarks.page.browsers import Chromium
from portraitnet.runtime.backends import find_model
from portraitnet.runtime.files import write_beside
from portraitnet.runtime.web.server import PageServer, resources

ANIMATION = Path(__file__).parent / "images" / "live.webp"
_CAMERA, _RATE, _SECONDS = (360, 480), 4, 56  # height and width; frames per second; length of the swaying
_PAGE = {"width": 760, "height": 600}
_BACKGROUNDS = ("blur", "hills", "lights", "#208060")
_SHOTS = 7  # of each background
_EVERY, _SHOWN = 2.0, 0.2  # seconds from picture to picture, and that each is shown
_WIDTH, _QUALITY = 570, 60


def swaying_clip(path: Path) -> Path:
    """A .y4m of the portrait, seen by a camera that drifts in a closed curve and breathes in and out."""
    portrait = data.astronaut()
    height, width = _CAMERA
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{_RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(_RATE * _SECONDS):
            angle = 2 * np.pi * number / (_RATE * _SECONDS)
            scale = 1.1 + 0.06 * np.sin(angle)
            centre = np.array([232 + 30 * np.sin(angle), 170 + 8 * np.sin(2 * angle)])
            turn = np.deg2rad(2.5 * np.sin(angle + 1))
            matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            shift = np.array([width / 2, height / 2]) - matrix @ centre
            frame = cv2.warpAffine(
                portrait, np.column_stack([matrix, shift]), (width, height), borderMode=cv2.BORDER_REPLICATE
            )
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def filmed_page(clip: Path) -> list[Image.Image]:
    """Pictures of the page while it runs."""
    server = PageServer(resources([find_model("nano")]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = Chromium(camera=clip, viewport=_PAGE)
    pictures = []
    try:
        browser.open(server.url)
        browser.wait("!document.getElementById('camera').disabled", 120)
        browser.click("#camera")
        browser.wait("window.portraitnet?.frames > 10", 120)
        for background in _BACKGROUNDS:
            browser.click(f"input[name=background][value='{background}']")
            for _ in range(_SHOTS):
                began = time.monotonic()
                shot = Image.open(io.BytesIO(browser.page.screenshot())).convert("RGB")
                pictures.append(
                    shot.resize((_WIDTH, round(shot.height * _WIDTH / shot.width)), Image.Resampling.LANCZOS)
                )
                time.sleep(max(0.0, _EVERY - (time.monotonic() - began)))
    finally:
        browser.close()
        server.shutdown()
        server.server_close()
    return pictures


def main() -> None:
    """Write the animation."""
    with tempfile.TemporaryDirectory() as scratch:
        first, *others = filmed_page(swaying_clip(Path(scratch) / "camera.y4m"))
    with write_beside(ANIMATION) as temporary:
        first.save(
            temporary,
            save_all=True,
            append_images=others,
            duration=round(1000 * _SHOWN),
            loop=0,
            quality=_QUALITY,
            method=6,
        )
    print(f"{ANIMATION}: {ANIMATION.stat().st_size / 1000:.0f} KB, {1 + len(others)} frames")


if __name__ == "__main__":
    main()
