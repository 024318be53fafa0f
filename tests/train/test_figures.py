"""Figures: VOC's colours, pictures that cover all classes, and several models side by side."""

import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.contract import Contract
from portraitnet.runtime.metrics import IGNORE
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.train.data.choice import cover_classes
from portraitnet.train.data.sheets import CONFUSED, MISSED, TILE, WRONG, errors, overlay, paint
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.evaluate import photographs, shots_of, without_masks, write_figure

from .conftest import write_folder_set

# Of VOC's devkit: background, aeroplane, bicycle, bird, boat, person, tvmonitor.
VOC_COLOURS = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 15: (192, 128, 128)}
VOC_COLOURS |= {20: (0, 64, 128), IGNORE: (224, 224, 192)}


class Brightness:
    """A backend whose alpha is 1 where the picture is brighter than `level`."""

    contract = Contract("brightness", ("background", "person"), 64, 64)

    def __init__(self, level):
        self.level = level

    def run(self, batch):
        return (batch.mean(-1, keepdims=True) > self.level).astype(np.float32)


def test_labels_are_painted_in_vocs_colours():
    painted = paint(np.array([list(VOC_COLOURS)], np.uint8))
    assert [tuple(pixel) for pixel in painted[0].tolist()] == list(VOC_COLOURS.values())


def test_errors_tell_a_wrong_class_from_foreground_and_background():
    truth, found = np.array([[0, 1, 1, 2, IGNORE]], np.uint8), np.array([[1, 0, 1, 1, 0]], np.uint8)
    image = np.full((1, 5, 3), 90, np.uint8)
    dark = (30, 30, 30)
    shown = [tuple(pixel) for pixel in errors(image, found, truth)[0].tolist()]
    assert shown == [WRONG, MISSED, dark, CONFUSED, dark]
    shown = [tuple(pixel) for pixel in errors(image, found, truth, background=False)[0].tolist()]
    assert shown == [CONFUSED, CONFUSED, dark, CONFUSED, dark]
    road = overlay(image, np.zeros((1, 5), np.uint8), background=False)
    assert not np.array_equal(road, image // 2)


def test_chosen_pictures_cover_every_class(tmp_path):
    root = write_folder_set(tmp_path / "set", count=30)
    for index, path in enumerate(sorted((root / "masks").iterdir())):
        mask = np.zeros((48, 40), np.uint8)
        if index in (7, 23):
            mask[:4] = {7: 2, 23: 4}[index]
        if index == 12:
            mask[:4], mask[4:8] = 1, 3
        Image.fromarray(mask).save(path)
    source = Folder(root, classes=("background", "a", "b", "c", "d"))
    assert {7, 12, 23} <= set(cover_classes(source, 6))
    assert len(cover_classes(source, 6)) == 6
    assert set(cover_classes(source, 3)) == {7, 12, 23}
    assert 12 in cover_classes(source, 1)


def test_a_figure_has_photograph_truth_and_every_model(tmp_path, folder_set):
    models = {"half": Segmenter(Brightness(120)), "nobody": Segmenter(Brightness(256))}
    write_figure(tmp_path / "f.png", models, shots_of(Folder(folder_set), 3))
    sheet = np.asarray(Image.open(tmp_path / "f.png")).astype(int)
    assert sheet.shape == (3 * TILE, 4 * TILE, 3)
    columns = [sheet[:TILE, k * TILE : (k + 1) * TILE] for k in range(4)]
    inner = (slice(60, 180), slice(40, 160))
    assert np.abs(columns[1][inner] - columns[2][inner]).mean() < 12  # the first model is right
    assert np.abs(columns[1][inner] - columns[3][inner]).mean() > 20  # the second finds nobody


def test_photographs_without_masks_are_shown_alone(tmp_path, folder_set):
    assert without_masks(folder_set / "images")
    assert not without_masks(folder_set)
    assert not without_masks(tmp_path / "nowhere")
    shots = list(photographs(folder_set / "images", 2))
    write_figure(tmp_path / "f.png", {"a": Segmenter(Brightness(120))}, shots)
    assert Image.open(tmp_path / "f.png").size == (2 * TILE, 2 * TILE)
    with pytest.raises(ValueError, match="no picture"):
        write_figure(tmp_path / "g.png", {}, [])
