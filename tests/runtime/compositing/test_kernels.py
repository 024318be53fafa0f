import subprocess
import sys

import cv2
import numpy as np
import pytest

from portraitnet.runtime.compositing import compiled
from portraitnet.runtime.compositing.composite import blend
from portraitnet.runtime.compositing.fringe import without_fringe
from portraitnet.runtime.compositing.kernels import kernels
from portraitnet.runtime.compositing.plain import PlainKernels
from portraitnet.runtime.media.colour import VideoColours

SOURCES = [compiled._FOLDER / "pixels.c", compiled._FOLDER / "guided.c"]


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The library as this checkout's source gives it, whatever the installation has."""
    path = tmp_path_factory.mktemp("kernels") / "pixels.so"
    try:
        subprocess.run(
            ["cc", "-O3", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *SOURCES, "-o", path], check=True
        )
    except FileNotFoundError:
        pytest.skip("no C compiler on this machine")
    return compiled.CompiledKernels(path)


@pytest.fixture(params=["opencv", "compiled"])
def both(request):
    return PlainKernels() if request.param == "opencv" else request.getfixturevalue("library")


@pytest.mark.parametrize("behind", [0, 1, 97, 254, 255])
def test_blending_is_rounded_to_the_nearest_for_every_byte(both, behind):
    value, alpha = np.mgrid[:256, :256].astype(np.uint8)
    image = cv2.merge([value] * 3)
    share = (alpha / 255)[..., None]
    expected = np.rint(share * image + (1 - share) * behind)
    np.testing.assert_array_equal(both.blend(image, np.full_like(image, behind), alpha), expected)


@pytest.mark.parametrize("width", [1, 15, 16, 17, 48, 50])
def test_blocks_of_one_alpha_and_what_is_left_of_a_row_are_blended_alike(both, width):
    rng = np.random.default_rng(width)
    image, background = rng.integers(0, 256, (2, 9, width, 3), np.uint8)
    alpha = rng.integers(0, 256, (9, width), np.uint8)
    alpha[:3], alpha[3:6] = 0, 255
    share = (alpha / 255)[..., None]
    np.testing.assert_array_equal(
        both.blend(image, background, alpha), np.rint(share * image + (1 - share) * background)
    )


@pytest.mark.parametrize("size", [(64, 50), (61, 53), (7, 50), (1, 50)])
def test_a_change_grows_as_opencv_grows_it_where_alpha_is_soft(both, size):
    rng = np.random.default_rng(0)
    change = rng.integers(-255, 256, (7, 25, 3), np.int16)
    image, alpha = rng.integers(0, 256, (*size, 3), np.uint8), rng.integers(0, 256, size, np.uint8)
    alpha[:, 5:40] = np.where(alpha[:, 5:40] > 90, 255, 0)
    result = both.add_change(image, change, alpha)
    grown = cv2.resize(change.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    soft = (alpha > 0) & (alpha < 255)
    np.testing.assert_array_equal(result[~soft], image[~soft])
    # A weight in sixteenths is wrong by a thirty-second of the step between two rows at most.
    assert np.abs(result - np.clip(image + grown, 0, 255))[soft].max() <= 510 / 32 + 2


def test_a_persons_own_colours_are_the_same_by_both(library):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 40, 3), np.uint8)
    alpha = np.clip(rng.normal(128, 200, (30, 40)), 0, 255).astype(np.uint8)
    alpha[:, :18] = 0  # where no person is near
    changes = []
    for kernel in (PlainKernels(), library):
        person, behind = (cv2.blur(sums, (5, 5)) for sums in kernel.weigh(image, alpha))
        changes.append(kernel.own_colour(image, alpha, person, behind).astype(int))
    assert np.abs(changes[0]).max() > 50
    assert not changes[0][:, :10].any()
    assert np.abs(changes[0] - changes[1]).max() <= 1


def test_a_step_of_smoothing_is_the_same_by_both(library):
    rng = np.random.default_rng(0)
    alpha, before = rng.random((2, 37, 41), np.float32)
    states = [before.copy(), before.copy()]
    for kernel, state in zip((PlainKernels(), library), states, strict=True):
        kernel.follow(state, alpha, 0.1, 0.05, 0.4)
    np.testing.assert_allclose(*states, atol=1e-6)
    assert np.abs(states[0] - before).max() > 0.4


@pytest.mark.parametrize(
    ("small", "large"), [((9, 16), (40, 61)), ((1, 1), (1, 1)), ((5, 3), (5, 3)), ((45, 80), (97, 160))]
)
def test_guided_alpha_is_the_same_by_both(library, small, large):
    """Over flat parts, which are filled without a look at colours, and over soft ones."""
    rng = np.random.default_rng(small)
    guide, picture = rng.integers(0, 256, (*small, 3), np.uint8), rng.integers(0, 256, (*large, 3), np.uint8)
    alpha = cv2.GaussianBlur((np.mgrid[: small[0], : small[1]][1] > small[1] / 2).astype(np.float32), (0, 0), 1)
    plain = PlainKernels()
    factors = [kernel.fit_guide(guide, alpha, 2, 1e-2) for kernel in (plain, library)]
    np.testing.assert_allclose(*factors, atol=2e-4)
    found = [kernel.apply_guide(picture, factors[0], 0.2, 0.8).astype(int) for kernel in (plain, library)]
    assert np.abs(found[0] - found[1]).max() <= 1
    if small == (45, 80):
        shares = [(found[0] == value).mean() for value in (0, 255)]
        assert min(shares) > 0.2
        assert sum(shares) < 0.98


