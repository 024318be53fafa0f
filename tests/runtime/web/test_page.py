"""The page in the engines of all phones: Chromium, Firefox, WebKit; the real model, the real WebAssembly."""

import json
import re
import shutil
import subprocess

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from portraitnet.benchmarks.page.browsers import CHROMIUM, Chromium
from portraitnet.export.graph import DeployedGraph
from portraitnet.export.tflite_export import export_tflite
from portraitnet.runtime.metrics import iou
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.runtime.shipped import default_weights, find_model
from portraitnet.runtime.web.server import DIST, PageServer, resources
from portraitnet.tests.serving import serving
from portraitnet.train.engine.checkpoint import load_checkpoint
from portraitnet.train.predict import describe

pytestmark = pytest.mark.skipif(not (DIST / "app").is_dir(), reason="the page is not built: make web")
only_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
READY = "!document.getElementById('camera').disabled && document.getElementById('progress').hidden"
DRAWN = "window.portraitnet?.frames > 0"


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    """The sample portrait as a file, and as the browser sees it."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the sample portrait")
    path = tmp_path_factory.mktemp("portrait") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path, data.astronaut()


@pytest.fixture(scope="module")
def clip(tmp_path_factory, portrait):
    """The portrait, moving a little, as a WebM that every engine plays."""
    path = tmp_path_factory.mktemp("clip") / "clip.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=15, options={"deadline": "realtime", "b": "2M"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(30):
            shift = np.float32([[0.6, 0, 8 - 8 * np.sin(number / 5)], [0, 0.6, -20]])
            frame = cv2.warpAffine(portrait[1], shift, (320, 240), borderMode=cv2.BORDER_REPLICATE)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def address():
    with serving(PageServer(resources([find_model(name) for name in ("nano", "small")]))) as server:
        yield server.url


@pytest.fixture
def page(browser, address):
    """A fresh page whose model is ready."""
    browser.resize(390, 844)
    browser.open("about:blank")
    browser.open(address)
    browser.wait(READY, 120)  # a way that does not start in time gives place to the next
    return browser


def status(page):
    return page.evaluate("document.getElementById('status').textContent")


def says(page, words, seconds=60):
    page.wait(f"document.getElementById('status').textContent.includes({json.dumps(words)})", seconds)


def choose(page, background):
    page.click(f"input[name=background][value='{background}']")


def pixels(page):
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
    import base64

    return np.frombuffer(base64.b64decode(found[2]), np.uint8).reshape(found[0], found[1], 4)


def settled(page, action):
    """Do something, and wait until it is drawn."""
    before = page.evaluate("window.portraitnet?.frames ?? 0")
    action()
    page.wait(f"(window.portraitnet?.frames ?? 0) > {before}")


def show(page, portrait):
    settled(page, lambda: page.set_files("#file", portrait[0]))


def detail(picture, where):
    grey = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.abs(cv2.Laplacian(grey, cv2.CV_32F))[where].mean()


def test_the_model_runs_in_the_best_way_that_the_engine_has(page, portrait):
    show(page, portrait)
    box, wanted = Segmenter.load(find_model("nano")).small_alpha(portrait[1])
    found = np.array(page.evaluate("Array.from(window.portraitnet.alpha)"), np.float32).reshape(wanted.shape)
    found_box = page.evaluate("window.portraitnet.box")
    assert found_box == {"top": box.top, "left": box.left, "height": box.height, "width": box.width}
    assert iou(found > 0.5, wanted > 0.5) > 0.98
    assert np.abs(found - wanted).mean() < 0.01
    assert page.evaluate("self.crossOriginIsolated")
    way = {"webkit": "1 thread, SIMD"}.get(page.name, "threads, relaxed SIMD")
    assert way in page.evaluate("window.portraitnet.processor")
    place = page.evaluate("window.portraitnet.abilities.place")
    assert place == ("page" if page.name == "webkit" else "worker")  # WebKitGTK has no WebGL2 in workers; Safari does
    page.click("#show")
    assert way in page.evaluate("document.getElementById('statistics').textContent")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_photo_with_each_background(page, portrait):
    """Blur comes first, by itself, and really blurs; nothing of the room is seen through the others."""
    show(page, portrait)
    says(page, "processed on this device")
    alpha = Segmenter.load(find_model("nano")).alpha_bytes(portrait[1])
    behind = cv2.dilate(alpha, np.ones((31, 31))) == 0
    assert detail(pixels(page), behind) < detail(portrait[1], behind) / 5
    for value in ("hills", "study", "lights", "#208060", "#1d3557", "#ffffff", "none"):
        settled(page, lambda: choose(page, value))  # noqa: B023 - called at once
        found = pixels(page)
        if value.startswith("#"):
            colour = [int(value[i : i + 2], 16) for i in (1, 3, 5)]
            assert np.abs(found[behind][:, :3].astype(int) - colour).max() <= 1
        elif value == "none":
            assert found[behind].max() == 0
        else:
            assert found[behind][:, :3].std() > 3
            assert np.abs(found[behind][:, :3].astype(int) - portrait[1][behind]).mean() > 20


def test_many_changes_of_the_look_run_the_model_not_at_all(page, portrait):
    show(page, portrait)
    runs, frames = page.evaluate("[window.portraitnet.modelRuns, window.portraitnet.frames]")
    page.evaluate(
        """(() => {
            const slider = document.getElementById('strength');
            for (let i = 0; i < 60; i++) {
                slider.value = 0.5 + i / 12;
                slider.dispatchEvent(new Event('input', {bubbles: true}));
            }
        })()"""
    )
    page.wait(f"window.portraitnet.frames > {frames + 1}")
    page.evaluate("new Promise((done) => setTimeout(done, 1500))")
    found = page.evaluate("[window.portraitnet.modelRuns, window.portraitnet.frames]")
    assert found[0] == runs
    assert found[1] < frames + 30  # of many at once only the newest is drawn


def test_a_video_plays_with_its_background_replaced(page, clip):
    choose(page, "#208060")
    page.set_files("#file", clip)
    page.wait("window.portraitnet?.frames > 8", 120)
    found = pixels(page)
    green = np.abs(found[..., :3].astype(int) - (0x20, 0x80, 0x60)).max(axis=2) < 8
    assert 0.15 < green.mean() < 0.8  # the rest is the person
    assert "fps" in page.evaluate("document.getElementById('statistics').textContent")


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
    page.wait("window.portraitnet?.frames > 3", 120)
    page.evaluate("track.stop()")  # which fires no event: the page has to look
    says(page, "The camera is gone")
    assert page.evaluate("document.getElementById('camera').textContent") == "Camera"
    page.click("#camera")
    says(page, "Live")
    frames = page.evaluate("window.portraitnet.frames")
    page.wait(f"window.portraitnet.frames > {frames + 2}", 120)
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
    page.wait("window.portraitnet?.frames > 0", 120)
    page.evaluate("void (window.sending = false)")
    says(page, "sends no new pictures")
    if page.name == "webkit":
        return  # where a captured canvas sends two frames, then never more
    page.evaluate("void (window.sending = true)")
    says(page, "Live")
    page.click("#camera")
    says(page, "The camera is off")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "is not allowed"),
        ("NotFoundError", "no camera here"),
        ("NotReadableError", "Another program"),
    ],
)
def test_a_camera_that_cannot_be_had_gets_a_helpful_message(page, name, words):
    page.evaluate(
        f"(() => {{ navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}') }} }})()"
    )
    page.click("#camera")
    says(page, words)
    assert page.evaluate("document.getElementById('status').classList.contains('error')")


def test_a_lost_gpu_is_replaced_and_the_picture_drawn_again(page, portrait):
    show(page, portrait)
    before = pixels(page)
    settled(page, lambda: page.evaluate("window.portraitnet.loseContext()"))
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert np.abs(pixels(page).astype(int) - before).mean() < 1
    settled(page, lambda: choose(page, "#ffffff"))
    assert pixels(page)[5, 5].tolist() == [255, 255, 255, 255]


def test_files_that_cannot_be_shown_are_said_and_the_page_goes_on(page, portrait, tmp_path):
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "broken.png").write_bytes(portrait[0].read_bytes()[:2000].replace(b"IHDR", b"IHDX"))
    page.set_files("#file", tmp_path / "note.txt")
    says(page, "note.txt is no picture or video")
    page.set_files("#file", tmp_path / "broken.png")
    says(page, "broken.png is")
    with av.open(str(tmp_path / "sound.webm"), "w") as container:
        stream = container.add_stream("libopus", rate=48_000)
        for _ in range(50):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
            frame.sample_rate = 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    page.set_files("#file", tmp_path / "sound.webm")
    page.wait("/has no picture in it|is no picture or video/.test(document.getElementById('status').textContent)")
    show(page, portrait)
    assert detail(pixels(page), np.full(portrait[1].shape[:2], True)) > 1


def test_a_photo_of_100_megapixels_is_shown_smaller_or_refused_in_a_line(page, portrait, tmp_path):
    large = cv2.resize(portrait[1], (10_000, 10_000), interpolation=cv2.INTER_LINEAR)
    cv2.imwrite(str(tmp_path / "large.jpg"), large[..., ::-1])
    page.set_files("#file", tmp_path / "large.jpg")
    page.wait(
        "/large.jpg (: processed|is larger)|large.jpg: processed/.test(document.getElementById('status').textContent)",
        120,
    )
    show(page, portrait)
    assert pixels(page).shape == (512, 512, 4)


def test_words_come_in_the_visitors_language(page):
    page.evaluate(
        """(() => {
            const choice = document.getElementById('language');
            choice.value = 'de';
            choice.dispatchEvent(new Event('change'));
        })()"""
    )
    assert page.evaluate("document.documentElement.lang") == "de"
    assert page.evaluate("document.getElementById('camera').textContent") == "Kamera"
    page.open(page.evaluate("location.href"))
    page.wait(READY)
    assert "ist bereit" in status(page)
    page.evaluate("localStorage.clear()")


def test_every_control_has_a_name_and_large_enough_a_target(page, portrait):
    show(page, portrait)
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, select')].filter((control) => !(control.textContent.trim()
            || control.getAttribute('aria-label') || control.labels?.[0]?.textContent.trim())).map(({id}) => id)"""
    )
    assert unnamed == []
    small = page.evaluate(
        """[...document.querySelectorAll('#bar > *, .icon, #backgrounds label')].filter((one) => one.offsetParent)
            .filter((one) => one.offsetHeight < 40 || one.offsetWidth < 40).map((one) => one.id || one.textContent)"""
    )
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_page_works_without_a_network_and_an_upgrade_replaces_its_files(engine, tmp_path, portrait):
    """Through a service worker whose version is the hash of all files: old ones go, the model stays."""
    dist = tmp_path / "dist"
    shutil.copytree(DIST, dist)
    models = [find_model("nano")]
    browser = engine()
    with serving(PageServer(resources(models, dist))) as server:
        port = server.server_port
        browser.open(server.url)
        browser.wait(READY)
        browser.wait("document.getElementById('offline').textContent.includes('without a network from now on')")
        (cache,) = browser.evaluate("caches.keys()")
        kept = browser.evaluate(f"caches.open('{cache}').then((c) => c.keys()).then((k) => k.map((r) => r.url))")
        assert sum(name.endswith(".wasm") for name in kept) == 1
        assert sum(".tflite" in name for name in kept) == 1
    browser.open(server.url)  # the server is gone
    browser.wait(READY)
    assert "is ready" in status(browser)
    settled(browser, lambda: browser.set_files("#file", portrait[0]))

    (app,) = (dist / "app").glob("app-*.js")
    newer = app.with_name("app-ZZZZZZZZ.js")
    app.rename(newer)
    newer.write_text(newer.read_text() + "\nwindow.upgraded = true;")
    for name in ("index.html", "sw.js"):
        text = (dist / "app" / name).read_text().replace(app.name, newer.name)
        (dist / "app" / name).write_text(re.sub(r"(VERSION = )\W\w+\W", r'\1"0123456789"', text))
    with serving(PageServer(resources(models, dist), port=port)) as server:
        browser.open(server.url)
        browser.wait("window.upgraded")
        browser.wait("caches.keys().then((names) => names.length == 1 && names[0] == 'portraitnet-0123456789')")
        browser.wait(
            """caches.open('portraitnet-0123456789').then((cache) => cache.keys()).then((kept) => {
                const names = kept.map(({url}) => url);
                return names.some((name) => name.endsWith('app-ZZZZZZZZ.js'))
                    && !names.some((name) => name.includes('"""
            + app.name
            + """'))
                    && names.some((name) => name.endsWith('.wasm')) && names.some((name) => name.includes('.tflite'));
            })"""
        )
    browser.open("about:blank")


