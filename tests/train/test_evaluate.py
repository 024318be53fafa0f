import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.contract import Contract
from portraitnet.runtime.matte_metrics import matte_errors
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.train.datasets.folder import AlphaFolder, Folder
from portraitnet.train.evaluate import evaluate, write_worst_cases


class Brightness:
    """A backend whose alpha is the picture's brightness: right on the discs of the small data set."""

    contract = Contract("brightness", ("background", "person"), 64, 64)

    def run(self, batch):
        return (batch.mean(-1, keepdims=True) > 120).astype(np.float32)


def test_scores_of_a_known_segmenter(folder_set):
    seen = []
    scores = evaluate(Segmenter(Brightness()), Folder(folder_set), on_picture=lambda: seen.append(1))
    summary = scores.summary()
    assert summary["images"] == len(seen) == 6
    assert summary["fg_iou_per_image"] > 0.9
    assert evaluate(Segmenter(Brightness()), Folder(folder_set), limit=2).summary()["images"] == 2


def test_the_sheet_shows_the_worst_first_with_its_errors_in_colour(tmp_path, folder_set):
    dark = folder_set / "images" / "004.png"
    Image.fromarray(np.asarray(Image.open(dark)) // 2).save(dark)
    segmenter, source = Segmenter(Brightness()), Folder(folder_set)
    scores = evaluate(segmenter, source)
    assert scores.names[int(np.argmin(scores.fg_iou))] == "004.png"
    write_worst_cases(tmp_path / "worst.png", segmenter, source, scores, count=2)
    sheet = np.asarray(Image.open(tmp_path / "worst.png"))
    assert sheet.shape == (400, 800, 3)
    missed = (sheet[:200, 600:] == (60, 110, 255)).all(-1)
    assert missed.mean() > 0.05
    assert not (sheet[200:, 600:] == (60, 110, 255)).all(-1).mean() > 0.05


def test_a_set_of_no_pictures_has_no_score(folder_set):
    with pytest.raises(ValueError, match="no picture"):
        evaluate(Segmenter(Brightness()), Folder(folder_set, "val", 0.0)).summary()


def test_errors_of_alpha_are_measured_where_the_true_one_is_known(folder_set):
    hard = evaluate(Segmenter(Brightness()), Folder(folder_set), limit=2).summary()
    assert "sad" not in hard
    source = AlphaFolder(folder_set)
    soft = evaluate(Segmenter(Brightness()), source, limit=2)
    expected = [matte_errors(Segmenter(Brightness()).alpha_bytes(source.read(i)[0]), source.alpha(i)) for i in (0, 1)]
    assert soft.summary()["sad"] == pytest.approx(np.mean([errors["sad"] for errors in expected]))
    assert soft.summary()["grad_band"] > 0