def test_a_colour_may_turn_every_pixel_of_a_window(library):
    """Bounds that forgot a slope would fill these pixels."""
    factors = np.zeros((4, 5, 4), np.float32)
    factors[..., 1], factors[..., 3] = -1, 0.9  # green is background, all else the person
    picture = np.zeros((16, 20, 3), np.uint8)
    picture[::2, :, 1] = 255
    for kernel in (PlainKernels(), library):
        alpha = kernel.apply_guide(picture, factors, 0.2, 0.8)
        assert (alpha[::2] == 0).all()
        assert (alpha[1::2] == 255).all()


@pytest.mark.parametrize("matrix", [1, 4, 5, 7, 9])
@pytest.mark.parametrize("size", [(6, 200), (2, 2), (40, 66)])
def test_brightness_and_colour_are_those_of_the_standard(both, matrix, size):
    """Against the formulas of BT.601 and its successors: Y from red, green and blue; scaled B - Y and R - Y."""
    rng = np.random.default_rng(0)
    image = np.repeat(np.repeat(rng.integers(0, 256, (size[0] // 2, size[1] // 2, 3), np.uint8), 2, 0), 2, 1)
    rest = np.zeros((size[0], size[1] + 30), np.uint8)  # a plane's rows may be longer than the picture
    planes = rest[:, : size[1]], *(np.zeros((size[0] // 2, size[1] // 2), np.uint8) for _ in range(2))
    both.to_yuv420(image, VideoColours(matrix, 1, 1).weights, planes)
    red, green, blue = (image[..., channel] / 255 for channel in range(3))
    share = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 5: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}[matrix]
    y = share[0] * red + (1 - sum(share)) * green + share[1] * blue
    u, v = (blue - y) / (2 - 2 * share[1]), (red - y) / (2 - 2 * share[0])
    for plane, expected in zip(planes, (16 + 219 * y, 128 + 224 * u[::2, ::2], 128 + 224 * v[::2, ::2]), strict=True):
        assert np.abs(plane - expected).max() <= 0.75  # OpenCV's sums have ten bits
    assert not rest[:, size[1] :].any()


def test_colour_of_four_pixels_is_their_mean(both):
    image = np.zeros((2, 4, 3), np.uint8)
    image[0, 0], image[1, 3] = 255, (200, 0, 0)
    weights, planes = VideoColours(1, 1, 1).weights, [np.zeros((2, 4), np.uint8), *np.zeros((2, 1, 2), np.uint8)]
    both.to_yuv420(image, weights, planes)
    assert np.abs(planes[0] - (16 + image @ weights[0])).max() <= 0.75
    means = image.reshape(1, 2, 2, 2, 3).transpose(0, 2, 1, 3, 4).reshape(1, 2, 4, 3).mean(2)
    for plane, row in zip(planes[1:], weights[1:], strict=True):
        assert np.abs(plane - (128 + means @ row)).max() <= 1


def test_without_a_library_that_loads_opencv_does_the_work(monkeypatch, tmp_path):
    broken = tmp_path / "_pixels.so"
    broken.write_bytes(b"of another machine")
    for found in (None, broken):
        monkeypatch.setattr("portraitnet.runtime.compositing.kernels.find_library", lambda found=found: found)
        assert kernels.__wrapped__().name == "opencv"


def test_a_library_of_an_earlier_version_gives_place_to_opencv(library, monkeypatch, tmp_path):
    """An editable installation keeps its library when new sources come."""
    (tmp_path / "old.c").write_text("void blend(void) {}\n")
    subprocess.run(["cc", "-shared", "-fPIC", tmp_path / "old.c", "-o", tmp_path / "old.so"], check=True)
    monkeypatch.setattr("portraitnet.runtime.compositing.kernels.find_library", lambda: tmp_path / "old.so")
    assert kernels.__wrapped__().name == "opencv"


def test_an_installation_with_a_compiler_has_the_library(library, tmp_path):
    """What setup.py declares is built to the name that is looked for."""
    root = compiled._FOLDER.parent.parent
    command = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", tmp_path, "--build-temp", tmp_path / "t"]
    subprocess.run(command, check=True, cwd=root, capture_output=True, timeout=120)
    (built,) = tmp_path.rglob("_pixels*")
    assert built.parent == tmp_path / "portraitnet" / "runtime" / "compositing"
    assert compiled.CompiledKernels(built).name == "compiled"


def test_pictures_that_do_not_fit_are_refused_before_memory_is_read():
    image, alpha = np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9), np.uint8)
    for picture, background, share in (
        (image, image[:4], alpha),
        (image, image, alpha[:4]),
        (image[..., :2], image[..., :2], alpha),
    ):
        with pytest.raises(ValueError, match="sizes differ"):
            blend(picture, background, share)
    for picture, share in ((np.zeros((8, 9, 4), np.uint8), alpha), (image, alpha[:4])):
        with pytest.raises(ValueError, match="height x width x 3"):
            without_fringe(picture, share)


def test_views_and_frames_that_cannot_be_written_are_taken(both, monkeypatch):
    for module in ("composite", "fringe"):
        monkeypatch.setattr(f"portraitnet.runtime.compositing.{module}.kernels", lambda: both)
    rng = np.random.default_rng(0)
    image, alpha = rng.integers(0, 256, (40, 50, 3), np.uint8), rng.integers(0, 256, (40, 50), np.uint8)
    expected = blend(image, image[::-1].copy(), alpha)
    fixed = image.copy()
    fixed.flags.writeable = False
    np.testing.assert_array_equal(blend(fixed, image[::-1], alpha), expected)
    np.testing.assert_array_equal(without_fringe(fixed, alpha), without_fringe(image, alpha))
    wide = cv2.merge([image, image])[..., :3]  # a view whose pixels do not lie side by side
    np.testing.assert_array_equal(without_fringe(wide, alpha), without_fringe(wide.copy(), alpha))
