import numpy as np
import pytest
from PIL import Image

from portraitnet.cli.data import check_command
from portraitnet.runtime.errors import InputError
from portraitnet.train.data.check import check_data, write_contact_sheet

from ..conftest import write_folder_set


@pytest.fixture
def sound(tmp_path):
    """A folder set in which nothing is odd: larger than the tiny ones."""
    return write_folder_set(tmp_path / "set", 12, (80, 72))


def whats(report):
    return {oddity.name: oddity.what for oddity in report.odd}


def test_a_sound_set(sound):
    seen = []
    report = check_data(sound, holdout=0.3, on_picture=seen.append)
    assert (report.kind, report.others, report.problems, report.odd) == ("folder", [], [], [])
    assert sum(len(source) for source in report.sources.values()) == 12
    assert seen == [12] * 12
    assert set(report.sizes) == {(80, 72)}
    masks = [np.array(Image.open(path)) > 127 for path in (sound / "masks").iterdir()]
    assert report.shares.pixels[1] == pytest.approx(np.mean(masks))
    assert report.shares.weights[1] > report.shares.weights[0]


def test_everything_odd_is_named(sound):
    def overwrite(name, array):
        Image.fromarray(array).save(sound / "masks" / name)

    overwrite("000.png", np.zeros((80, 72), np.uint8))
    overwrite("001.png", np.full((80, 72), 255, np.uint8))
    overwrite("002.png", np.full((80, 72), 77, np.uint8))
    overwrite("003.png", np.full((9, 9), 255, np.uint8))
    (sound / "images" / "004.png").write_bytes(b"\x89PNG\r\n\x1a\ncut short")
    (sound / "masks" / "005.png").unlink()
    (sound / "images" / "again.png").write_bytes((sound / "images" / "006.png").read_bytes())
    (sound / "masks" / "again.png").write_bytes((sound / "masks" / "006.png").read_bytes())
    small = np.zeros((20, 30), np.uint8)
    small[5:] = 255
    Image.fromarray(np.stack([small] * 3, -1)).save(sound / "images" / "small.png")
    overwrite("small.png", small)
    report = check_data(sound, holdout=0.3)
    found = whats(report)
    assert found["000.png"] == "nothing but background"
    assert found["001.png"] == "nothing but foreground"
    assert "unknown values 77:" in found["002.png"]
    assert "the mask is 9x9" in found["003.png"]
    assert "004.png" in found["004.png"]
    assert found["again.png"] == "the same picture as 006.png"
    assert found["small.png"] == "only 30x20 pixels"
    assert len(found) == 7
    assert {name for source in report.sources.values() for name in source.skipped} == {"005.png"}
    write_contact_sheet(sound / "sheet.png", report)
    sheet = np.array(Image.open(sound / "sheet.png"))
    assert sheet.shape[1] == 1200
    assert sheet.shape[0] >= 800


def test_a_picture_in_both_splits_is_a_leak(tmp_path):
    for part in ("train", "val"):
        for folder in ("images", "annotations"):
            (tmp_path / folder / part).mkdir(parents=True)
        Image.fromarray(np.full((80, 80, 3), 9, np.uint8)).save(tmp_path / "images" / part / f"{part}.png")
        Image.fromarray(np.eye(80, dtype=np.uint8)).save(tmp_path / "annotations" / part / f"{part}.png")
    report = check_data(tmp_path)
    assert (report.kind, report.others) == ("easyportrait", ["easyportrait_person"])
    assert whats(report)["val/val.png"].endswith("which is in train: scores on val would flatter")
    (problem,) = report.problems  # there is no test part
    assert "images/test" in problem
    assert len(report.classes) == 9


def test_a_limit_reads_fewer_and_classes_name_labels(sound):
    assert len(check_data(sound, limit=2).sizes) == 4
    for path in (sound / "masks").iterdir():
        Image.fromarray(np.array(Image.open(path)) // 127).save(path)
    report = check_data(sound, classes=("background", "shirt", "hair"))
    assert not report.odd
    assert report.shares.pictures[1:].tolist() == [0, 1]


def run_check(folder, classes=""):
    check_command(folder, kind="", classes=classes, holdout=0.2, limit=0, sheet=folder / "sheet.png")


def test_the_command_fails_when_masks_cannot_be_used(sound):
    for path in (sound / "masks").iterdir():
        Image.fromarray(np.full((80, 72), 77, np.uint8)).save(path)
    with pytest.raises(InputError, match="12 of 12 pictures cannot be used"):
        run_check(sound)
    assert (sound / "sheet.png").is_file()


def test_a_class_without_a_pixel_is_told(sound, capsys):
    run_check(sound)
    assert not capsys.readouterr().err
    with pytest.raises(InputError, match="no mask has a pixel of shirt, hair: there is nothing to learn"):
        run_check(sound, "background,shirt,hair")  # the masks are 0/255
    for path in (sound / "masks").iterdir():
        Image.fromarray(np.array(Image.open(path)) // 255).save(path)
    run_check(sound, "background,shirt,hair")
    assert "WARNING: no mask has a pixel of hair" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "message"), [("", "the layout of none"), ("vocc", "unknown data set kind"), ("voc", "it is not laid out")]
)
def test_a_folder_that_is_no_data_set(tmp_path, kind, message):
    with pytest.raises(InputError, match=message):
        check_data(tmp_path, kind)
