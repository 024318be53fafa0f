import math

import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.metrics import IGNORE
from portraitnet.train.data.balance import ClassCounter, about_absent, absent_classes, class_shares
from portraitnet.train.data.cache import open_cache
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.datasets.synthetic import Synthetic
from portraitnet.train.loop import train
from portraitnet.train.recipe import SourceSpec

from ..conftest import small_recipe, write_folder_set


def test_shares_by_hand():
    counter = ClassCounter(3)
    counter.add(np.array([[0, 0, 1, IGNORE]], np.uint8))  # 2/3, 1/3
    counter.add(np.zeros((10, 10), np.uint8))  # a larger picture counts no more
    shares = counter.shares()
    assert shares.pixels == pytest.approx([5 / 6, 1 / 6, 0])
    assert shares.pictures == pytest.approx([1, 0.5, 0])
    plain = [1 / math.log(1.02 + share) for share in (5 / 6, 1 / 6, 0)]
    assert shares.weights == pytest.approx(np.array(plain) / np.mean(plain))


def test_a_cache_tells_the_same_without_its_padding_and_sources_count_as_they_are_drawn(tmp_path):
    discs, flat = write_folder_set(tmp_path / "a", 5), write_folder_set(tmp_path / "b", 2)
    for path in (flat / "masks").iterdir():
        Image.fromarray(np.full((48, 40), 255, np.uint8)).save(path)
    sources, specs = [Folder(discs), Folder(flat)], [SourceSpec("folder"), SourceSpec("folder", weight=10)]
    read = class_shares(sources, [None, None], specs, 2)
    caches = [open_cache(source, (96, 96), tmp_path / "cache") for source in sources]
    cached = class_shares(sources, caches, specs, 2)
    assert cached.pixels == pytest.approx(read.pixels, abs=0.005)
    alone = class_shares(sources[:1], [None], specs[:1], 2).pixels[1]
    assert read.pixels[1] == pytest.approx((5 * alone + 20) / 25)


def test_classes_without_a_pixel_are_found_and_the_reading_stops_early(tmp_path):
    source = Folder(write_folder_set(tmp_path / "a", 5), classes=("background", "person"))
    reads = []
    read = source.read
    source.read = lambda index: reads.append(index) or read(index)
    assert absent_classes([source], [None], source.classes) == []
    assert reads == [0]
    three = Folder(tmp_path / "a", classes=("background", "shirt", "hair"))  # whose masks hold 0 and 255
    assert absent_classes([three], [None], three.classes) == ["shirt", "hair"]
    cache = open_cache(three, (96, 96), tmp_path / "cache")
    assert absent_classes([three], [cache], three.classes) == ["shirt", "hair"]
    assert absent_classes([Synthetic((32, 32))], [None], ("background", "person")) == []


def test_one_class_alone_is_nothing_to_learn():
    three = ("background", "shirt", "hair")
    assert about_absent([], three) == ""
    assert "no mask has a pixel of hair" in about_absent(["hair"], three)
    for absent, classes in ((["shirt", "hair"], three), (["person"], ("background", "person"))):
        with pytest.raises(InputError, match=f"no mask has a pixel of {', '.join(absent)}: there is nothing to learn"):
            about_absent(absent, classes)


def test_a_run_writes_its_classes_down(tmp_path, folder_set):
    recipe = small_recipe(
        folder_set,
        loss={"class_weights": "inverse_log", "hard_threshold": 0.7, "hard_pixels": 100, "consistency": 0},
        optimizer={"name": "sgd", "schedule": "onecycle", "learning_rate": 0.05},
        run={"steps": 2, "evaluate_every": 2},
    )
    train(recipe, tmp_path / "run", accelerator="cpu")
    header, background, person = (tmp_path / "run" / "classes.csv").read_text().splitlines()
    assert header == "class,pixels,pictures,weight"
    assert float(background.split(",")[3]) < 1 < float(person.split(",")[3])
