"""Labelling with teachers: our own models, and a SAM of a tiny random configuration."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from portraitnet.runtime.contract import Contract
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.metrics import IGNORE
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.train.datasets.base import HALF
from portraitnet.train.datasets.folder import AlphaFolder, Folder
from portraitnet.train.labelling.label import label_folder, mixed
from portraitnet.train.labelling.prompts import parse_points, write_prompts
from portraitnet.train.labelling.sam import Sam, as_labels
from portraitnet.train.labelling.teacher import ModelTeacher, Opinion, SamTeacher, people_boxes

from ..conftest import write_folder_set


class Brightness:
    """A backend whose alpha is the picture's brightness: right on the discs of the small data set, never certain."""

    contract = Contract("brightness", ("background", "person"), 64, 64)

    def __init__(self):
        self.runs = 0

    def run(self, batch):
        self.runs += 1
        return np.where(batch.mean(-1, keepdims=True) > 120, 0.9, 0.1).astype(np.float32)


@pytest.fixture
def photographs(tmp_path):
    return write_folder_set(tmp_path / "discs", 5) / "images"


def rows_of(out):
    with (out / "labels.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_labels_train_as_a_folder_set_without_their_unsure_pixels(photographs, tmp_path):
    out = label_folder(photographs, tmp_path / "out", ModelTeacher(Segmenter(Brightness())))
    labelled, truth = Folder(out, "all"), Folder(photographs.parent, "all")
    assert len(labelled) == 5
    for index in range(5):
        labels = labelled.read(index)[1]
        wanted = truth.read(index)[1]
        known = labels != IGNORE
        assert 0.5 < known.mean() < 1  # alpha passes through one half at the outline
        assert (labels == wanted)[known].mean() > 0.97
        assert [path.parent.name for path in labelled.files(index)] == ["images", "masks", "confidence"]
    assert [row["name"] for row in rows_of(out)] == [f"00{i}.png" for i in range(5)]
    assert all(float(row["unknown"]) > 0 and row["agreement"] == "" for row in rows_of(out))
    assert Image.open(out / "comparison.png").width == 600


def test_soft_labels_are_the_teachers_alpha_and_keep_the_label_of_a_true_mask(photographs, tmp_path):
    truth = tmp_path / "truth"
    truth.mkdir()
    for name in ("000", "001"):
        labels = np.array(Image.open(photographs.parent / "masks" / f"{name}.png"))
        labels[:5] = 255 - labels[:5]  # where truth and teacher differ
        Image.fromarray(labels).save(truth / f"{name}.png")
    teacher = ModelTeacher(Segmenter(Brightness()))
    out = label_folder(photographs, tmp_path / "out", teacher, soft=True, truth=truth)
    assert not (out / "confidence").exists()
    alone, both = AlphaFolder(out, "all"), Folder(truth.parent / "discs", "all")
    for index in range(5):
        image, labels = alone.read(index)
        alpha = alone.alpha(index) / 255
        told = teacher.segmenter(image)
        if index > 1:
            assert np.abs(alpha - told).max() < 1 / 128
            continue
        wanted = both.read(index)[1]
        wanted[:5] = 1 - wanted[:5]
        assert np.array_equal(labels, wanted)
        assert np.abs(alpha - (told + wanted) / 2).max() < 1 / 64
    first = rows_of(out)
    (out / "labels.csv").unlink()  # it is made from the masks again
    label_folder(photographs, out, teacher, soft=True, truth=truth)
    for again, before in zip(rows_of(out)[2:], first[2:], strict=True):
        assert float(again.pop("confidence")) == pytest.approx(float(before.pop("confidence")), abs=0.01)
        assert again == before
    hard = label_folder(photographs, tmp_path / "hard", teacher)
    with pytest.raises(InputError, match="labels that are not soft"):
        label_folder(photographs, hard, teacher, soft=True)


def test_a_true_mask_of_another_size_is_named(photographs, tmp_path):
    truth, teacher = tmp_path / "truth", ModelTeacher(Segmenter(Brightness()))
    truth.mkdir()
    Image.new("L", (7, 5)).save(truth / "other.png")
    with pytest.raises(InputError, match=r"no mask in .*truth has the name of a picture"):
        label_folder(photographs, tmp_path / "out", teacher, soft=True, truth=truth)
    assert not (tmp_path / "out").exists()
    (truth / "other.png").rename(truth / "002.png")
    with pytest.raises(InputError, match=r"1 of 5 pictures failed, the others are labelled: 002\.png"):
        label_folder(photographs, tmp_path / "out", teacher, soft=True, truth=truth)


def test_a_mixture_keeps_every_label():
    alpha = np.arange(256, dtype=np.uint8)
    for label, expected in ((0, alpha / 2), (1, 127.5 + alpha / 2), (IGNORE, alpha)):
        found = mixed(alpha, np.full(256, label, np.uint8))
        assert np.abs(found - expected).max() <= 0.5
        if label != IGNORE:
            assert ((found > HALF) == label).all()


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(photographs, tmp_path):
    (photographs / "001.png").write_text("no picture")
    with pytest.raises(InputError, match=r"1 of 5 pictures failed, the others are labelled: 001\.png"):
        label_folder(photographs, tmp_path / "out", ModelTeacher(Segmenter(Brightness())))
    assert [row["name"] for row in rows_of(tmp_path / "out")] == ["000.png", "002.png", "003.png", "004.png"]
    assert (tmp_path / "out" / "comparison.png").is_file()


def test_an_interrupted_run_goes_on_where_it_stopped(photographs, tmp_path):
    backend = Brightness()
    teacher = ModelTeacher(Segmenter(backend))

    def stop_at_the_third(image):
        if backend.runs == 2:
            raise KeyboardInterrupt
        return teacher(image)

    with pytest.raises(KeyboardInterrupt):
        label_folder(photographs, tmp_path / "out", stop_at_the_third)
    assert len(rows_of(tmp_path / "out")) == 2
    (tmp_path / "out" / "labels.csv").unlink()  # as after a power cut: it is made from the masks again
    first = (tmp_path / "out" / "masks" / "000.png").stat().st_mtime_ns
    seen = []
    label_folder(photographs, tmp_path / "out", teacher, on_picture=seen.append)
    assert len(seen) == len(rows_of(tmp_path / "out")) == 5
    assert (tmp_path / "out" / "masks" / "000.png").stat().st_mtime_ns == first
    label_folder(photographs, tmp_path / "out", teacher, overwrite=True)
    assert (tmp_path / "out" / "masks" / "000.png").stat().st_mtime_ns > first


def test_users_files_are_left_alone(photographs, tmp_path):
    teacher = ModelTeacher(Segmenter(Brightness()))
    (tmp_path / "out" / "images").mkdir(parents=True)
    with pytest.raises(InputError, match="choose another --out"):
        label_folder(photographs, tmp_path / "out", teacher)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "labels.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="was not written by"):
        label_folder(photographs, tmp_path / "mine", teacher)
    Image.open(photographs / "000.png").save(photographs / "000.jpg")
    with pytest.raises(InputError, match="would have the same mask"):
        label_folder(photographs, tmp_path / "third", teacher)


def test_a_parser_of_many_classes_is_no_teacher():
    backend = Brightness()
    backend.contract = Contract("parts", ("background", "skin", "hair"), 64, 64, task="parsing")
    with pytest.raises(InputError, match="3 classes"):
        ModelTeacher(Segmenter(backend))


def test_boxes_are_of_separate_people_the_largest_first():
    mask = np.zeros((300, 600), bool)
    mask[100:300, 50:150] = mask[200:300, 400:450] = True
    mask[10:14, 10:14] = True  # a speck
    first, second = people_boxes(mask)
    assert first == pytest.approx([50, 100, 150, 300], abs=3)
    assert second == pytest.approx([400, 200, 450, 300], abs=3)
    assert people_boxes(mask & False) == []


@pytest.fixture(scope="module")
def tiny_sam(tmp_path_factory):
    transformers = pytest.importorskip("transformers", reason="the teacher extra is not installed")
    folder = tmp_path_factory.mktemp("sam")
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_attention_heads": 2}
    config = transformers.SamConfig(
        vision_config={**size, "output_channels": 16, "num_hidden_layers": 1, "image_size": 64, "window_size": 2,
                       "global_attn_indexes": [0], "num_pos_feats": 8, "mlp_dim": 32, "initializer_range": 0.5},
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16},
    )  # fmt: skip
    transformers.SamModel(config).save_pretrained(folder)
    processor = transformers.SamImageProcessor(
        size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}, mask_pad_size={"height": 16, "width": 16},
        mask_size={"longest_edge": 16},
    )  # fmt: skip
    transformers.SamProcessor(processor).save_pretrained(folder)
    return folder


