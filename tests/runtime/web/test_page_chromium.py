"""The page where only Chromium can be driven: downloads, WebGPU, blocked requests."""

import av
import numpy as np
import pytest
from PIL import Image

from portraitnet.benchmarks.page.browsers import CHROMIUM, Chromium
from portraitnet.export import flatbuffer
from portraitnet.runtime.metrics import iou
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.runtime.shipped import find_model
from portraitnet.runtime.web.server import DIST, PageServer, resources
from portraitnet.tests.runtime.web.page import READY, choose, says, settled, show, status
from portraitnet.tests.serving import serving

pytestmark = [
    pytest.mark.skipif(not (DIST / "app").is_dir(), reason="the page is not built: make web"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


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


def test_a_recording_plays_and_shows_no_room(driver, address, clip, tmp_path):
    browser = Chromium(driver=driver)
    browser.open(address)
    browser.wait(READY)
    choose(browser, "#208060")
    browser.set_files("#file", clip)
    browser.wait("window.portraitnet?.frames > 2")
    browser.click("#record")
    browser.wait("document.getElementById('record').getAttribute('aria-pressed') == 'true'")
    browser.wait(f"window.portraitnet.frames > {browser.evaluate('window.portraitnet.frames')} + 12")
    with browser.page.expect_download() as download:
        browser.click("#record")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) > 3
    assert np.abs(frames[-1][3, 3].astype(int) - (0x20, 0x80, 0x60)).max() < 20
    browser.close()


def in_float32(model, out):
    """The same .tflite with its float16 weights unpacked, at `out`."""
    file = flatbuffer.read(model.read_bytes())
    graph = file.subgraphs[0]
    for unpacked in [op for op in graph.operators if flatbuffer.operator_name(file, op) == "DEQUANTIZE"]:
        packed, weights = graph.tensors[unpacked.inputs[0]], graph.tensors[unpacked.outputs[0]]
        values = np.frombuffer(bytes(bytearray(file.buffers[packed.buffer].data)), np.float16)
        file.buffers[packed.buffer].data = values.astype(np.float32).view(np.uint8)
        weights.buffer = packed.buffer
        graph.operators.remove(unpacked)
        packed.type = weights.type
    out.write_bytes(flatbuffer.pack(file))
    return out


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_float_model_runs_by_webgpu_and_agrees(driver, portrait, tmp_path, precision):
    """On a GPU made of software, which browsers bring for tests: slow, but the real shaders."""
    model = find_model("nano")  # ships with float16 weights
    if precision == "fp32":
        model = in_float32(model, tmp_path / "float.tflite")
    assert ("float16" in flatbuffer.weight_types(model)) == (precision == "fp16")
    segmenter = Segmenter.load(model)
    software = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")
    browser = Chromium(driver=driver, flags=software)
    with serving(PageServer(resources([model]))) as server:
        browser.open(server.url)
        browser.wait(READY)
        browser.page.locator("summary").click()
        browser.page.select_option("#processor", "gpu")
        says(browser, "WebGPU")
        show(browser, portrait)
        assert "WebGPU" in browser.evaluate("window.portraitnet.processor")
        found = np.array(browser.evaluate("Array.from(window.portraitnet.alpha)"), np.float32)
        browser.close()
    wanted = segmenter.small_alpha(portrait[1])[1]
    found = found.reshape(wanted.shape)
    assert iou(found > 0.5, wanted > 0.5) > 0.98
    assert np.abs(found - wanted).mean() < 0.01


def test_a_way_that_fails_gives_place_to_the_next_which_is_said(driver, address, portrait):
    browser = Chromium(driver=driver, service_workers="block")  # whose requests the route would not see
    browser.page.route("**/litert_wasm_threaded_internal.js", lambda route: route.abort())
    browser.open(address)
    browser.wait(READY)
    assert "1 thread, relaxed SIMD" in status(browser)
    show(browser, portrait)
    assert "not 2 threads" in browser.evaluate("document.getElementById('statistics').textContent")
    browser.close()


def test_a_way_that_is_slow_to_start_is_waited_for_when_no_other_works(driver, address, portrait):
    browser = Chromium(driver=driver, service_workers="block")
    browser.page.route("**/litert_wasm_internal.js", lambda route: route.abort())
    browser.page.route("**/litert_wasm_compat_internal.js", lambda route: route.abort())
    browser.open(f"{address}#patience=1")  # milliseconds
    browser.wait(READY)
    assert "2 threads, relaxed SIMD" in status(browser)
    show(browser, portrait)
    shown = browser.evaluate("document.getElementById('statistics').textContent")
    assert "not 2 threads, relaxed SIMD: it did not start in time" in shown
    browser.close()


def test_four_threads_are_enough_of_many_cores(driver, address, portrait):
    cores = "Object.defineProperty(Object.getPrototypeOf(navigator), 'hardwareConcurrency', {value: 16});"
    browser = Chromium(driver=driver, service_workers="block")
    browser.page.add_init_script(cores)

    def answer(route):
        found = route.fetch()
        route.fulfill(response=found, body=cores + found.text())

    browser.page.route("**/worker-*.js", answer)
    browser.open(address)
    browser.wait(READY)
    assert "4 threads" in status(browser)
    show(browser, portrait)
    scripts = [worker.url.rpartition("/")[2] for worker in browser.page.workers]
    assert scripts.count("litert_wasm_threaded_internal.js") == 3, scripts  # the fourth is the worker that starts them
    browser.close()


def test_threads_that_are_never_made_are_tried_again(driver, address, portrait):
    """Firefox leaves some starts like that; here the first request for the threads' script gets no answer."""
    browser = Chromium(driver=driver, service_workers="block")
    asked = []

    def answer(route):
        asked.append(route)
        if len(asked) > 1:
            route.continue_()

    browser.page.route("**/litert_wasm_threaded_internal.js", answer)
    browser.open(address)
    browser.wait(READY, seconds=20)  # the next way would come after 25
    assert "2 threads, relaxed SIMD" in status(browser)
    show(browser, portrait)
    assert "not 2 threads" not in browser.evaluate("document.getElementById('statistics').textContent")
    browser.close()


def test_a_browser_without_webassembly_is_told(driver, address):
    browser = Chromium(driver=driver)
    browser.page.add_init_script("delete globalThis.WebAssembly")
    browser.open(address)
    says(browser, "lacks WebAssembly")
    browser.close()
