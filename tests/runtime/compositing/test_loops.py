import importlib.util
import subprocess
import sys

import cv2
import numpy as np
import pytest

from portraitnet.runtime.compositing import compiled
from portraitnet.runtime.compositing.composite import blend
from portraitnet.runtime.compositing.fringe import without_fringe


def in_numpy():
    """The module as it is before `compile_loops`, whatever other tests have called."""
    spec = importlib.util.find_spec("portraitnet.runtime.compositing.loops")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOOPS = pytest.mark.parametrize("loops", [in_numpy(), compiled], ids=["numpy", "compiled"])


@LOOPS
@pytest.mark.parametrize("behind", [0, 1, 97, 254, 255])
def test_laying_on_is_rounded_to_the_nearest_for_every_byte(loops, behind):
    value, alpha = np.mgrid[:256, :256].astype(np.uint8)
    image = np.repeat(value, 3, 1)
    result = np.empty_like(image)
    loops.lay(image, np.full_like(image, behind), alpha, result)
    share = np.repeat(alpha, 3, 1) / 255
    np.testing.assert_array_equal(result, np.rint(share * image + (1 - share) * behind))


@LOOPS
@pytest.mark.parametrize("size", [(64, 50), (61, 50), (7, 50), (1, 50)])
def test_a_change_grows_as_opencv_grows_it(loops, size):
    generator = np.random.default_rng(0)
    change = generator.integers(-255, 256, (7, 50), np.int16)
    image = generator.integers(0, 256, size, np.uint8)
    result = np.empty_like(image)
    loops.add_grown(image, change, result)
    grown = cv2.resize(change.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    exact = np.clip(image + grown, 0, 255)
    # A weight in sixteenths is wrong by a thirty-second of the step between two rows at most.
    assert np.abs(result - exact).max() <= 510 / 32 + 1
    if size[0] in (7, 1):
        assert np.abs(result - exact).max() <= 1


def test_a_persons_own_colours_are_the_same_in_numpy_and_compiled():
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (30, 40, 3), np.uint8)
    alpha = np.clip(generator.normal(128, 200, (30, 40)), 0, 255).astype(np.uint8)
    alpha[:, :18] = 0  # where no person is near
    changes = []
    for loops in (in_numpy(), compiled):
        person, behind = np.zeros((30, 40, 4), np.float32), np.zeros((30, 40, 4), np.float32)
        loops.weigh(image, alpha, person, behind)
        change = np.full((30, 40, 3), 999, np.int16)
        loops.own_colour(image, alpha, cv2.blur(person, (5, 5)), cv2.blur(behind, (5, 5)), change)
        changes.append(change.astype(int))
    assert np.abs(changes[0]).max() > 50
    assert not changes[0][:, :10].any()
    assert np.abs(changes[0] - changes[1]).max() <= 1


def test_one_picture_does_not_wait_for_numba_and_a_video_has_it():
    code = (
        "import sys, numpy as np; from portraitnet.runtime import process;"
        "from portraitnet.runtime.compositing import composite, loops, fringe;"
        "picture, alpha = np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9), np.uint8);"
        "composite.blend(picture, picture, alpha); fringe.without_fringe(picture, alpha);"
        "assert 'numba' not in sys.modules; loops.compile_loops();"
        "assert 'numba' in sys.modules and loops.lay.__module__.endswith('compiled');"
        "composite.blend(picture, picture, alpha); fringe.without_fringe(picture, alpha)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_pictures_that_do_not_fit_are_refused_before_memory_is_read():
    image, alpha = np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9), np.uint8)
    for picture, background, share in (
        (image, image[:4], alpha),
        (image, image, alpha[:4]),
        (image[..., :2], image[..., :2], alpha),
    ):
        with pytest.raises(ValueError, match="sizes differ"):
            blend(picture, background, share)
    with pytest.raises(ValueError, match="height x width x 3"):
        without_fringe(np.zeros((8, 9, 4), np.uint8), alpha)


def test_views_and_frames_that_cannot_be_written_are_taken():
    generator = np.random.default_rng(0)
    image, alpha = generator.integers(0, 256, (40, 50, 3), np.uint8), generator.integers(0, 256, (40, 50), np.uint8)
    wanted = blend(image, image[::-1].copy(), alpha)
    fixed = image.copy()
    fixed.flags.writeable = False
    np.testing.assert_array_equal(blend(fixed, image[::-1], alpha), wanted)
    np.testing.assert_array_equal(without_fringe(fixed, alpha), without_fringe(image, alpha))


def test_without_a_folder_that_can_be_written_they_are_compiled_each_time():
    code = (
        "from numba.core import caching; caching.CacheImpl._locator_classes = [];"
        "from portraitnet.runtime.compositing import compiled;"
        "assert type(compiled.lay._cache) is caching.NullCache"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
