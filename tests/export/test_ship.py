"""What ships: three files of one set of weights, without their maker's paths."""

import cv2
import numpy as np
import pytest

from portraitnet.export.ship import ship
from portraitnet.runtime.geometry import STRETCH
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.train.engine.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture
def run(checkpoint, easy_picture, tmp_path):
    """A run's best weights, and a folder of pictures to check them on."""
    recipe = {
        "data": {"root": "/home/someone/data", "cache": "/home/someone/cache"},
        "model": {"encoder_weights": "/home/someone/movenet.safetensors"},
        "run": {"start_from": "/home/someone/before.safetensors"},
        "loss": {"teachers": ["/home/someone/large.safetensors"]},
    }
    facts = {"recipe": recipe, "step": 140, "scores": {"val/fg_iou_per_image": 0.9}}
    best = tmp_path / "best.safetensors"
    save_checkpoint(best, checkpoint.model.state_dict(), checkpoint.spec, checkpoint.size, facts)
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for seed in range(4):
        cv2.imwrite(str(photographs / f"{seed}.png"), easy_picture(seed)[0][..., ::-1])
    return best, photographs, tmp_path


def test_three_files_of_the_same_weights_without_a_path_for_the_geometry_that_was_asked_for(run):
    best, photographs, out = run
    ship(best, "toy", photographs, folder=out, tflite="fp32", geometry=STRETCH)
    shipped = load_checkpoint(out / "toy.safetensors")
    assert shipped.geometry == STRETCH
    assert "someone" not in str(shipped.facts)
    assert shipped.facts["recipe"]["run"]["start_from"] == "before.safetensors"
    assert shipped.facts["recipe"]["loss"]["teachers"] == ["large.safetensors"]
    assert "scores" not in shipped.facts  # they are of the geometry that the run had
    segmenters = [Segmenter.load(out / f"toy.{kind}") for kind in ("onnx", "tflite")]
    assert [segmenter.contract.geometry for segmenter in segmenters] == [STRETCH, STRETCH]
    picture = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    np.testing.assert_allclose(*[segmenter(picture) for segmenter in segmenters], atol=1e-4)
