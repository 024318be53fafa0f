"""Pictures drawn by the page's renderer, and what the Python runtime makes of the same alpha."""

import base64
import io
import json

import numpy as np
from PIL import Image

from portraitnet.runtime.compositing.composite import blend, blur_background, cut_out, replace_background
from portraitnet.runtime.compositing.fringe import without_fringe
from portraitnet.runtime.compositing.levels import levels
from portraitnet.runtime.compositing.refine import refine_alpha

COLOUR = (32, 128, 96)


def outline(height, width):
    """A soft head and shoulders: float32, 0..1."""
    y, x = np.mgrid[:height, :width] / np.float32([height, width])[:, None, None]
    head = np.hypot((x - 0.45) / 0.17, (y - 0.35) / 0.25)
    body = np.hypot((x - 0.45) / 0.35, (y - 1.05) / 0.5)
    return np.clip((1.08 - np.minimum(head, body)) * 6, 0, 1).astype(np.float32)


def room(height=300, width=400):
    """A room full of detail: stripes of one and two pixels, and noise."""
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    picture[:, ::2] //= 3
    picture[::4] = 255 - picture[::4]
    return picture


def data_url(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def draw(browser, image, alpha, geometry, look, picture=None, settings=None):
    """RGBA of the engine's renderer, with `alpha` (model's size) in the place of a model."""
    height, width = alpha.shape
    given = json.dumps(
        [data_url(image), alpha.ravel().round(5).tolist(), look, picture is not None and data_url(picture)]
    )
    model = json.dumps({"height": height, "width": width, "geometry": geometry})
    found = browser.evaluate(
        f"""(async ([url, alpha, look, behind]) => {{
            const open = async (address) => {{
                const image = new Image();
                image.src = address;
                await image.decode();
                return image;
            }};
            const image = await open(url);
            const make = () => document.createElement('canvas');
            const segment = async () => Float32Array.from(alpha);
            const renderer = new engine.Renderer(make, {model}, segment, {json.dumps(settings or {})});
            if (behind) {{
                const drawable = await open(behind);
                renderer.setPicture(drawable, drawable.naturalHeight, drawable.naturalWidth);
            }}
            const {{box}} = await renderer.draw(image, image.naturalHeight, image.naturalWidth, look);
            const copy = new OffscreenCanvas(renderer.canvas.width, renderer.canvas.height).getContext('2d');
            copy.drawImage(renderer.canvas, 0, 0);
            const {{data}} = copy.getImageData(0, 0, renderer.canvas.width, renderer.canvas.height);
            renderer.compositor.glsl?.gl.getExtension('WEBGL_lose_context').loseContext(); // engines keep few at a time
            let text = '';
            for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
            return {{box, pixels: btoa(text), kind: renderer.abilities.kind}};
        }})({given})"""
    )
    pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(*image.shape[:2], 4)
    return pixels, found


def golden(image, alpha, box, look, picture, clean=True):
    """The Python runtime's result: RGBA. `clean` takes the old background's colours out of the outline."""
    share = refine_alpha(image, box.content(alpha)) if look["refine"] else box.undo(levels(alpha))
    kind = look["background"]["kind"]
    if kind == "blur":
        return np.dstack([blur_background(image, share, look["background"]["strength"]), np.full_like(share, 255)])
    own = without_fringe(image, share) if clean else image
    if kind == "none":
        return cut_out(own, share)
    if kind == "colour":
        result = blend(own, np.full_like(image, COLOUR), share)
    else:
        result = replace_background(own, share, picture)
    return np.dstack([result, np.full_like(share, 255)])


LOOKS = {
    "blur": {"kind": "blur", "strength": 2.0},
    "blur a little": {"kind": "blur", "strength": 0.8},
    "colour": {"kind": "colour", "rgb": [value / 255 for value in COLOUR]},
    "picture": {"kind": "picture"},
    "none": {"kind": "none"},
}
