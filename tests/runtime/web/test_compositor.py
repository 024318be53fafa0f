"""The browser's compositor beside the Python runtime, in the engines of all phones: the same picture comes out."""

import base64
import json

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from portraitnet.runtime.compositing.composite import blend
from portraitnet.runtime.compositing.levels import levels
from portraitnet.runtime.compositing.smoothing import AlphaSmoother
from portraitnet.runtime.geometry import GEOMETRIES, LETTERBOX, Letterbox
from portraitnet.runtime.shipped import find_model
from portraitnet.runtime.web.server import DIST, PageServer, Resource, page_files
from portraitnet.tests.runtime.web.drawing import COLOUR, LOOKS, draw, golden, outline, room
from portraitnet.tests.serving import serving

pytestmark = pytest.mark.skipif(not (DIST / "app").is_dir(), reason="the page is not built: make web")


@pytest.fixture(scope="module")
def blank(engine):
    """A page of the engine under test with the built package in `window.engine`."""
    browser = engine.shared()
    site = page_files("app")
    site[""] = site["index.html"] = Resource("text/html", None, b"<!doctype html><title>test</title><body></body>")
    with serving(PageServer(site)) as server:
        browser.open(server.url)
        browser.evaluate("import('./shared/engine.js').then((engine) => { window.engine = engine; })")
        yield browser


