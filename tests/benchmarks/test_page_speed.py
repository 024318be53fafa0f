"""`benchmark page`: what it refuses, and the rows that a browser's rounds become."""

import pytest

from portraitnet.benchmarks.page import speed
from portraitnet.benchmarks.page.browsers import Browser
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.shipped import find_model


class Nothing:
    def add_task(self, *_, **__):
        return 0

    def advance(self, _):
        pass


def test_unknown_engines_and_a_page_that_is_not_built_are_said(tmp_path, monkeypatch):
    models = [find_model("nano")]
    with pytest.raises(InputError, match="none of chromium, firefox, webkit"):
        speed.benchmark_page(models, tmp_path, ["netscape"], None, 1, 1, Nothing())
    monkeypatch.setattr(speed, "DIST", tmp_path)
    monkeypatch.setattr(speed, "missing", lambda name: "")
    with pytest.raises(InputError, match="make web-speed"):
        speed.benchmark_page(models, tmp_path, ["firefox"], None, 1, 1, Nothing())


def test_rounds_become_rows_with_their_ratio_to_mediapipe(monkeypatch):
    def rounds(*frames):
        return [{"model": frame / 2, "compose": frame / 4, "all": frame, "frame": frame} for frame in frames]

    class Fake(Browser):
        def open(self, url):
            self.url = url

        def evaluate(self, expression):
            if "speed.run" not in expression:
                return True
            ours = {"label": "nano, blur", "detail": "2 threads", "rounds": rounds(10.0, 12.0, 50.0)}
            theirs = {"label": "MediaPipe x", "detail": "CPU", "rounds": rounds(24.0, 24.0, 30.0)}
            return {"contestants": [ours, theirs], "refused": [], "agent": "Fake 1"}

        def close(self):
            pass

    monkeypatch.setitem(speed.ENGINES, "firefox", Fake)
    ours, theirs = speed._time("firefox", "http://127.0.0.1/", {"width": 640, "height": 480})
    assert (ours["frame_ms"], ours["model_ms"], ours["size"]) == (12.0, 6.0, "640x480")
    assert ours["frames_per_second"] == pytest.approx(1000 / 12)
    assert (ours["times_mediapipe"], theirs["times_mediapipe"]) == (2.0, 1.0)
    assert "| firefox | nano, blur | 640x480 |" in speed.table([ours, theirs])


@pytest.mark.parametrize(("label", "ends"), [("MediaPipe", False), ("portraitnet-nano", True)])
def test_a_peer_that_does_not_run_in_an_engine_is_told_and_ours_is_an_error(monkeypatch, label, ends):
    class Fake(Browser):
        def open(self, url):
            pass

        def evaluate(self, expression):
            times = {"model": 1.0, "compose": 1.0, "all": 2.0, "frame": 2.0}
            ours = {"label": "nano, blur", "detail": "2 threads", "rounds": [times]}
            refused = [{"label": label, "error": "no WebGL === trace: a.cc:1"}]
            return {"contestants": [ours], "refused": refused, "agent": "Fake 1"} if "run" in expression else True

        def close(self):
            pass

    monkeypatch.setitem(speed.ENGINES, "webkit", Fake)
    said = []
    monkeypatch.setattr(speed, "notice", said.append)
    if ends:
        with pytest.raises(InputError, match=r"^webkit: portraitnet-nano does not run: no WebGL$"):
            speed._time("webkit", "http://127.0.0.1/", {"width": 640, "height": 480})
        return
    (row,) = speed._time("webkit", "http://127.0.0.1/", {"width": 640, "height": 480})
    assert said == ["webkit: MediaPipe does not run: no WebGL"]
    assert row["times_mediapipe"] == ""
    assert speed.table([row])
