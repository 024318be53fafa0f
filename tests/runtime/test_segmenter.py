import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from portraitnet.runtime import Segmenter
from portraitnet.runtime.metrics import iou


def test_alpha_of_any_size(segmenter, person):
    image, mask = person
    alpha = segmenter(image)
    assert alpha.shape == mask.shape
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert iou(alpha > 0.5, mask) > 0.9
    assert ((segmenter.alpha_bytes(image) > 127) == (alpha > 0.5)).mean() > 0.999
    assert (segmenter.labels(image) == (alpha > 0.5)).all()


@pytest.mark.parametrize("refine", [False, True])
def test_labels_and_alpha_are_those_of_the_single_calls(segmenter, person, refine):
    segmenter = Segmenter(segmenter.backend, refine)
    labels, alpha = segmenter.labels_and_alpha(person[0])
    np.testing.assert_array_equal(labels, segmenter.labels(person[0]))
    np.testing.assert_array_equal(alpha, segmenter.alpha_bytes(person[0]))


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (33, 57), (32, 32)])
def test_odd_sizes(segmenter, size):
    green = np.zeros((*size, 3), np.uint8)
    green[..., 1] = 255
    assert segmenter(green).shape == segmenter.alpha_bytes(green).shape == segmenter.labels(green).shape == size
    assert segmenter(green).min() == 1


def test_several_classes(contract):
    class Thirds:
        """Background on the left, then class 1, then class 2."""

        def __init__(self):
            classes = ("background", "skin", "hair")
            self.contract = dataclasses.replace(contract, task="parsing", classes=classes)

        def run(self, batch):
            scores = np.zeros((*batch.shape[:3], 3), np.float32)
            for label, columns in enumerate((slice(0, 11), slice(11, 21), slice(21, 32))):
                scores[:, :, columns, label] = 1
            return scores

    segmenter = Segmenter(Thirds())
    image = np.zeros((64, 64, 3), np.uint8)
    labels = segmenter.labels(image)
    assert labels[0, [0, 32, 63]].tolist() == [0, 1, 2]
    assert ((segmenter(image) > 0.5) == (labels > 0)).all()


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_wrong_arrays_are_refused(segmenter, wrong):
    with pytest.raises(ValueError, match="expected uint8"):
        segmenter(wrong)


def test_the_floor_stays_light():
    code = (
        "import sys, portraitnet, portraitnet.runtime; "
        "heavy = {'cv2', 'numpy', 'av', 'onnxruntime', 'ai_edge_litert', 'PIL', 'torch'} & set(sys.modules); "
        "assert not heavy, heavy; from portraitnet.runtime import Segmenter; "
        "assert not {'av', 'onnxruntime', 'ai_edge_litert', 'torch', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