@pytest.fixture(scope="module")
def portrait():
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the sample portrait")
    return cv2.resize(data.astronaut(), (400, 300), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("refine", [False, True], ids=["plain", "refined"])
@pytest.mark.parametrize("background", LOOKS)
def test_pictures_are_the_python_ones(blank, portrait, background, refine):
    check_golden(blank, portrait, background, refine, LETTERBOX, (144, 256))


@pytest.mark.parametrize("size", [(300, 400), (400, 300)], ids=["wide", "tall"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_geometries_are_the_python_ones(blank, portrait, geometry, size):
    check_golden(blank, cv2.resize(portrait, size[::-1]), "colour", True, geometry, (224, 224))


def check_golden(browser, portrait, background, refine, geometry, size):
    box = Letterbox.fit(portrait.shape[:2], size, geometry)
    alpha = np.zeros(size, np.float32)
    box.content(alpha)[:] = outline(box.height, box.width)
    behind = cv2.resize(portrait[::-1], (333, 500))
    look = {"background": LOOKS[background], "refine": refine}
    found, facts = draw(browser, portrait, alpha, geometry, look, behind if background == "picture" else None)
    assert facts["kind"] == "WebGL2"
    assert facts["box"] == {"top": box.top, "left": box.left, "height": box.height, "width": box.width}
    wanted = golden(portrait, alpha, box, look, behind)
    difference = np.abs(found.astype(int) - wanted.astype(int))
    assert difference[..., 3].mean() < 2
    # A colour counts for as much as it covers; where alpha is 0, canvases keep none.
    seen = difference[..., :3] * (wanted[..., 3:] / 255)
    assert seen.mean() < 2
    assert seen.max() < 60


def detail(picture, where):
    """Mean strength of edges in a picture at some of its pixels."""
    grey = cv2.cvtColor(picture[..., :3], cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.abs(cv2.Laplacian(grey, cv2.CV_32F))[where].mean()


# Every way to draw: settings of the renderer.
WAYS = {"half floats": {}, "bytes": {"halfFloats": False}, "no WebGL2": {"only2d": True}, "moving": {"moving": "quick"}}


def moving(settings):
    return "moving" in settings


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("background", ["blur", "blur a little"])
def test_no_detail_of_the_room_is_left_in_the_blur(blank, way, background):
    """Privacy: what the visitor sees as blurred is blurred, in every engine and in every way to draw."""
    image, alpha = room(), np.zeros((144, 256), np.float32)
    box = Letterbox.fit(image.shape[:2], alpha.shape)
    box.content(alpha)[:] = outline(box.height, box.width)
    look = {"background": LOOKS[background], "refine": True, "moving": moving(WAYS[way])}
    found, facts = draw(blank, image, alpha, LETTERBOX, look, None, WAYS[way])
    assert facts["kind"] == ("WebGL2" if way in ("half floats", "bytes") else "Canvas 2D")
    behind = cv2.dilate(box.undo(levels(alpha)), np.ones((9, 9))) == 0
    assert 0.3 < behind.mean() < 0.9
    assert detail(image, behind) > 100
    assert detail(found, behind) < (3 if background == "blur" else 6)


@pytest.mark.parametrize("way", ["half floats", "no WebGL2", "moving"])
@pytest.mark.parametrize("background", ["colour", "none", "picture"])
def test_nothing_of_the_room_is_left_before_another_background(blank, background, way):
    image, alpha = room(), np.zeros((144, 256), np.float32)
    box = Letterbox.fit(image.shape[:2], alpha.shape)
    box.content(alpha)[:] = outline(box.height, box.width)
    plain = np.full((60, 80, 3), 90, np.uint8)
    look = {"background": LOOKS[background], "refine": False, "moving": moving(WAYS[way])}
    look["wrap"] = 0 if moving(WAYS[way]) else 1  # light on the outline is WebGL2's, so it draws where that is wanted
    found, _ = draw(blank, image, alpha, LETTERBOX, look, plain if background == "picture" else None, WAYS[way])
    behind = cv2.dilate(box.undo(levels(alpha)), np.ones((9, 9))) == 0
    colour = {"colour": (*COLOUR, 255), "none": (0, 0, 0, 0), "picture": (90, 90, 90, 255)}[background]
    assert np.abs(found[behind].astype(int) - colour).max() <= 1


@pytest.mark.parametrize("way", ["half floats", "no WebGL2"])
def test_the_blur_takes_no_colour_from_the_person(blank, way):
    """A red person before grey: a plain blur of the frame would make a red halo."""
    image = np.full((300, 400, 3), 128, np.uint8)
    alpha = np.zeros((144, 256), np.float32)
    box = Letterbox.fit(image.shape[:2], alpha.shape)
    box.content(alpha)[:] = outline(box.height, box.width)
    share = box.undo(levels(alpha))
    image = blend(np.full_like(image, (250, 10, 10)), image, share)
    found, _ = draw(blank, image, alpha, LETTERBOX, {"background": LOOKS["blur"], "refine": False}, None, WAYS[way])
    around = (cv2.dilate(share, np.ones((25, 25))) > 0) & (cv2.dilate(share, np.ones((5, 5))) == 0)
    plain = cv2.GaussianBlur(image, (0, 0), 0.02 * 400)
    halo = np.abs(found[around][:, :3].astype(int) - 128).mean()
    assert halo < np.abs(plain[around].astype(int) - 128).mean() / 5


@pytest.mark.parametrize("background", LOOKS)
def test_the_2d_canvas_draws_the_python_pictures_without_their_fine_edges(blank, portrait, background):
    box = Letterbox.fit(portrait.shape[:2], (144, 256))
    alpha = np.zeros((144, 256), np.float32)
    box.content(alpha)[:] = outline(box.height, box.width)
    behind = cv2.resize(portrait[::-1], (333, 500))
    look = {"background": LOOKS[background], "refine": True}
    given = behind if background == "picture" else None
    found, facts = draw(blank, portrait, alpha, LETTERBOX, look, given, WAYS["no WebGL2"])
    assert facts["kind"] == "Canvas 2D"
    wanted = golden(portrait, alpha, box, {**look, "refine": False}, behind, clean=False)
    difference = np.abs(found.astype(int) - wanted.astype(int))
    assert difference[..., 3].mean() < 2
    seen = difference[..., :3] * (wanted[..., 3:] / 255)
    assert seen.mean() < 2
    assert seen.max() < 60
    moved, _ = draw(blank, portrait, alpha, LETTERBOX, {**look, "moving": True}, given, WAYS["moving"])
    assert np.abs(moved.astype(int) - found).max() <= 1
    mirrored, _ = draw(blank, portrait, alpha, LETTERBOX, {**look, "mirror": True}, given, WAYS["no WebGL2"])
    person = cv2.erode(box.undo(levels(alpha)), np.ones((5, 5))) == 255
    around = person | (cv2.dilate(box.undo(levels(alpha)), np.ones((5, 5))) == 0) & (background != "picture")
    assert np.abs(mirrored[:, ::-1].astype(int) - found)[around].mean() < 1
    split, _ = draw(blank, portrait, alpha, LETTERBOX, {**look, "split": 0.5}, given, WAYS["no WebGL2"])
    assert np.abs(split[:, :199, :3].astype(int) - portrait[:, :199]).max() <= 1
    assert np.abs(split[:, 201:].astype(int) - found[:, 201:]).max() <= 1


def test_what_draws_moving_pictures_is_found_by_timing_both(blank):
    """WebGL2 where it keeps up, the 2D canvas where that is much faster; stills and light wrap are WebGL2's."""
    found = blank.evaluate(
        """(() => {
            const decide = (fine, quick) => {
                const choice = new engine.Choice();
                const asked = [];
                while (choice.open && asked.length < 9) {
                    asked.push(choice.next);
                    choice.add({fine, quick}[choice.next].shift());
                }
                return {asked: asked.join(' '), next: choice.next, slowness: choice.slowness};
            };
            return [
                decide([90, 5, 6], []), decide([300, 70, 80], [9, 8, 7]), decide([40, 30, 30], [50, 25, 24]),
            ];
        })()"""
    )
    assert [one["next"] for one in found] == ["fine", "quick", "fine"]
    assert found[0]["asked"] == "fine fine fine"
    assert found[1]["asked"] == "fine fine fine quick quick quick"
    assert found[1]["slowness"] == 70
    image, alpha = room(), np.ones((144, 256), np.float32)
    look = {"background": LOOKS["blur"], "refine": True}
    for changes in ({"moving": False}, {"moving": True, "wrap": 0.5}):
        _, facts = draw(blank, image, alpha, LETTERBOX, {**look, **changes}, None, WAYS["moving"])
        assert facts["kind"] == "WebGL2"


@pytest.mark.parametrize("name", ["nano", "mobile", "broken"])
def test_fp16_weights_become_singles_without_a_change_of_the_result(blank, name):
    """LiteRT.js runs a file of fp16 weights and fp32 biases in slow kernels; int8 files stay as they are."""
    data = find_model("nano").read_bytes()[:200_000] if name == "broken" else find_model(name).read_bytes()
    found = blank.evaluate(
        f"""(() => {{
            const file = Uint8Array.from(atob('{base64.b64encode(data).decode()}'), (c) => c.charCodeAt(0));
            const bytes = engine.withoutHalves(file);
            let text = '';
            for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
            return btoa(text);
        }})()"""
    )
    changed = base64.b64decode(found)
    if name != "nano":
        assert changed == data
        return
    picture = np.random.default_rng(0).integers(0, 256, (1, 144, 256, 3)).astype(np.float32)
    results, operators = [], []
    for content in (data, changed):
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
        operators.append({one["op_name"] for one in interpreter._get_ops_details()})
    assert operators[0] - operators[1] == {"DEQUANTIZE"}
    np.testing.assert_allclose(results[1], results[0], atol=1e-6)


def test_mirrored_and_wrapped_in_light(blank, portrait):
    box = Letterbox.fit(portrait.shape[:2], (144, 256))
    alpha = np.zeros((144, 256), np.float32)
    box.content(alpha)[:] = outline(box.height, box.width)
    plain = {"background": LOOKS["colour"], "refine": False}
    found, _ = draw(blank, portrait, alpha, LETTERBOX, plain)
    mirrored, _ = draw(blank, portrait, alpha, LETTERBOX, {**plain, "mirror": True})
    assert np.abs(mirrored[:, ::-1].astype(int) - found).mean() < 1
    wrapped, _ = draw(blank, portrait, alpha, LETTERBOX, {**plain, "wrap": 1})
    share = box.undo(levels(alpha))
    inner = cv2.erode(share, np.ones((61, 61))) == 255
    edge = (share > 100) & (cv2.erode(share, np.ones((7, 7))) < 255)
    assert np.abs(wrapped.astype(int) - found)[inner].mean() < 8
    assert (wrapped.astype(int) - found)[edge][:, 1].mean() > 8  # green light falls on the outline


def test_smoothing_is_the_python_one(blank):
    rng, smooth = np.random.default_rng(0), AlphaSmoother()
    alphas = rng.random((6, 40)).astype(np.float32)
    elapsed = [1 / 30, 1 / 60, 0.1, 2.0, 1 / 30, 1 / 25]
    wanted = [smooth(alpha[None], seconds)[0] for alpha, seconds in zip(alphas, elapsed, strict=True)]
    found = blank.evaluate(
        f"""(([alphas, elapsed]) => {{
            const smoother = new engine.AlphaSmoother();
            return alphas.map((alpha, i) => Array.from(smoother.apply(Float32Array.from(alpha), elapsed[i])));
        }})({json.dumps([alphas.tolist(), elapsed])})"""
    )
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_letterbox_is_the_python_one(blank):
    sizes = [(720, 1280), (1280, 720), (224, 224), (1, 900), (333, 77), (31, 32), (1080, 1921)]
    cases = [(*size, *target, name) for size in sizes for target in ((224, 224), (144, 256)) for name in GEOMETRIES]
    found = blank.evaluate(f"{json.dumps(cases)}.map((parts) => engine.fit(...parts))")
    for (*numbers, name), box in zip(cases, found, strict=True):
        wanted = Letterbox.fit(tuple(numbers[:2]), tuple(numbers[2:]), name)
        assert box == {"top": wanted.top, "left": wanted.left, "height": wanted.height, "width": wanted.width}


def test_a_refined_outline_does_not_tremble_with_the_cameras_noise(blank):
    """Mean change of alpha between frames of a still, noisy camera, with and without smoothing."""
    model = json.dumps({"height": 48, "width": 64, "geometry": "letterbox-128-centred"})
    alpha = json.dumps(outline(48, 64).ravel().round(5).tolist())
    found = blank.evaluate(
        f"""(async (alpha) => {{
            let state = 1;
            const noise = () => ((state = (state * 1103515245 + 12345) % 2147483648) / 2147483648 - 0.5) * 60;
            const frame = () => {{
                const canvas = new OffscreenCanvas(400, 300);
                const context = canvas.getContext('2d');
                const image = context.createImageData(400, 300);
                for (let i = 0; i < image.data.length; i += 4) {{
                    const x = (i / 4) % 400;
                    for (let c = 0; c < 3; c++) image.data[i + c] = (x > 90 && x < 270 ? 190 : 70) + noise();
                    image.data[i + 3] = 255;
                }}
                context.putImageData(image, 0, 0);
                return canvas;
            }};
            const changes = {{}};
            for (const smooth of [false, true]) {{
                state = 1;
                const make = () => document.createElement('canvas');
                const renderer = new engine.Renderer(make, {model}, async () => Float32Array.from(alpha));
                const copy = new OffscreenCanvas(400, 300).getContext('2d', {{willReadFrequently: true}});
                let before = null;
                let sum = 0;
                for (let i = 0; i < 6; i++) {{
                    const look = {{background: {{kind: 'none'}}, refine: true, smooth, elapsed: i ? 1 / 30 : 0}};
                    await renderer.draw(frame(), 300, 400, look);
                    copy.clearRect(0, 0, 400, 300);
                    copy.drawImage(renderer.canvas, 0, 0);
                    const {{data}} = copy.getImageData(0, 0, 400, 300);
                    for (let p = 3; before && p < data.length; p += 4) sum += Math.abs(data[p] - before[p]);
                    before = data;
                }}
                await renderer.draw(null, 0, 0, {{background: {{kind: 'none'}}, refine: true, smooth, elapsed: 0}});
                copy.clearRect(0, 0, 400, 300);
                copy.drawImage(renderer.canvas, 0, 0);
                const again = copy.getImageData(0, 0, 400, 300).data;
                changes[smooth] = sum / 5 / 120000;
                changes[`${{smooth}} again`] = again.filter((value, i) => value !== before[i]).length;
                renderer.compositor.glsl.gl.getExtension('WEBGL_lose_context').loseContext();
            }}
            return changes;
        }})({alpha})"""
    )
    assert found["true"] < 0.5 * found["false"]
    assert found["true again"] == found["false again"] == 0  # drawn again, it is the same picture
