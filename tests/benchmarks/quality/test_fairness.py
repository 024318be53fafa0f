import cv2
import numpy as np
import pytest
from rich.progress import Progress

from portraitnet.benchmarks.quality.fairness import Cropped, benchmark_fairness, groups_of
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.metrics import IGNORE
from portraitnet.train.datasets.folder import Folder

from ...train.conftest import write_folder_set


def groups(person, behind, mask):
    image = np.where(mask[..., None] == 1, person, behind).astype(np.uint8)
    return dict(group.split(": ") for group in groups_of(np.repeat(image, 3, 2), mask))


@pytest.fixture
def mask():
    labels = np.zeros((100, 80), np.uint8)
    labels[30:, 20:60] = 1
    return labels


def test_light_contrast_and_framing(mask):
    assert groups(120, 110, mask) == {
        "light": "ordinary", "contrast": "other", "people": "1", "size": "medium", "framing": "portrait",
    }  # fmt: skip
    assert groups(40, 200, mask)["light"] == "dark"
    assert groups(40, 200, mask)["contrast"] == "back-lit"
    assert groups(220, 200, mask)["light"] == "bright"
    mask[90:] = 0
    assert groups(120, 110, mask)["framing"] == "other"


def test_people_are_counted_without_specks(mask):
    mask[60:, 38:42] = 0
    mask[30:60, :] = 0  # two legs
    mask[2:4, 2:4] = 1
    assert groups(120, 110, mask)["people"] == "2"
    for column in range(0, 80, 20):
        mask[:, column : column + 20] = 0
        mask[50:60, column : column + 10] = 1
    assert groups(120, 110, mask)["people"] == "3 or more"
    assert groups_of(np.zeros((100, 80, 3), np.uint8), mask & 0) == ["people: none"]


def test_unknown_pixels_say_nothing(mask):
    image = np.full((100, 80, 3), 100, np.uint8)
    image[:30] = 255
    mask[:30] = IGNORE
    assert "contrast: other" in groups_of(image, mask)


@pytest.mark.parametrize(("shape", "expected"), [(16 / 9, (45, 80)), (9 / 16, (100, 56)), (0.8, (100, 80))])
def test_a_crop_is_the_largest_of_its_shape_and_holds_the_head(tmp_path, shape, expected):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    labels = np.zeros((100, 80), np.uint8)
    labels[50:, 60:] = 1
    cv2.imwrite(str(tmp_path / "images" / "one.png"), np.repeat(labels[..., None] * 200, 3, 2))
    cv2.imwrite(str(tmp_path / "masks" / "one.png"), labels)
    image, found = Cropped(Folder(tmp_path, "all"), shape).read(0)
    assert found.shape == image.shape[:2] == expected
    np.testing.assert_array_equal(image[..., 0] > 100, found == 1)
    assert (found == 1).any(1).sum() >= 0.4 * expected[0]
    assert (found == 1).any(0).sum() == 20  # centred on the person as far as the border lets


def test_every_group_has_its_rows(tmp_path):
    source = Folder(write_folder_set(tmp_path / "set", 4), "all")
    with Progress(disable=True) as bar:
        rows = read_csv(benchmark_fairness([default_weights()], [("set", source)], tmp_path, bar))
    assert rows[0]["group"] == "all"
    assert rows[0]["images"] == "4"
    for question in ("light", "contrast", "people", "size", "framing"):
        assert sum(int(row["images"]) for row in rows if row["group"].startswith(question)) == 4
    shapes = [row for row in rows if row["group"].startswith("shape")]
    assert [(row["group"], row["images"]) for row in shapes] == [("shape: 16:9", "4"), ("shape: 9:16", "4")]
