from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.media.images import load_image, save_image
from portraitnet.runtime.media.masks import load_mask
from portraitnet.runtime.media.orientation import Orientation
from portraitnet.runtime.media.video import VideoReader
from portraitnet.runtime.metrics import iou
from portraitnet.runtime.plan import OUTPUTS, Job
from portraitnet.runtime.process import Options, _video, run
from portraitnet.runtime.segmenter import Segmenter


@pytest.fixture
def folder(tmp_path, person, make_clip):
    """Two pictures, a clip, and files that are none of our business."""
    folder = tmp_path / "in"
    save_image(folder / "a.png", person[0])
    save_image(folder / "b.jpg", person[0])
    make_clip("in/c.mp4", sound="aac")
    (folder / "notes.txt").write_text("hello")
    (folder / "._a.png").write_bytes(b"rubbish")
    return folder


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_of_all_kinds(folder, tmp_path, segmenter, person):
    summary = run([folder], segmenter, tmp_path / "out", background="#0000ff", progress=True)
    assert names_in(tmp_path / "out") == ["a.png", "b.jpg", "c.mp4"]
    assert summary.frames == 14
    assert len(summary.written) == 3
    assert summary.frames_per_second > 0
    for picture in (load_image(tmp_path / "out" / "a.png"), next(iter(VideoReader(tmp_path / "out" / "c.mp4"))).image):
        blue = picture[..., 2] > 128
        assert iou(~blue, person[1]) > 0.85
    with av.open(str(tmp_path / "out" / "c.mp4")) as container:
        assert len(container.streams.audio) == 1


def test_one_file_to_one_file(folder, tmp_path, segmenter):
    run([folder / "a.png"], segmenter, tmp_path / "x.webp")
    assert Image.open(tmp_path / "x.webp").format == "WEBP"
    run([folder / "c.mp4"], segmenter, tmp_path / "x.mkv", sound=False)
    assert len(list(VideoReader(tmp_path / "x.mkv"))) == 12


def test_masks(folder, tmp_path, segmenter, person):
    run([folder], segmenter, tmp_path / "out", output="mask")
    assert names_in(tmp_path / "out") == ["a.png", "b.png", "c.mp4"]
    assert iou(load_mask(tmp_path / "out" / "a.png") > 127, person[1]) > 0.9
    frame = next(iter(VideoReader(tmp_path / "out" / "c.mp4"))).image
    assert iou(frame[..., 0] > 127, person[1]) > 0.9


@pytest.mark.parametrize("how", [{"output": "cutout"}, {"background": "none"}])
def test_cut_outs(folder, tmp_path, segmenter, person, how):
    run([folder / "b.jpg"], segmenter, tmp_path / "out", **how)
    result = np.asarray(Image.open(tmp_path / "out" / "b.png"))
    assert result.shape == (60, 80, 4)
    assert iou(result[..., 3] > 127, person[1]) > 0.9
    assert not result[result[..., 3] == 0].any()  # nothing of the background that was removed
    with pytest.raises(InputError, match="holds no transparency"):
        run([folder / "a.png"], segmenter, tmp_path / "x.jpg", **how)


def test_the_background_is_a_clip_that_loops(folder, tmp_path, segmenter, make_clip):
    blue = make_clip("blue.mp4", frames=5, picture=(0, 0, 255))
    run([folder / "c.mp4"], segmenter, tmp_path / "out.mp4", background=str(blue))
    frames = list(VideoReader(tmp_path / "out.mp4"))
    assert len(frames) == 12
    assert all(frame.image[5, 5, 2] > 200 for frame in frames)


def test_rotated_phone_clip_is_segmented_upright(tmp_path, segmenter, make_clip, person):
    sideways = np.ascontiguousarray(np.rot90(person[0]))  # as a phone held upright stores it: 80 x 60
    clip = make_clip(size=(80, 60), rotation=-90, picture=sideways)
    run([clip], segmenter, tmp_path / "out.mp4", output="mask")
    result = VideoReader(tmp_path / "out.mp4")
    assert (result.orientation, result.size) == (Orientation(), (60, 80))
    assert iou(next(iter(result)).image[..., 0] > 127, person[1]) > 0.9


