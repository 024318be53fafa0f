"""The live pipeline on stand-ins for a camera: pictures that come at their own pace, models that are slow or fail."""

import threading
from itertools import count

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.compositing.composite import Blur, Cutout, Picture
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.live.inference import Mask
from portraitnet.runtime.live.latest import Latest
from portraitnet.runtime.live.pipeline import LivePipeline
from portraitnet.runtime.live.sinks import Recorder
from portraitnet.runtime.live.webcam import Controls, Webcam, parse_backgrounds
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.tests.runtime.live.stand_ins import Bright, Moving, has_its_own_mask, number_of, shown_by


def test_a_model_that_keeps_up_masks_every_picture_with_its_own_mask():
    source = Moving()
    shown = shown_by(source, Bright())
    assert [number for number, _ in shown] == list(range(1, 31))
    for _, one in shown:
        has_its_own_mask(one)
    assert source.closed


def test_a_slow_model_lowers_the_masks_rate_and_not_the_videos():
    free = threading.Event()

    class Held(Bright):
        """The first picture passes, the next one is held until `free`."""

        def __init__(self):
            super().__init__()
            self.saw = []

        def run(self, batch):
            self.saw.append(number)
            if self.saw[1:]:
                free.wait(30)
            return super().run(batch)

    source, model, number, shown = Moving(60), Held(), 0, []
    source.rate = 50.0  # so the pipeline waits 40 milliseconds for a mask, long enough for the first on a busy machine
    with LivePipeline(source, [Segmenter(model)], smooth=False) as pipeline:
        for one in pipeline:
            number = number_of(one.image)
            shown.append((number, one))
            if number == 40:
                free.set()
            source.shown(number)
    held = [one for place, one in shown if 2 < place <= 40]
    assert len(held) == 38  # the video goes on
    assert not any(one.own_mask for one in held)
    assert len({one.mask.captured for one in held}) == 1  # with the mask of the first picture
    assert not [place for place in model.saw if 2 < place < 39]  # and nothing has queued up for the model


def test_models_side_by_side_give_every_picture_its_own_mask_in_order():
    """Each odd picture's model waits until that of the next picture is done."""
    finished = {number: threading.Event() for number in range(1, 63)}

    class Uneven(Bright):
        def run(self, batch):
            number = int(batch[0, 0, 0, 0])
            if number % 2:
                finished[number + 1].wait(2)
            result = super().run(batch)
            finished[number].set()
            return result

    models = Uneven(), Uneven()
    shown = shown_by(Moving(60, size=(64, 64), ahead=2), *models)
    numbers = [number for number, _ in shown]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 30  # of two that come at once, the newer one may win
    assert all(model.runs >= 5 for model in models)
    for _, one in shown:
        has_its_own_mask(one)


def test_smoothing_knows_how_much_time_has_passed(monkeypatch):
    elapsed = []

    class Watched:
        def __call__(self, alpha, elapsed):
            watched.append(elapsed)
            return alpha

    watched = elapsed
    monkeypatch.setattr("portraitnet.runtime.live.inference.AlphaSmoother", Watched)
    shown = [one for _, one in shown_by(Moving(8), Bright(), smooth=True)]
    captured = [one.captured for one in shown]
    assert elapsed[1:] == pytest.approx(np.diff(captured))


def test_one_of_several_models_that_fails_ends_all():
    class Broken(Bright):
        def run(self, batch):
            raise InputError("the model broke")

    with pytest.raises(InputError, match="the model broke"):
        shown_by(Moving(200, patience=0.1), Bright(), Broken(), smooth=True)


def test_errors_of_a_thread_are_raised_where_pictures_are_shown():
    class Broken(Bright):
        def run(self, batch):
            raise InputError("the model broke")

    class Unplugged(Moving):
        def read(self):
            if self.number == 3:
                raise InputError("unplugged")
            return super().read()

    with pytest.raises(InputError, match="the model broke"):
        shown_by(Moving(patience=0.1), Broken())
    with pytest.raises(InputError, match="unplugged"):
        shown_by(Unplugged(), Bright())


def test_a_place_keeps_the_newest_and_wakes_who_waits():
    place = Latest()
    place.put("a", 1)
    place.put("b", 2)
    assert place.take(0, 0) == (2, "b")
    assert place.take(2, 0.01) is None
    threading.Timer(0.05, lambda: place.put("c", 3)).start()
    assert place.take(2, 60) == (3, "c")
    threading.Timer(0.05, place.close).start()
    assert place.take(3, 60) is None


def test_a_place_for_two_gives_both_in_order():
    place = Latest(room=2)
    for number, value in enumerate("abc", 1):
        place.put(value, number)
    assert place.take(0, 0) == (2, "b")
    assert place.take(2, 0) == (3, "c")
    place.close(ValueError("first"))
    place.close()
    assert place.take(2, 0) == (3, "c")
    with pytest.raises(ValueError, match="first"):
        place.take(3, 0)


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self):
        self.pictures, self.closed = [], False

    def send(self, image, seconds):
        self.pictures.append(image.copy())

    def close(self):
        self.closed = True


def webcam(keys="", sinks=None, background="#00ff00", pictures=20, source=None, backend=None, **options):
    source, pressed = source or Moving(pictures), iter(keys)

    def pressed_after_a_picture():
        source.shown(source.number)
        return next(pressed, "")

    controls = Controls(parse_backgrounds([background]))
    models = [Segmenter(backend or Bright())]
    return Webcam(source, models, controls, sinks or [], pressed_after_a_picture, smooth=False, **options)