def test_sam_is_asked_for_the_first_models_people(tiny_sam, photographs, tmp_path):
    teacher = SamTeacher(tiny_sam, Segmenter(Brightness()))
    image = np.array(Image.open(photographs / "000.png"))
    opinion = teacher(image)
    assert opinion.mask.shape == opinion.confidence.shape == opinion.first.shape == image.shape[:2]
    assert opinion.mask.dtype == bool
    assert opinion.first.any()
    again = teacher(image)
    np.testing.assert_array_equal(opinion.confidence, again.confidence)

    out = label_folder(photographs, tmp_path / "out", teacher)
    assert all(0 <= float(row["agreement"]) <= 1 for row in rows_of(out))
    assert Image.open(out / "comparison.png").width == 1000


def test_sam_of_an_empty_scene_is_empty(tiny_sam):
    nobody = SamTeacher(tiny_sam, Segmenter(Brightness()))(np.zeros((50, 70, 3), np.uint8))
    assert isinstance(nobody, Opinion)
    assert not nobody.mask.any()


def test_sams_mask_is_what_the_library_gives_for_each_box(tiny_sam):
    teacher = SamTeacher(tiny_sam, Segmenter(Brightness()))
    image = np.random.default_rng(0).integers(0, 60, (120, 240, 3), np.uint8)
    image[20:110, 20:80] += 150
    alone = teacher(image)
    image[20:110, 140:220] += 150
    both = teacher(image)
    assert not np.array_equal(both.mask, alone.mask)

    boxes = people_boxes(both.first)
    assert len(boxes) == 2
    wanted = np.zeros((120, 240), bool)
    for box in boxes:
        inputs = teacher.sam.processor(images=image, input_boxes=[[box]], return_tensors="pt")
        sizes = inputs["original_sizes"], inputs.pop("reshaped_input_sizes")
        with torch.inference_mode():
            answer = teacher.sam.model(**inputs, multimask_output=False)
        wanted |= teacher.sam.processor.post_process_masks(answer.pred_masks, *sizes)[0][0, 0].numpy()
    assert (both.mask == wanted).mean() > 0.999


