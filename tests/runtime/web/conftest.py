"""The sample portrait, a clip of it, and the page served with two models."""

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.shipped import find_model
from portraitnet.runtime.web.server import PageServer, resources
from portraitnet.tests.runtime.web.page import READY
from portraitnet.tests.serving import serving


@pytest.fixture(scope="session")
def portrait(tmp_path_factory):
    """The sample portrait as a file, and as the browser sees it."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the sample portrait")
    path = tmp_path_factory.mktemp("portrait") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path, data.astronaut()


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def site():
    """All addresses of the page, whose files are compressed once for all tests."""
    return resources([find_model(name) for name in ("nano", "small")])


@pytest.fixture(scope="module")
def address(site):
    with serving(PageServer(site)) as server:
        yield server.url


@pytest.fixture
def page(browser, address):
    """A fresh page whose model is ready."""
    browser.resize(390, 844)
    browser.open("about:blank")
    browser.open(address)
    browser.wait(READY)  # a way that does not start in time gives place to the next
    return browser