@pytest.mark.parametrize(("background", "clean"), [("white", True), ("blur", False)])
def test_the_old_background_does_not_shine_through_a_soft_outline(background, clean):
    """Except where it is there, out of focus."""

    class Soft(Moving):
        def read(self):
            image = super().read()
            return image if image is None else cv2.GaussianBlur(image, (0, 0), 4)

    class Share(Bright):
        def run(self, batch):
            return batch.mean(-1, keepdims=True).astype(np.float32) / 220

    soft, kept = Soft(pictures=25, size=(64, 64)), Kept()
    webcam(sinks=[kept], background=background, source=soft, backend=Share()).run()
    darkest = min(int(picture[22:38, 30:].min()) for picture in kept.pictures[5:])
    # A person of 220 on white is nowhere darker than 220; mixed with the black behind, it is. (Levels, which this exact
    # alpha does not need, leave a little of that.)
    assert (darkest > 190) is clean


def test_the_background_is_replaced_and_outputs_are_closed():
    kept = Kept()
    shown = webcam(sinks=[kept]).run()
    assert shown == len(kept.pictures) == 20
    assert kept.closed
    picture = kept.pictures[-1]
    assert (picture[50, 70] == (0, 255, 0)).all()
    assert picture[30].max() > 200


def test_keys(tmp_path):
    said = []
    session = webcam("mb+sp q", source=Moving(patience=0.1), snapshots=tmp_path, say=said.append)
    session.run()
    controls = session.controls
    assert controls.mirror
    assert isinstance(controls.background, Blur)
    assert controls.background.strength == pytest.approx(2.5)
    assert controls.statistics
    assert controls.paused
    assert session.source.number < 30
    (snapshot,) = tmp_path.glob("portraitnet-*.png")
    assert said == [f"snapshot: {snapshot}"]


def test_none_is_transparent_in_a_snapshot_and_grey_in_the_picture(tmp_path):
    kept = Kept()
    webcam("p", sinks=[kept], background="none", snapshots=tmp_path).run()
    (snapshot,) = tmp_path.glob("*.png")
    assert Image.open(snapshot).mode == "RGBA"
    assert kept.pictures[-1].shape == (60, 80, 3)
    assert (kept.pictures[-1][50, 70] == 128).all()


def test_backgrounds_to_go_through():
    kinds = [type(one) for one in parse_backgrounds(["red", "none"])]
    assert kinds == [Picture, Cutout, Blur, Picture]


def frames_of(path):
    with av.open(str(path)) as container:
        return [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def test_a_recording_has_the_pictures_times_and_survives_a_change_of_size(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4")
    for number, seconds in enumerate((5.0, 5.04, 5.2, 5.21)):
        size = (48, 64) if number < 3 else (64, 64)
        recorder.send(np.full((*size, 3), 60 * number, np.uint8), seconds)
    recorder.close()
    frames = frames_of(tmp_path / "out.mp4")
    assert [round(seconds, 2) for seconds, _ in frames] == [0.0, 0.04, 0.2, 0.21]
    assert all(picture.shape == (48, 64, 3) for _, picture in frames)
    assert abs(int(frames[2][1][24, 32, 0]) - 120) < 6
    Recorder(tmp_path / "none.mp4").close()
    assert not (tmp_path / "none.mp4").exists()


def test_ctrl_c_finishes_the_recording(tmp_path):
    presses = count()
    session = webcam(source=Moving(patience=0.1), sinks=[Recorder(tmp_path / "out.mp4")])
    go_on = session.keys

    def interrupted():
        if next(presses) == 5:
            raise KeyboardInterrupt
        return go_on()

    session.keys = interrupted
    assert session.run() == 6
    assert len(frames_of(tmp_path / "out.mp4")) == 6


def test_a_failing_output_does_not_cost_the_recording(tmp_path):
    class Failing(Kept):
        def send(self, image, seconds):
            if len(self.pictures) == 3:
                raise InputError("the virtual camera went away")
            super().send(image, seconds)

    session = webcam(source=Moving(patience=0.1), sinks=[Recorder(tmp_path / "out.mp4"), Failing()])
    with pytest.raises(InputError, match="went away"):
        session.run()
    assert len(frames_of(tmp_path / "out.mp4")) == 4


@pytest.mark.parametrize("error", [InputError("full"), OSError("gone"), RuntimeError("stuck")])
def test_an_output_that_fails_to_close_leaves_no_other_open(tmp_path, error):
    class Stuck(Kept):
        def close(self):
            raise error

    before, after = Kept(), Kept()
    session = webcam(sinks=[before, Stuck(), after, Recorder(tmp_path / "out.mp4")], pictures=4)
    with pytest.raises(type(error), match=str(error)):
        session.run()
    assert before.closed
    assert after.closed
    assert session.source.closed
    assert len(frames_of(tmp_path / "out.mp4")) == 4


def test_a_mask_fits_pictures_of_another_size():
    box = Segmenter(Bright()).place((60, 80))
    alpha = np.zeros((64, 64), np.float32)
    box.content(alpha)[:, :32] = 1
    mask = Mask(alpha, box, 0.0)
    for size in ((60, 80), (120, 160), (30, 90)):
        found = mask.of(np.zeros((*size, 3), np.uint8))
        assert found.shape == size
        assert (found[:, : size[1] // 2 - 4] == 255).all()
        assert (found[:, size[1] // 2 + 4 :] == 0).all()