@pytest.mark.parametrize("content", [None, "{}", '{"model_type": "bert"}', "no json"])
def test_a_folder_that_holds_no_sam(content, tmp_path):
    pytest.importorskip("transformers", reason="the teacher extra is not installed")
    if content:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"holds no SAM|cannot be opened as a SAM"):
        SamTeacher(tmp_path, Segmenter(Brightness()))


def test_points_and_everything_are_what_the_library_gives(tiny_sam):
    sam = Sam(tiny_sam)
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    answer = sam.points(image, [(20, 30), (70, 10)])
    assert answer.logits.shape == (2, 60, 90)
    assert answer.belief.shape == (2,)
    inputs = sam.processor(images=image, input_points=[[[70.0, 10.0]]], return_tensors="pt")
    sizes = inputs["original_sizes"], inputs.pop("reshaped_input_sizes")
    with torch.inference_mode():
        alone = sam.model(**inputs, multimask_output=False)
    wanted = sam.processor.post_process_masks(alone.pred_masks, *sizes)[0][0, 0].numpy()
    assert ((answer.logits[1] > 0).numpy() == wanted).mean() > 0.999
    with pytest.raises(InputError, match="outside the picture"):
        sam.points(image, [(90, 10)])
    masks = sam.everything(image, grid=3, belief=-10.0, stability=-1.0)  # an untrained SAM believes little
    assert masks.shape[1:] == (60, 90)
    assert masks.dtype == bool
    areas = masks.sum((1, 2)).tolist()
    assert areas == sorted(areas, reverse=True)


def test_smaller_masks_lie_over_larger_ones():
    masks = np.zeros((2, 4, 4), bool)
    masks[0, 1:3, 1:3], masks[1, :3] = True, True
    assert as_labels(masks).tolist() == [[1, 1, 1, 1], [1, 2, 2, 1], [1, 2, 2, 1], [0, 0, 0, 0]]
    assert not as_labels(masks[:0]).any()


def test_one_figure_of_every_prompt(tiny_sam, photographs, tmp_path):
    pictures = sorted(photographs.iterdir())[:2]
    models = {"a": Segmenter(Brightness()), "b": Segmenter(Brightness())}
    write_prompts(tmp_path / "f.png", pictures, Sam(tiny_sam), models, parse_points(["0.5,0.4"]), grid=2)
    assert Image.open(tmp_path / "f.png").size == (6 * 200, 2 * 200)
    for wrong in ("0.5", "a,b", "2,0.5"):
        with pytest.raises(InputError, match="point"):
            parse_points([wrong])
