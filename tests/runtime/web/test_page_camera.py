"""The page with a camera or a video, and the package's track, in Chromium, Firefox and WebKit."""

import numpy as np
import pytest

from portraitnet.runtime.web.server import DIST
from portraitnet.tests.runtime.web.page import READY, choose, pixels, says

pytestmark = pytest.mark.skipif(not (DIST / "app").is_dir(), reason="the page is not built: make web")


def test_a_video_plays_with_its_background_replaced(page, clip):
    choose(page, "#208060")
    page.set_files("#file", clip)
    page.wait("window.portraitnet?.frames > 8")
    found = pixels(page)
    green = np.abs(found[..., :3].astype(int) - (0x20, 0x80, 0x60)).max(axis=2) < 8
    assert 0.15 < green.mean() < 0.8  # the rest is the person
    assert "fps" in page.evaluate("document.getElementById('statistics').textContent")


def test_a_video_is_drawn_by_the_2d_canvas_and_then_a_photo_by_webgl2(page, address, clip, portrait):
    """As where WebGL2 is slow; the statistics say what draws."""
    page.open("about:blank")
    page.open(f"{address}#moving=quick")
    page.wait(READY)
    choose(page, "#208060")
    page.set_files("#file", clip)
    page.wait("window.portraitnet?.frames > 3")
    assert "Canvas 2D on the" in page.evaluate("document.getElementById('statistics').textContent")
    green = np.abs(pixels(page)[..., :3].astype(int) - (0x20, 0x80, 0x60)).max(axis=2) < 8
    assert 0.15 < green.mean() < 0.8
    page.set_files("#file", portrait[0])
    page.wait("document.getElementById('statistics').textContent.includes('WebGL2 on the')")
    assert pixels(page).shape == (512, 512, 4)


def test_a_camera_runs_and_one_that_is_unplugged_is_said(page):
    page.evaluate(
        """(() => {
            const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (wanted) => {
                const stream = await get(wanted);
                window.track = stream.getVideoTracks()[0];
                return stream;
            };
        })()"""
    )
    page.click("#camera")
    says(page, "Live")
    page.wait("window.portraitnet?.frames > 3")
    page.evaluate("track.stop()")  # which fires no event: the page has to look
    says(page, "The camera is gone")
    assert page.evaluate("document.getElementById('camera').textContent") == "Camera"
    page.click("#camera")
    says(page, "Live")
    frames = page.evaluate("window.portraitnet.frames")
    page.wait(f"window.portraitnet.frames > {frames + 2}")
    page.click("#camera")
    says(page, "The camera is off")


def test_a_camera_that_sends_nothing_more_is_said_until_it_does_again(page, address):
    page.open("about:blank")
    page.open(f"{address}#stall=1500")  # milliseconds
    page.wait(READY)
    page.evaluate(
        """(() => {
            const canvas = Object.assign(document.createElement('canvas'), {width: 320, height: 240});
            const context = canvas.getContext('2d');
            window.sending = true;
            setInterval(() => sending && context.fillRect(Math.random() * 300, 0, 20, 240), 50);
            navigator.mediaDevices.getUserMedia = async () => canvas.captureStream();
        })()"""
    )
    page.click("#camera")
    page.wait("window.portraitnet?.frames > 0")
    page.evaluate("void (window.sending = false)")
    says(page, "sends no new pictures")
    if page.name != "webkit":  # where a captured canvas sends two frames, then never more
        page.evaluate("void (window.sending = true)")
        says(page, "Live")
    page.click("#camera")
    says(page, "The camera is off")


def test_a_camera_that_cannot_be_had_gets_a_helpful_message(page):
    messages = {
        "NotAllowedError": "is not allowed",
        "NotFoundError": "no camera here",
        "NotReadableError": "Another program",
    }
    for name, words in messages.items():
        page.evaluate(
            f"void (navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}') }})"
        )
        page.click("#camera")
        says(page, words)
        assert page.evaluate("document.getElementById('status').classList.contains('error')")


def test_a_track_of_its_own_for_video_calls(browser, address):
    """The package's example: ten lines that put a processed track where a camera's was."""
    browser.open(address)
    browser.wait(READY)
    # A captured canvas sends two frames in WebKitGTK, then never more: there we look at the canvas itself.
    shown = "viewOf(track).canvas" if browser.name == "webkit" else "video"
    found = browser.evaluate(
        """(async () => {
            const {createBackgroundProcessor, viewOf, rgb} = await import('./shared/engine.js');
            const wanted = {width: {ideal: 320}, height: {ideal: 240}};
            const [camera] = (await navigator.mediaDevices.getUserMedia({video: wanted})).getVideoTracks();
            const [model] = await (await fetch('models.json')).json();
            const background = {kind: 'colour', rgb: rgb('#208060')};
            const track = await createBackgroundProcessor(camera, {model, background});
            const video = Object.assign(document.createElement('video'), {muted: true, playsInline: true});
            video.srcObject = new MediaStream([track]);
            video.play();
            const copy = new OffscreenCanvas(16, 12).getContext('2d', {willReadFrequently: true});
            let pixels = [];
            for (let i = 0; i < 900 && !pixels.some((value, at) => at % 4 === 1 && value > 120); i++) {
                await new Promise((done) => setTimeout(done, 100));
                const shown = SHOWN;
                if (shown.videoWidth ?? shown.width) copy.drawImage(shown, 0, 0, 16, 12);
                pixels = Array.from(copy.getImageData(0, 0, 16, 12).data);
            }
            const {kind} = viewOf(track).abilities;
            const {width, height} = camera.getSettings();
            const shown = SHOWN;
            const size = [shown.videoWidth ?? shown.width, shown.videoHeight ?? shown.height];
            track.stop();
            camera.stop();
            return {kind, pixels, size, camera: [width, height], live: track.readyState};
        })()""".replace("SHOWN", shown)
    )
    assert found["kind"] in ("WebGL2", "Canvas 2D")  # the one that is faster here
    pixels = np.array(found["pixels"]).reshape(-1, 4)[:, :3]
    green = np.abs(pixels - (0x20, 0x80, 0x60)).max(axis=1) < 12
    assert green.mean() > 0.2, np.unique(pixels, axis=0)[-8:]  # the rest is what the model takes for a person
    # WebKit's fake camera sends what was wanted and reports its usual size.
    assert found["size"] in (found["camera"], [320, 240])
    assert found["live"] == "ended"
