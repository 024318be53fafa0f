"""Large pictures, done in bands, come out as small ones do."""

import subprocess
import sys

import numpy as np
import pytest
import skimage.data
from PIL import Image

from portraitnet.runtime import large, process
from portraitnet.runtime.compositing.bands import Stretched
from portraitnet.runtime.geometry import resize
from portraitnet.runtime.process import run


@pytest.fixture
def photo(tmp_path):
    """1200 x 900, with a green person."""
    image = np.repeat(np.repeat(skimage.data.astronaut()[:300, :225], 4, 0), 4, 1) // 2
    image[..., 1] //= 4
    image[300:, 250:650] = (20, 200, 30)
    path = tmp_path / "a.png"
    Image.fromarray(image).save(path)
    return path


def both(photo, tmp_path, segmenter, monkeypatch, **options):
    run([photo], segmenter, tmp_path / "plain.png", **options)
    monkeypatch.setattr(process, "LARGE", 1000)
    monkeypatch.setattr(large, "_SMALL", 450)
    run([photo], segmenter, tmp_path / "bands.png", **options)
    return [np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("plain.png", "bands.png")]


@pytest.mark.parametrize("how", ["blur", "#2050a0", "picture", "none", "mask", "foreground"])
def test_bands_make_no_difference(photo, tmp_path, segmenter, monkeypatch, how):
    options = {"output": how} if how in ("mask", "foreground") else {"background": how}
    if how == "picture":
        Image.fromarray(skimage.data.astronaut()).save(tmp_path / "bg.png")
        options = {"background": str(tmp_path / "bg.png")}
    plain, banded = both(photo, tmp_path, segmenter, monkeypatch, **options)
    assert plain.shape == banded.shape
    assert np.abs(plain - banded).mean() < 2.5
    assert (np.abs(plain - banded) > 40).mean() < 0.02  # at the outline, by a pixel of the small copy


def test_stretching_by_bands_is_resizing():
    small = np.random.default_rng(0).integers(0, 255, (37, 53, 3), np.uint8)
    whole = resize(small, (500, 700))
    stretched = Stretched(small, (500, 700))
    parts = np.concatenate([stretched.rows(0, 200), stretched.rows(200, 500)])
    assert np.abs(parts.astype(int) - whole).max() <= 1
    assert np.abs(parts.astype(int) - whole).mean() < 0.3


MEMORY = """
import resource, sys
import numpy as np
from portraitnet.runtime.process import run
from portraitnet.runtime.segmenter import Segmenter
segmenter = Segmenter.load(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run([sys.argv[2]], segmenter, sys.argv[3], "#2050a0")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts kilobytes as Linux does")
def test_a_large_picture_takes_little_more_than_itself(tmp_path, make_onnx, contract):
    Image.new("RGB", (7000, 4000), (10, 200, 30)).save(tmp_path / "a.jpg")
    command = [sys.executable, "-c", MEMORY, make_onnx(contract), tmp_path / "a.jpg", tmp_path / "b.jpg"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < 190  # MiB; Pillow holds it in 107, and three copies would be 267


def test_a_picture_of_forty_thousand_columns():
    small = np.random.default_rng(0).integers(0, 255, (2, 500), np.uint8)
    wide = Stretched(small, (4, 40_000)).rows(0, 4)
    assert np.abs(wide.astype(int) - resize(small, (4, 40_000))).max() <= 1
