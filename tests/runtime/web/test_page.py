"""The page in a real browser: headless Chromium with a fake camera, the real model, the real WebAssembly."""

import shutil
import threading
import time
from itertools import product

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from portraitnet.export.graph import DeployedGraph
from portraitnet.export.tflite_export import export_tflite
from portraitnet.runtime.backends import default_weights, find_model
from portraitnet.runtime.compositing.smoothing import AlphaSmoother
from portraitnet.runtime.geometry import GEOMETRIES, Letterbox
from portraitnet.runtime.metrics import iou
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.runtime.web.server import PAGE, PageServer, resources
from portraitnet.train.engine.checkpoint import load_checkpoint
from portraitnet.train.predict import describe

CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not (PAGE / "node_modules").is_dir(), reason="the page's packages are not installed: make web"),
]
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-component-update"),
    *("--disable-background-networking", "--use-fake-device-for-media-stream"),
]


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    """The sample portrait as a file, and as the browser sees it."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the sample portrait")
    path = tmp_path_factory.mktemp("portrait") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path, data.astronaut()


@pytest.fixture(scope="module")
def camera(tmp_path_factory, portrait):
    """A clip for the fake camera: the portrait, moving a little, as motion JPEG."""
    path = tmp_path_factory.mktemp("camera") / "clip.mjpeg"
    with path.open("wb") as clip:
        for number in range(30):
            shift = np.float32([[1.25, 0, -8 * np.sin(number / 5)], [0, 1.25, -60]])
            frame = cv2.warpAffine(portrait[1], shift, (640, 480), borderMode=cv2.BORDER_REPLICATE)
            clip.write(cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes())
    return path


@pytest.fixture(scope="module")
def address():
    server = PageServer(resources([default_weights()]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.url
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def chromium(driver, camera):
    browser = driver.chromium.launch(
        executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
    )
    yield browser
    browser.close()


@pytest.fixture
def page(chromium, address):
    """A fresh page with a camera that is allowed, its model ready; it must not have raised an error at the end."""
    context = chromium.new_context(viewport={"width": 1000, "height": 900}, permissions=["camera"])
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    wait(page, "!document.getElementById('camera').disabled")
    yield page
    context.close()
    assert errors == []


def wait(page, condition, seconds=60):
    """Until the page says so; asked from outside, since its own policy forbids evaluating text."""
    until = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < until, f"{condition} did not come true; the page says: {page.inner_text('#status')}"
        time.sleep(0.05)


def corner(page):
    """Colour of the view near its upper right corner, where the sample portrait shows the background."""
    pixel = "document.getElementById('view').getContext('2d').getImageData(500, 5, 1, 1).data"
    return page.evaluate(f"Array.from({pixel})")[:3]


def test_the_pages_alpha_is_the_python_runtimes(page, portrait):
    path, image = portrait
    page.set_input_files("#file", path)
    wait(page, "window.portraitnet?.frames > 0")
    box, wanted = Segmenter.load(default_weights()).small_alpha(image)
    found = np.array(page.evaluate("Array.from(window.portraitnet.alpha)"), np.float32).reshape(wanted.shape)
    found_box = page.evaluate("window.portraitnet.box")
    assert found_box == {"top": box.top, "left": box.left, "height": box.height, "width": box.width}
    assert iou(found > 0.5, wanted > 0.5) > 0.99
    assert np.abs(found - wanted).mean() < 0.01
    assert page.evaluate("self.crossOriginIsolated")


def test_a_live_camera_gets_its_background_replaced_and_nothing_leaks(page):
    page.check("input[value='#208060']")
    page.click("#camera")
    wait(page, "window.portraitnet?.frames > 10")
    assert "nothing is sent" in page.inner_text("#status")
    memory = "performance.memory.usedJSHeapSize"
    before = page.evaluate(memory)
    wait(page, "window.portraitnet.frames > 310", seconds=240)
    assert page.evaluate(memory) < before + 40e6
    page.click("#camera")
    green = page.evaluate(
        """() => {
            const view = document.getElementById('view');
            const {data} = view.getContext('2d').getImageData(0, 0, view.width, view.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {
                count += Math.hypot(data[i] - 0x20, data[i + 1] - 0x80, data[i + 2] - 0x60) < 12;
            }
            return count / (view.width * view.height);
        }"""
    )
    assert 0.2 < green < 0.8  # the rest is the person


def test_the_cut_out_is_downloaded_with_its_transparency(page, portrait, tmp_path):
    page.set_input_files("#file", portrait[0])
    wait(page, "!document.getElementById('save').disabled")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "cut.png")
    cut = np.array(Image.open(tmp_path / "cut.png"))
    assert cut.shape == (512, 512, 4)
    segmenter = Segmenter.load(default_weights())
    alpha = segmenter.alpha_bytes(portrait[1]).astype(int)
    assert np.abs(cut[..., 3] - alpha).mean() < 2
    raw = segmenter(portrait[1])
    nearly = np.where(raw < 0.5, (raw > 0.03) & (raw < 0.1), (raw > 0.9) & (raw < 0.97))
    # What is nearly nothing or all has become that (see levels.py): without it, these pixels differ by 14.
    assert np.abs(cut[..., 3] - alpha)[nearly].mean() < 3


def put_behind(page, portrait, picture, frames):
    """The sample portrait before a file of one's own, once `frames` pictures were drawn; the corner's colour."""
    page.set_input_files("#file", portrait[0])
    wait(page, "window.portraitnet?.frames > 0")
    page.set_input_files("#picture", picture)
    wait(page, f"document.getElementById('own').checked && window.portraitnet.frames >= {frames}")
    return corner(page)


def test_a_video_of_ones_own_plays_behind_a_still(page, portrait, tmp_path):
    with av.open(str(tmp_path / "sea.webm"), "w") as container:
        stream = container.add_stream("libvpx", rate=10, options={"deadline": "realtime"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for _ in range(10):
            blue = np.full((96, 160, 3), (10, 20, 230), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(blue, format="rgb24")))
        container.mux(stream.encode())
    red, _, blue = put_behind(page, portrait, tmp_path / "sea.webm", 6)
    assert blue > 180 > 80 > red


def test_a_model_that_no_gpu_takes_runs_on_the_cpu_and_says_so(page, portrait):
    """There is no GPU in this browser, as there is none that takes int8."""
    page.evaluate(
        """() => {
            document.getElementById('processor').parentElement.hidden = false;
            document.getElementById('processor').value = 'gpu';
            document.getElementById('processor').dispatchEvent(new Event('change'));
        }"""
    )
    wait(page, "document.getElementById('status').textContent.includes('does not run on the GPU')")
    page.set_input_files("#file", portrait[0])
    wait(page, "window.portraitnet?.frames > 0")
    assert "thread(s)" in page.evaluate("window.portraitnet.processor")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_float_model_runs_by_webgpu_and_agrees(driver, portrait, tmp_path, precision):
    """On a GPU made of software, which browsers bring for tests: slow, but the real shaders."""
    model = find_model("nano")  # ships with float16 weights
    if precision == "fp32":
        trained = load_checkpoint(default_weights().with_suffix(".safetensors"))
        model = tmp_path / "float.tflite"
        export_tflite(DeployedGraph(trained.model), describe(trained), model, precision)
    segmenter = Segmenter.load(model)
    server = PageServer(resources([model]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    software = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"]
    flags = [flag for flag in FLAGS if flag != "--disable-gpu"] + software
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
    page = browser.new_page()
    page.goto(server.url)
    wait(page, "!document.getElementById('camera').disabled")
    page.select_option("#processor", "gpu")
    size = "{}x{}".format(*segmenter.contract.size)
    wait(page, f"document.getElementById('status').textContent.includes('ready ({size}, GPU)')")
    page.set_input_files("#file", portrait[0])
    wait(page, "window.portraitnet?.frames > 0")
    found = np.array(page.evaluate("Array.from(window.portraitnet.alpha)"), np.float32)
    browser.close()
    server.shutdown()
    server.server_close()
    wanted = segmenter.small_alpha(portrait[1])[1]
    found = found.reshape(wanted.shape)
    # A browser shrinks a square picture to nano's 144x256 less exactly than its CPU or GPU computes.
    assert iou(found > 0.5, wanted > 0.5) > (0.99 if precision == "fp32" else 0.98)
    assert np.abs(found - wanted).mean() < 0.01


def test_another_model_is_chosen_and_one_that_cannot_be_had_leaves_the_last(chromium, portrait):
    server = PageServer(resources([find_model(name) for name in ("nano", "small", "mobile")]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = chromium.new_context(service_workers="block")  # whose requests the route would not see
    page = context.new_page()
    page.route("**/portraitnet-mobile.tflite", lambda route: route.abort())
    page.goto(server.url)
    wait(page, "!document.getElementById('camera').disabled")
    page.set_input_files("#file", portrait[0])
    wait(page, "window.portraitnet?.frames > 0")
    assert page.evaluate("window.portraitnet.alpha.length") == 144 * 256
    page.select_option("#model", index=1)
    wait(page, "window.portraitnet.alpha.length == 256 * 256")
    page.select_option("#model", index=2)
    wait(page, "document.getElementById('status').textContent.includes('portraitnet-mobile could not be loaded')")
    assert "portraitnet-small goes on" in page.inner_text("#status")
    assert page.input_value("#model") == "portraitnet-small"
    page.select_option("#model", index=0)
    wait(page, "window.portraitnet.alpha.length == 144 * 256")
    context.close()
    server.shutdown()
    server.server_close()


def test_a_picture_of_ones_own_becomes_the_background(page, portrait, tmp_path):
    Image.new("RGB", (300, 100), (250, 10, 10)).save(tmp_path / "red.png")
    red, green, _ = put_behind(page, portrait, tmp_path / "red.png", 2)
    assert red > 200 > 60 > green


def test_what_is_no_picture_is_said(page, tmp_path):
    (tmp_path / "note.txt").write_text("hello")
    page.set_input_files("#file", tmp_path / "note.txt")
    wait(page, "document.getElementById('status').textContent.startsWith('note.txt is no picture')")


def test_a_camera_that_is_not_allowed_and_one_that_is_not_there_get_a_helpful_message(chromium, address):
    for name, words in (
        ("NotAllowedError", "Allow it in the address bar"),
        ("NotFoundError", "There is no camera here"),
    ):
        context = chromium.new_context()
        page = context.new_page()
        page.add_init_script(
            f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}') }}"
        )
        page.goto(address)
        wait(page, "!document.getElementById('camera').disabled")
        page.click("#camera")
        wait(page, f"document.getElementById('status').textContent.includes('{words}')")
        context.close()


def test_a_browser_without_webassembly_is_told(chromium, address):
    context = chromium.new_context()
    page = context.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(address)
    wait(page, "document.getElementById('status').textContent.includes('lacks WebAssembly')")
    context.close()


def test_the_page_works_without_a_network_once_it_was_loaded(chromium):
    server = PageServer(resources([default_weights()]))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    context = chromium.new_context()
    page = context.new_page()
    page.goto(server.url)
    wait(page, "!document.getElementById('camera').disabled")
    kept = "(async () => (await (await caches.open('portraitnet-1')).keys()).length)()"
    wait(page, f"{kept}.then((count) => count > 8 && Boolean(navigator.serviceWorker.controller))")
    server.shutdown()
    server.server_close()
    thread.join(5)
    page.reload()
    wait(page, "!document.getElementById('camera').disabled")
    assert "is ready" in page.inner_text("#status")
    context.close()


def test_letterbox_and_smoothing_are_the_python_ones(page):
    sizes = [(720, 1280), (1280, 720), (224, 224), (1, 900), (333, 77), (31, 32), (1080, 1921)]
    script = """async ([sizes, geometries]) => {
        const {fit} = await import('./letterbox.js');
        return sizes.map(([h, w]) => geometries.flatMap((g) => [fit(h, w, 224, 224, g), fit(h, w, 144, 256, g)]));
    }"""
    for size, found in zip(sizes, page.evaluate(script, [sizes, list(GEOMETRIES)]), strict=True):
        cases = product(GEOMETRIES, [(224, 224), (144, 256)])
        for (geometry, target), box in zip(cases, found, strict=True):
            wanted = Letterbox.fit(size, target, geometry)
            assert box == {"top": wanted.top, "left": wanted.left, "height": wanted.height, "width": wanted.width}

    rng, smooth = np.random.default_rng(0), AlphaSmoother()
    alphas = rng.random((6, 40)).astype(np.float32)
    elapsed = [1 / 30, 1 / 60, 0.1, 2.0, 1 / 30, 1 / 25]
    wanted = [smooth(alpha[None], seconds)[0] for alpha, seconds in zip(alphas, elapsed, strict=True)]
    script = """async ([alphas, elapsed]) => {
        const {AlphaSmoother} = await import('./smoothing.js');
        const smoother = new AlphaSmoother();
        return alphas.map((alpha, i) => Array.from(smoother.apply(Float32Array.from(alpha), elapsed[i])));
    }"""
    found = page.evaluate(script, [alphas.tolist(), elapsed])
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_every_control_has_a_name_and_is_reached_by_the_keyboard(page):
    unnamed = page.evaluate("""() => [...document.querySelectorAll('button, input, select')]
        .filter((control) => !control.textContent.trim() && !control.labels?.[0]?.textContent.trim())
        .map((control) => control.id)""")
    assert unnamed == []
    reached = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"camera", "file", "background", "picture", "strength", "mirror", "smooth", "show", "model"} <= reached