def test_variable_times_and_odd_sizes_go_through(tmp_path, segmenter, make_clip):
    times = [0, 3000, 9000, 9500]
    clip = make_clip("in.mkv", frames=4, times=times, size=(61, 81), pix_fmt="yuv444p")
    run([clip], segmenter, tmp_path / "out.mp4")
    out = VideoReader(tmp_path / "out.mp4")
    assert out.size == (60, 80)
    assert [f.seconds for f in out] == pytest.approx([t / 90_000 for t in times], abs=0.001)


def test_one_pixel_picture(tmp_path, segmenter):
    save_image(tmp_path / "a.png", np.full((1, 1, 3), 9, np.uint8))
    for output in OUTPUTS:
        run([tmp_path / "a.png"], segmenter, tmp_path / output, output=output)
        assert Image.open(tmp_path / output / "a.png").size == (1, 1)


def test_existing_results_are_kept_unless_told(folder, tmp_path, segmenter):
    out = tmp_path / "x.png"
    run([folder / "a.png"], segmenter, out)
    before = out.read_bytes()
    with pytest.raises(InputError, match="exists"):
        run([folder / "a.png"], segmenter, out, background="red")
    assert out.read_bytes() == before
    run([folder / "a.png"], segmenter, out, background="red", overwrite=True)
    assert out.read_bytes() != before


def test_inputs_are_never_overwritten(folder, tmp_path, segmenter):
    (tmp_path / "link").symlink_to(folder)
    for out in (folder, tmp_path / "link"):
        with pytest.raises(InputError, match="is an input"):
            run([folder], segmenter, out, overwrite=True)
    with pytest.raises(InputError, match="is an input"):
        run([folder / "a.png"], segmenter, folder / "a.png", overwrite=True)


def test_the_background_is_never_overwritten(folder, tmp_path, segmenter, make_clip):
    blue = make_clip("blue.mp4", frames=3, picture=(0, 0, 255))
    for source, background in ((folder / "c.mp4", blue), (folder / "a.png", folder / "b.jpg")):
        before = background.read_bytes()
        with pytest.raises(InputError, match="is an input"):
            run([source], segmenter, background, background=str(background), overwrite=True)
        assert background.read_bytes() == before


def test_an_input_by_another_name_is_never_overwritten(folder, tmp_path, segmenter):
    (tmp_path / "same.png").hardlink_to(folder / "a.png")  # as A.PNG and a.png are one file on a Mac
    with pytest.raises(InputError, match="is an input"):
        run([folder / "a.png"], segmenter, tmp_path / "same.png", overwrite=True)


def test_a_background_clip_starts_with_the_video(tmp_path, segmenter, make_clip):
    late = make_clip("late.mkv", frames=4, times=[90_000 * 600 + index * 3000 for index in range(4)])
    seen = []

    class Scene:
        def compose(self, image, alpha, seconds):
            seen.append(seconds)
            return image

    _video(Job(late, tmp_path / "out.mp4"), segmenter, Scene(), Options(), lambda job: None)
    assert seen == pytest.approx([index / 30 for index in range(4)], abs=0.001)


def test_results_never_share_a_name(folder, tmp_path, segmenter, person):
    save_image(folder / "deep" / "a.png", person[0])
    save_image(folder / "b.png", person[0])
    with pytest.raises(InputError, match="both be written to"):
        run([folder / "a.png", folder / "deep" / "a.png"], segmenter, tmp_path / "out")
    with pytest.raises(InputError, match="both be written to"):
        run([folder / "b.png", folder / "b.jpg"], segmenter, tmp_path / "out", output="mask")
    assert not (tmp_path / "out").exists()


def test_one_bad_file_does_not_stop_the_others(folder, tmp_path, segmenter, caplog):
    (folder / "a0.png").write_text("hello")
    clip = folder / "c.mp4"
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(InputError, match=r"2 of 4 files failed: .*a0\.png, .*c\.mp4$"):
        run([folder], segmenter, tmp_path / "out", progress=True)
    reasons = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert "not a picture" in reasons[0]
    assert "c.mp4 is damaged" in reasons[1]
    assert names_in(tmp_path / "out") == ["a.png", "b.jpg"]


