"""Settings that must stand before torch is imported, marks by place, and a cache of the tests' own."""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Place below tests/ -> its mark; `make quick` leaves out what is marked (pyproject.toml explains the marks).
MARKS = {
    "android": "slow",
    "benchmarks/latency": "slow",
    "export": "converter",
    "packaging": "packaging",
    "test_fuzz.py": "slow",
    "train/engine/test_distributed.py": "slow",
    "train/test_loop.py": "slow",
    "train/test_recipes_run.py": "slow",
}
BROWSER_FIXTURES = {"driver", "engine"}
# Folders whose files share expensive fixtures: one test process takes all of them, but for the files that share none.
TOGETHER = {"android", "export", "packaging"}
ALONE = {f"export/test_{name}.py" for name in ("architectures", "graph", "npu", "privacy", "quantization_aware")}
# Started first, the longest before all: one that starts late keeps its process busy when the other has nothing left.
LONGEST = ["export", *(f"export/test_{name}.py" for name in ("architectures", "quantization_aware"))]
LONGEST += ["android", "train/test_loop.py"]

# Threads that spin while they wait slow the tests tenfold on a machine that does anything else.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:  # each test process has one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session", autouse=True)
def own_picture_cache(tmp_path_factory):
    """Runs under test, and the processes they start, keep their decoded pictures out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def driver():
    """Playwright, which a process may start once."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the dev extra is not installed")
    with playwright.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session", params=["chromium", "firefox", "webkit"])
def engine(request):
    """A function that opens a fresh browser of each engine; what it opened is closed at the end of the session.

    Its `shared()` is one browser for all tests, replaced when it has crashed.
    """
    from portraitnet.benchmarks.page.browsers import ENGINES, missing

    reason = missing(request.param)
    if reason and os.environ.get("PORTRAITNET_CI"):
        pytest.fail(f"{reason}; .ci/run installs it")
    if reason:
        pytest.skip(reason)
    opened = []
    # Before anything is opened: fixtures end in the reverse order.
    own = {"driver": request.getfixturevalue("driver")} if request.param == "chromium" else {}

    def start(**options):
        options.update(own)
        opened.append(ENGINES[request.param](**options))
        return opened[-1]

    shared = []

    def share():
        if not shared or not shared[-1].is_alive():
            shared.append(start())
        return shared[-1]

    start.name, start.shared = request.param, share
    yield start
    for browser in opened:
        browser.close()


@pytest.fixture
def browser(engine):
    """One browser of each engine, which tests share: each opens its own page."""
    return engine.shared()


def pytest_itemcollected(item):
    """Mark a test by its place."""
    place = item.path.relative_to(TESTS).as_posix()
    for start, mark in MARKS.items():
        if place == start or place.startswith(f"{start}/"):
            item.add_marker(mark)
    if place.startswith("export/"):
        item.add_marker(pytest.mark.timeout(1800))  # the first has every format converted, minutes on a busy machine
    if BROWSER_FIXTURES & set(item.fixturenames):
        item.add_marker("browser")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep a file's tests in one process of pytest-xdist, and those of folders that share fixtures; long ones first."""
    from xdist.scheduler import LoadScopeScheduling

    class ByPlace(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            place = nodeid.partition("::")[0].removeprefix("tests/")
            folder = place.partition("/")[0]
            return folder if folder in TOGETHER and place not in ALONE else place

        def _assign_work_unit(self, node):
            for place in reversed(LONGEST):
                if place in self.workqueue:
                    self.workqueue.move_to_end(place, last=False)
            super()._assign_work_unit(node)

    return ByPlace(config, log)