def test_a_new_secret_address_makes_no_second_copy(engine):
    """With --lan each start has a new secret in the address, on the same port."""
    models = [find_model("nano")]
    browser, counts, port = engine(), [], 0
    for secret in ("first-secret", "second-secret"):
        with serving(PageServer(resources(models), port=port, token=secret)) as server:
            port = server.server_port
            browser.open(server.url)
            browser.wait(READY)
            browser.wait("document.getElementById('offline').textContent.includes('without a network from now on')")
            counts.append(
                browser.evaluate(
                    """(async () => {
                        const names = await caches.keys();
                        return Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).length));
                    })()"""
                )
            )
            workers = browser.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)")
            assert workers == 1
    assert counts[0] == counts[1]
    browser.open("about:blank")


def test_a_model_that_cannot_be_had_leaves_the_one_before(browser, tmp_path):
    """Not there, corrupt, and of another size than the list says."""
    site = resources([find_model(name) for name in ("nano", "small", "mobile", "large")])
    listed = json.loads(site["models.json"].content)
    (tmp_path / "corrupt.tflite").write_bytes(find_model("small").read_bytes()[:5000])
    del site[listed[3]["url"]]
    site[listed[1]["url"]] = type(site[""])("application/octet-stream", tmp_path / "corrupt.tflite")
    site[listed[2]["url"]] = type(site[""])("application/octet-stream", find_model("small"))
    listed[2]["bytes"] = find_model("small").stat().st_size
    site["models.json"] = type(site[""])("application/json", None, json.dumps(listed).encode())
    with serving(PageServer(site)) as server:
        browser.open(server.url)
        browser.wait(READY)
        for index in (1, 2, 3):
            browser.evaluate(
                f"""(() => {{
                    const choice = document.getElementById('model');
                    choice.selectedIndex = {index};
                    choice.dispatchEvent(new Event('change'));
                }})()"""
            )
            says(browser, f"{listed[index]['name']} could not be loaded")
            assert "portraitnet-nano goes on" in status(browser)
            assert browser.evaluate("document.getElementById('model').selectedIndex") == 0
        browser.open("about:blank")


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
            for (let i = 0; i < 150 && !pixels.some((value, at) => at % 4 === 1 && value > 120); i++) {
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
    assert found["kind"] == "WebGL2"
    pixels = np.array(found["pixels"]).reshape(-1, 4)[:, :3]
    green = np.abs(pixels - (0x20, 0x80, 0x60)).max(axis=1) < 12
    assert green.mean() > 0.2, np.unique(pixels, axis=0)[-8:]  # the rest is what the model takes for a person
    # WebKit's fake camera sends what was wanted and reports its usual size.
    assert found["size"] in (found["camera"], [320, 240])
    assert found["live"] == "ended"


@only_chromium
def test_what_is_saved_has_its_transparency_and_nothing_of_the_room(driver, address, portrait, tmp_path):
    browser = Chromium(driver=driver)
    browser.open(address)
    browser.wait(READY)
    show(browser, portrait)
    settled(browser, lambda: choose(browser, "none"))
    browser.click("#both")  # the comparison is only to look at
    with browser.page.expect_download() as download:
        browser.click("#save")
    download.value.save_as(tmp_path / "cut.png")
    cut = np.array(Image.open(tmp_path / "cut.png"))
    assert cut.shape == (512, 512, 4)
    assert cut[cut[..., 3] == 0].max() == 0
    alpha = Segmenter.load(find_model("nano"), refine=True).alpha_bytes(portrait[1]).astype(int)
    assert np.abs(cut[..., 3] - alpha).mean() < 2
    assert browser.errors == []
    browser.close()


@only_chromium
def test_a_recording_plays_and_shows_no_room(driver, address, clip, tmp_path):
    browser = Chromium(driver=driver)
    browser.open(address)
    browser.wait(READY)
    choose(browser, "#208060")
    browser.set_files("#file", clip)
    browser.wait("window.portraitnet?.frames > 2")
    browser.click("#record")
    browser.wait("document.getElementById('record').getAttribute('aria-pressed') == 'true'")
    browser.evaluate("new Promise((done) => setTimeout(done, 2500))")
    with browser.page.expect_download() as download:
        browser.click("#record")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) > 3
    assert np.abs(frames[-1][3, 3].astype(int) - (0x20, 0x80, 0x60)).max() < 20
    browser.close()


