import numpy as np
import pytest
from PIL import Image
from rich.progress import Progress

from portraitnet.benchmarks.accuracy import cross_table, score, write_cross_table
from portraitnet.benchmarks.table import read_csv
from portraitnet.runtime.errors import InputError
from portraitnet.train.checkpoint import save_checkpoint
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.datasets.voc import VOC_CLASSES
from portraitnet.train.models import ModelSpec, build_model


@pytest.fixture
def models(tmp_path):
    spec = ModelSpec(encoder="mobilenetv3_small_050")
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
        rows = score(models, sets, bar)
    assert [(row["set"], row["file"]) for row in rows] == [
        (s, f"{m}/best.safetensors") for s, _ in sets for m in ("one", "two")
    ]
    table = cross_table(rows)
    assert [list(row) for row in table] == [["file", "here", "elsewhere"]] * 2
    assert table[1]["elsewhere"] == rows[3]["fg_iou_per_image"]
    assert len(read_csv(write_cross_table(rows, tmp_path / "out"))) == 4
    assert Image.open(tmp_path / "out" / "cross_datasets.png").width > 200


def test_a_set_of_other_classes_is_refused(models, tmp_path):
    source = folder(tmp_path / "many")
    source.classes = VOC_CLASSES
    with Progress(disable=True) as bar, pytest.raises(InputError, match="has 2 classes but set many has 21"):
        score(models, [("many", source)], bar)
