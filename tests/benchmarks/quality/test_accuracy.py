import numpy as np
import pytest
from PIL import Image
from rich.progress import Progress

from portraitnet.benchmarks.quality.accuracy import (
    BEST,
    Scored,
    best_of_each_picture,
    class_table,
    cross_table,
    score,
    write_classes,
    write_cross_table,
)
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.metrics import SegmentationScores
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.datasets.voc import VOC_CLASSES
from portraitnet.train.engine.checkpoint import save_checkpoint
from portraitnet.train.models import PortraitNetSpec, build_model


@pytest.fixture
def models(tmp_path):
    spec = PortraitNetSpec(encoder="mobilenetv3_small_050")
    paths = [tmp_path / run / "best.safetensors" for run in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        save_checkpoint(path, build_model(spec).state_dict(), spec, (32, 32), {"recipe": {"name": "toy"}, "step": 1})
    return paths


def folder(root):
    for name, fill in (("images", 90), ("masks", 255)):
        (root / name).mkdir(parents=True)
        pixels = np.zeros((30, 40, 3) if name == "images" else (30, 40), np.uint8)
        pixels[10:, 10:30] = fill
        Image.fromarray(pixels).save(root / name / "a.png")
    return Folder(root, "all")


def test_models_and_sets_make_a_matrix(models, tmp_path):
    sets = [(name, folder(tmp_path / name)) for name in ("here", "elsewhere")]
    with Progress(disable=True) as bar:
        scored = score(models, sets, bar)
    assert [(one.set, one.file) for one in scored] == [
        (s, f"{m}/best.safetensors") for s, _ in sets for m in ("one", "two")
    ]
    rows = [one.row for one in scored]
    table = cross_table(rows)
    assert [list(row) for row in table] == [["file", "here", "elsewhere"]] * 2
    assert table[1]["elsewhere"] == rows[3]["fg_iou_per_image"]
    assert len(read_csv(write_cross_table(scored, tmp_path / "out"))) == 4
    assert Image.open(tmp_path / "out" / "cross_datasets.png").width > 200
    assert not (tmp_path / "out" / "classes.csv").exists()  # people and background need no table of classes


def test_the_best_of_each_picture_takes_the_better_model_for_each():
    contract = Contract("toy", ("background", "person"), 64, 64)
    truth = np.array([[1, 1, 0, 0]])
    found = {"x": ([[1, 1, 0, 0]], [[1, 0, 0, 0]]), "y": ([[0, 0, 0, 1]], [[1, 1, 1, 0]])}
    scored = []
    for file, masks in found.items():
        scores = SegmentationScores(classes=2)
        for name, mask in zip("ab", masks, strict=True):
            scores.add(name, np.array(mask), truth)
        scored.append(Scored("people", file, contract, scores))
    (row,) = best_of_each_picture(scored)
    assert (row["set"], row["file"], row["images"]) == ("people", BEST, 2)
    assert row["fg_iou_per_image"] == pytest.approx((1 + 2 / 3) / 2)
    assert best_of_each_picture(scored[:1]) == []


def test_many_classes_are_told_one_by_one_the_rarest_first(tmp_path):
    scores = [SegmentationScores(classes=3) for _ in range(2)]
    truth = np.array([[0, 0, 0, 0, 1, 1, 2]])
    scores[0].add("a", truth, truth)
    scores[1].add("a", np.array([[0, 0, 0, 0, 1, 1, 1]]), truth)
    contract = Contract("parts", ("background", "skin", "eyes"), 64, 64, task="parsing")
    scored = [Scored("faces", file, contract, s) for file, s in zip("xy", scores, strict=True)]
    assert [row["class"] for row in class_table(scored)] == ["eyes", "skin", "background"]
    assert class_table(scored)[0] == {"class": "eyes", "share": pytest.approx(1 / 7), "x": 1.0, "y": 0.0}
    alone = class_table(scored[1:])[1]
    assert alone["iou"] == pytest.approx(2 / 3)
    assert alone["dice"] == pytest.approx(4 / 5)
    path = write_classes(tmp_path / "faces_classes.csv", scored)
    assert [row["iou"] for row in read_csv(path)][-1] == "0.0000"
    assert Image.open(path.with_suffix(".png")).width > 200


def test_a_set_of_other_classes_is_refused(models, tmp_path):
    source = folder(tmp_path / "many")
    source.classes = VOC_CLASSES
    with Progress(disable=True) as bar, pytest.raises(InputError, match="has 2 classes but set many has 21"):
        score(models, [("many", source)], bar)