@only_chromium
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_float_model_runs_by_webgpu_and_agrees(driver, portrait, tmp_path, precision):
    """On a GPU made of software, which browsers bring for tests: slow, but the real shaders."""
    model = find_model("nano")  # ships with float16 weights
    if precision == "fp32":
        trained = load_checkpoint(default_weights().with_suffix(".safetensors"))
        model = tmp_path / "float.tflite"
        export_tflite(DeployedGraph(trained.model), describe(trained), model, precision)
    segmenter = Segmenter.load(model)
    software = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")
    browser = Chromium(driver=driver, flags=software)
    with serving(PageServer(resources([model]))) as server:
        browser.open(server.url)
        browser.wait(READY)
        browser.page.locator("summary").click()
        browser.page.select_option("#processor", "gpu")
        says(browser, "WebGPU", 120)
        show(browser, portrait)
        assert "WebGPU" in browser.evaluate("window.portraitnet.processor")
        found = np.array(browser.evaluate("Array.from(window.portraitnet.alpha)"), np.float32)
        browser.close()
    wanted = segmenter.small_alpha(portrait[1])[1]
    found = found.reshape(wanted.shape)
    assert iou(found > 0.5, wanted > 0.5) > 0.98
    assert np.abs(found - wanted).mean() < 0.01


