import numpy as np

from portraitnet.train.datasets import open_source
from portraitnet.train.datasets.synthetic import TRAIN_SCENES, Synthetic
from portraitnet.train.recipe import SourceSpec
from portraitnet.train.synthetic import render_portrait


def test_validation_scenes_are_never_trained_on(tmp_path):
    train, held_out = (
        open_source(SourceSpec("synthetic", split=split), tmp_path, (48, 32), ("background", "person"))
        for split in ("train", "val")
    )
    seen = {train.name(index) for index in range(len(train))}
    assert len(seen) == len(train) == TRAIN_SCENES
    assert seen.isdisjoint(held_out.name(index) for index in range(len(held_out)))
    for source, seed in ((train, 0), (held_out, TRAIN_SCENES)):
        image, mask = source.read(0)
        expected_image, expected_mask = render_portrait(seed, mask.shape)
        np.testing.assert_array_equal(image, expected_image)
        np.testing.assert_array_equal(mask, expected_mask)
    assert not np.array_equal(train.read(0)[0], held_out.read(0)[0])


def test_a_limit_is_a_number_of_scenes():
    assert len(Synthetic((32, 32), "val", 7)) == 7