def test_a_video_that_breaks_midway_leaves_nothing(tmp_path, segmenter, make_clip):
    clip = make_clip("in.mkv", frames=120, noise=True)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(InputError, match="cut short"):
        run([clip], segmenter, tmp_path / "out")
    assert names_in(tmp_path / "out") == []


def test_an_interrupted_video_leaves_nothing(folder, tmp_path, segmenter, monkeypatch):
    real, calls = segmenter.small_alpha, []

    def pressed(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(segmenter, "small_alpha", pressed)
    with pytest.raises(KeyboardInterrupt):
        run([folder / "c.mp4"], segmenter, tmp_path / "out")
    assert names_in(tmp_path / "out") == []


def test_bad_requests(folder, tmp_path, segmenter):
    (tmp_path / "empty" / "folder-named-like-a.png").mkdir(parents=True)
    for inputs, out, options, message in (
        ([], "out", {}, "no input"),
        ([tmp_path / "empty"], "out", {}, "holds no picture or video"),
        ([tmp_path / "gone.png"], "out", {}, "does not exist"),
        ([folder / "notes.txt"], "out", {}, "neither picture nor video"),
        ([folder], "in/notes.txt", {}, "is a file"),
        ([folder], "out", {"output": "hologram"}, "not one of"),
        ([folder], "out", {"background": "hologram"}, "background 'hologram'"),
        ([folder / "a.png"], "x.mp4", {}, "a picture is written to"),
        ([folder / "c.mp4"], "x.png", {}, "a video is written to"),
        ([folder / "c.mp4"], "x.avi", {}, "a video is written to"),
        ([folder / "c.mp4"], "x.mp4", {"background": "none"}, r"holds no transparency; write to one of \.mov"),
        ([folder / "a.png", folder / "c.mp4"], "r.gif", {}, "looks like a file"),
        ([folder], "x.png", {}, "looks like a file"),
        ([folder / "a.png"], "x.jpge", {}, "a picture is written to"),
        ([folder / "a.png"], "r.gif", {}, "a picture is written to"),
        (["https://example.org/a.png"], "x.png", {}, "https://example.org/a.png is an address"),
        ([folder / "a.png"], "x.png", {"background": "https://example.org/b.png"}, "is an address"),
        (["n" * 300 + ".png"], "x.png", {}, "name too long"),
    ):
        with pytest.raises(InputError, match=message):
            run(inputs, segmenter, tmp_path / out, **options)
    assert names_in(tmp_path) == ["empty", "in", "tiny.onnx"]


def test_standard_output_is_no_file(folder, segmenter):
    for inputs in ([folder], [folder / "a.png"]):
        with pytest.raises(InputError, match="not written to standard output"):
            run(inputs, segmenter, "-")


def test_without_a_name_results_lie_beside_their_inputs(folder, segmenter):
    summary = run([folder / "a.png"], segmenter, background="none")
    assert summary.written == (folder / "a-portrait.png",)
    summary = run([folder / "c.mp4"], segmenter, background="none")
    assert summary.written == (folder / "c-portrait.mov",)
    (folder / "c-portrait.mov").unlink()
    (folder / "a-portrait.png").unlink()
    run([folder], segmenter)
    assert names_in(folder.with_name("in-portrait")) == ["a.png", "b.jpg", "c.mp4"]


def test_folders_inside_folders_keep_their_shape(folder, tmp_path, segmenter, person, caplog):
    save_image(folder / "deep" / "a.png", person[0])
    run([folder], segmenter, tmp_path / "flat")
    assert names_in(tmp_path / "flat") == ["a.png", "b.jpg", "c.mp4"]
    (told,) = [record.getMessage() for record in caplog.records]
    assert "1 .txt" in told
    assert "1 folders (--recursive takes them too)" in told
    run([folder], segmenter, tmp_path / "whole", recursive=True)
    assert names_in(tmp_path / "whole") == ["a.png", "b.jpg", "c.mp4", "deep"]
    assert names_in(tmp_path / "whole" / "deep") == ["a.png"]


def test_a_folder_that_is_run_again_goes_on(folder, tmp_path, segmenter, person):
    run([folder], segmenter, tmp_path / "out")
    before = (tmp_path / "out" / "a.png").read_bytes()
    save_image(folder / "new.png", person[0])
    summary = run([folder], segmenter, tmp_path / "out", background="red")
    assert [path.name for path in summary.written] == ["new.png"]
    assert len(summary.done_before) == 3
    assert (tmp_path / "out" / "a.png").read_bytes() == before
    with pytest.raises(InputError, match="--skip-existing"):
        run([folder / "a.png"], segmenter, tmp_path / "out" / "a.png")
    assert run([folder / "a.png"], segmenter, tmp_path / "out" / "a.png", skip_existing=True).written == ()


def test_inputs_are_checked_before_a_model_is_opened(tmp_path):
    def opened(planned):
        raise AssertionError("opened too early")

    with pytest.raises(InputError, match="does not exist"):
        run([tmp_path / "gone.png"], opened)


def test_a_picture_keeps_its_own_transparency(tmp_path, segmenter, person):
    rgba = np.dstack([person[0], np.full(person[0].shape[:2], 255, np.uint8)])
    rgba[:, :40] = (0, 255, 0, 0)  # hidden, though it would count as person
    save_image(tmp_path / "a.png", rgba)
    run([tmp_path / "a.png"], segmenter, tmp_path / "x.png", output="cutout")
    result = np.asarray(Image.open(tmp_path / "x.png"))
    assert not result[:, :40].any()
    assert result[40, 45, 3] == 255


@pytest.mark.parametrize("background", ["none", "#0000ff", "blur"])
def test_matting_of_pictures(folder, tmp_path, segmenter, person, background, monkeypatch):
    pytest.importorskip("pymatting")
    asked = []

    def half(image, alpha):
        asked.append(alpha)
        return alpha // 2

    monkeypatch.setattr("portraitnet.runtime.process.matted_alpha", half)
    monkeypatch.setattr("portraitnet.runtime.process.own_colours", lambda image, alpha: image)
    run([folder / "a.png"], segmenter, tmp_path / "out.png", background=background, matting=True)
    found = np.asarray(Image.open(tmp_path / "out.png")).astype(int)
    assert len(asked) == 1
    inside = asked[0] == 255
    if background == "none":
        assert (found[inside][:, 3] == 127).all()
    elif background == "#0000ff":
        assert np.abs(found[inside] - (0.5 * person[0][inside] + (0, 0, 127))).mean() < 6


def test_matting_is_for_pictures(folder, tmp_path, segmenter):
    pytest.importorskip("pymatting")
    with pytest.raises(InputError, match="--matting is for pictures"):
        run([folder], segmenter, tmp_path / "out", matting=True)
    assert not (tmp_path / "out").exists()


def test_large_pictures_are_matted_too(folder, tmp_path, segmenter, monkeypatch):
    pytest.importorskip("pymatting")
    monkeypatch.setattr("portraitnet.runtime.process.LARGE", 1)
    monkeypatch.setattr("portraitnet.runtime.process.matted_alpha", lambda image, alpha: np.full_like(alpha, 77))
    run([folder / "a.png"], segmenter, tmp_path / "out.png", output="mask", matting=True)
    assert (load_mask(tmp_path / "out.png") == 77).all()


def test_refined_outlines_of_a_clip_are_smoothed(tmp_path, make_onnx, contract, person):
    """The camera's noise comes back with the picture that they are drawn to."""
    rng, clip = np.random.default_rng(0), tmp_path / "clip.png"
    frames = [np.clip(person[0] + rng.normal(0, 12, person[0].shape), 0, 255).astype(np.uint8) for _ in range(8)]
    first, *others = map(Image.fromarray, frames)
    first.save(clip, save_all=True, append_images=others, duration=33)
    trembling = {}
    for smooth in (True, False):
        out = tmp_path / f"{smooth}.png"
        run([clip], Segmenter.load(make_onnx(contract), 1, refine=True), out, output="mask", smooth=smooth)
        masks = [np.asarray(frame.convert("L"), float) for frame in ImageSequence.Iterator(Image.open(out))]
        assert len(masks) == 8
        assert iou(masks[-1] > 127, person[1]) > 0.9
        trembling[smooth] = np.mean([np.abs(after - before).mean() for before, after in pairwise(masks)])
    assert trembling[True] < 0.5 * trembling[False]