@only_chromium
def test_a_way_that_fails_gives_place_to_the_next_which_is_said(driver, address, portrait):
    browser = Chromium(driver=driver, service_workers="block")  # whose requests the route would not see
    browser.page.route("**/litert_wasm_threaded_internal.js", lambda route: route.abort())
    browser.open(address)
    browser.wait(READY)
    assert "1 thread, relaxed SIMD" in status(browser)
    show(browser, portrait)
    assert "not 2 threads" in browser.evaluate("document.getElementById('statistics').textContent")
    browser.close()


@only_chromium
def test_a_browser_without_webassembly_is_told(driver, address):
    browser = Chromium(driver=driver)
    browser.page.add_init_script("delete globalThis.WebAssembly")
    browser.open(address)
    says(browser, "lacks WebAssembly")
    browser.close()


def test_the_built_page_is_what_the_sources_say(tmp_path):
    """What is served here was built from what lies here: a stale build would be tested in its place."""
    if not shutil.which("node"):
        pytest.skip("no Node.js here")
    web = DIST.parent
    phone = web.parent.parent / "benchmarks/phone/page"
    command = ["node", "build.mjs", f"app={web / 'page'}", f"phone={phone}"]
    import os

    subprocess.run(command, cwd=web, check=True, env={**os.environ, "PORTRAITNET_DIST": str(tmp_path / "dist")})
    fresh = {path.relative_to(tmp_path / "dist") for path in (tmp_path / "dist").rglob("*")}
    assert fresh == {path.relative_to(DIST) for path in DIST.rglob("*")}, "run `make web` again"
