import threading

import cv2
import pytest

from portraitnet.runtime.media import threads
from portraitnet.runtime.media.threads import Behind, ahead, share_cores


def test_ahead_keeps_order_and_reads_in_advance():
    fetched, one_more = [], threading.Semaphore(0)

    def source():
        for index in range(10):
            fetched.append(index)
            one_more.release()
            yield index

    items = ahead(source(), depth=3)
    assert next(items) == 0
    for _ in range(4):
        assert one_more.acquire(timeout=60)
    assert fetched == [0, 1, 2, 3]  # one taken, three waiting, no more
    assert list(items) == list(range(1, 10))


def test_ahead_passes_on_errors_and_stops_when_closed():
    def source():
        yield 1
        raise KeyError("gone")

    items = ahead(source())
    assert next(items) == 1
    with pytest.raises(KeyError, match="gone"):
        next(items)
    before = set(threading.enumerate())
    endless = ahead(iter(int, 1))
    next(endless)
    endless.close()
    assert set(threading.enumerate()) <= before


def test_behind_keeps_order_and_bounds():
    done, gate = [], threading.Event()

    def action(value):
        assert gate.wait(60)
        done.append(value)

    with Behind(action, depth=2) as call:
        call(1)
        call(2)
        assert done == []
        gate.set()
        for value in range(3, 30):
            call(value)
            assert value - len(done) <= 3
    assert done == list(range(1, 30))


def test_behind_raises_what_went_wrong():
    def action(value):
        raise OSError(value)

    with pytest.raises(OSError, match="full"), Behind(action) as call:
        call("full")
    with Behind(action, depth=1) as call:
        call("full")
        with pytest.raises(OSError, match="full"):
            call("next")


def test_behind_drops_what_waits_after_an_error():
    done, gate = [], threading.Event()

    def held(value):
        assert gate.wait(60)
        done.append(value)

    def interrupted():
        with Behind(held, depth=9) as call:
            for value in range(9):
                call(value)
            call._pending[-1].add_done_callback(lambda last: gate.set())  # once it is dropped, or else never
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(done) <= 1  # the one under way


@pytest.mark.parametrize(("cores", "stages", "expected"), [(2, 4, 1), (8, 4, 2), (16, 4, 4), (3, 1, 3)])
def test_opencv_keeps_to_its_share_of_the_cores(monkeypatch, cores, stages, expected):
    before = cv2.getNumThreads()
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    with share_cores(stages):
        assert cv2.getNumThreads() == expected
    assert cv2.getNumThreads() == before
