"""The public data sets, as small trees with the real ones' layouts and pitfalls."""

import hashlib

import numpy as np
import pytest

from portraitnet.runtime.errors import InputError
from portraitnet.train.datasets import LAYOUTS, Subset, has_alpha, open_source, recognise
from portraitnet.train.datasets.cityscapes import Cityscapes
from portraitnet.train.datasets.parsing import CelebAMaskHq, EasyPortrait, EasyPortraitPerson, FasSeg
from portraitnet.train.datasets.portraits import AiSegment, P3m10k, PpHumanSeg, SupervisePortrait
from portraitnet.train.recipe import SourceSpec

from ..layouts import (
    DAYS,
    HEIGHT,
    WIDTH,
    WRITERS,
    aisegment,
    celebamask,
    cityscapes,
    easyportrait,
    fasseg,
    mask,
    p3m10k,
    pp_humanseg,
    save,
    supervise,
)


def rows(source, index=0, count=4):
    """Labels of the first rows of a picture, and a check that its files exist and are named."""
    image, labels = source.read(index)
    assert image.shape[:2] == labels.shape
    assert all(path.is_file() for path in source.files(index))
    return labels[:count, 0].tolist()


def held_out(names, share=0.5):
    """Of names whose hash decides, those that go to `val`."""
    return {n for n in names if int.from_bytes(hashlib.sha256(n.encode()).digest()[:4], "big") / 2**32 < share}


def test_supervise_portrait_thresholds_masks_that_are_jpeg(tmp_path):
    source = SupervisePortrait(supervise(tmp_path), "all")
    assert [i.name for i in source.items] == [
        f"SuperviselyPerson_ds{n}/{x}" for n in (1, 12) for x in ("a.png", "b.jpg")
    ]
    for index in range(4):
        _, labels = source.read(index)
        assert set(np.unique(labels)) == {0, 1}
        assert labels[:14].all()
        assert not labels[18:].any()
    (tmp_path / "Supervisely_face/SuperviselyPerson_ds1/ann/a.png").unlink()
    assert SupervisePortrait(tmp_path / "Supervisely_face", "all").skipped == ["SuperviselyPerson_ds1/a.png"]


def test_aisegment_takes_alpha_and_splits_by_session(tmp_path):
    aisegment(tmp_path)
    source = AiSegment(tmp_path, "all")
    assert len(source) == 8
    assert rows(source) == [1, 1, 0, 0]
    train, val = ({i.name.split("/")[0] for i in AiSegment(tmp_path, s, 0.5).items} for s in ("train", "val"))
    assert val == held_out(DAYS)
    assert train == set(DAYS) - val
    with pytest.raises(InputError, match="none of train, val, test, all"):
        AiSegment(tmp_path, "tests")


def test_alpha_stays_soft_until_the_canvas_has_its_size(tmp_path):
    """Stripes of 0.6 and 0.3 are 0.45 together: nobody, where a threshold before the resize would leave stripes."""
    aisegment(tmp_path)
    alpha = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    alpha[0::2, :, 3], alpha[1::2, :, 3] = 153, 77
    alpha[20:, :, 3] = 255
    path = tmp_path / "matting" / DAYS[0] / "matting_00000000" / f"{DAYS[0]}-00003.png"
    save(path, alpha)
    source = AiSegment(tmp_path, "all")
    assert source.read(0)[1][:2, 0].tolist() == [1, 0]
    image, labels, (top, left, height, width) = source.on_canvas(0, (20, 20))
    assert (top, left, height, width) == (0, 2, 20, 15)
    assert image.shape == (20, 20, 3)
    assert not labels[:10].any()
    assert labels[10:, 2:17].all()
    assert not labels[:, :2].any()


def test_aisegment_half_downloaded_is_said(tmp_path):
    aisegment(tmp_path)
    for day in DAYS[1:]:
        for path in (tmp_path / "matting" / day / "matting_00000000").iterdir():
            path.unlink()
    with pytest.raises(InputError, match=r"6 of 8 pictures lack.*not complete"):
        AiSegment(tmp_path, "all")


def test_easyportrait_in_nine_classes_and_as_people(tmp_path):
    easyportrait(tmp_path)
    assert [len(EasyPortrait(tmp_path, split)) for split in ("train", "val", "test", "all")] == [3, 1, 2, 6]
    assert len(EasyPortrait.classes) == 9
    assert rows(EasyPortrait(tmp_path, "val")) == [1, 2, 8, 0]
    assert rows(EasyPortraitPerson(tmp_path, "val")) == [1, 1, 1, 0]
    mask(tmp_path / "annotations/val/val0.png", 9)
    with pytest.raises(InputError, match=r"val0\.png: unknown values \[9\]; expected 0 to 8"):
        EasyPortrait(tmp_path, "val").read(0)


def test_celebamask_lays_later_parts_over_earlier_ones_at_the_masks_size(tmp_path):
    source = CelebAMaskHq(celebamask(tmp_path), "all")
    assert [item.name for item in source.items] == ["0", "1", "2000"]
    assert source.read(2)[0].shape == (32, 32, 3)
    names = [source.classes[label] for label in rows(source, 2)]
    assert names == ["skin", "hair", "ear_r", "background"]
    assert len(source.classes) == 19
    assert [p.name for p in source.files(0)] == ["0.jpg", "00000_skin.png", "00000_hair.png", "00000_ear_r.png"]
    image, labels, _ = source.on_canvas(0, (64, 64))
    assert (image.shape, labels.shape) == ((64, 64, 3), (64, 64))


def test_celebamask_follows_celebas_own_partition_where_it_is_known(tmp_path):
    celebamask(tmp_path)
    (tmp_path / "CelebA-HQ-to-CelebA-mapping.txt").write_text(
        "idx  orig_idx  orig_file\n0  119613  119614.jpg\n1  162771  162772.jpg\n2000  182638  182639.jpg\n"
    )
    named = {split: [i.name for i in CelebAMaskHq(tmp_path, split).items] for split in ("train", "val", "test")}
    assert named == {"train": ["0"], "val": ["1"], "test": ["2000"]}
    (tmp_path / "CelebA-HQ-to-CelebA-mapping.txt").unlink()
    assert {i.name for i in CelebAMaskHq(tmp_path, "val", 0.5).items} == held_out({"0", "1", "2000"})
    with pytest.raises(InputError, match="none of train, val, test, all"):
        CelebAMaskHq(tmp_path, "tests")


def test_pp_humanseg_reads_its_lists_and_ignores_255(tmp_path):
    pp_humanseg(tmp_path)
    assert [len(PpHumanSeg(tmp_path, split)) for split in ("train", "val", "test", "all")] == [1, 1, 1, 3]
    assert rows(PpHumanSeg(tmp_path)) == [1, 255, 0, 0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("../x.jpg train/masks/a.png", "lies outside"),
        ("/etc/passwd train/masks/a.png", "lies outside"),
        ("train/images/a.jpg", "not the names of a picture and its label"),
        ("train/images/b.jpg train/masks/b.png", "download is not complete"),
    ],
)
def test_pp_humanseg_lists_that_are_wrong(tmp_path, line, message):
    (pp_humanseg(tmp_path) / "train.txt").write_text(line + "\n")
    with pytest.raises(InputError, match=message):
        PpHumanSeg(tmp_path)


@pytest.mark.parametrize(
    "validation", [("validation/P3M-500-P", "validation/P3M-500-NP"), ("validation1", "validation2")]
)
def test_p3m_takes_both_packs(tmp_path, validation):
    p3m10k(tmp_path, validation)
    assert [len(P3m10k(tmp_path, split)) for split in ("train", "val", "all")] == [1, 2, 3]
    assert rows(P3m10k(tmp_path)) == [1, 1, 0, 0]
    assert [i.image.parent.name for i in P3m10k(tmp_path, "all").items].count("original_image") == 1


def test_cityscapes_maps_label_ids_to_the_nineteen_classes(tmp_path):
    source = Cityscapes(cityscapes(tmp_path))
    assert rows(source) == [0, 18, 255, 11]
    assert [source.classes[label] for label in (0, 18, 11)] == ["road", "bicycle", "person"]
    assert [len(Cityscapes(tmp_path, split)) for split in ("train", "val", "all")] == [1, 1, 2]
    with pytest.raises(InputError, match="none of train, val, all"):
        Cityscapes(tmp_path, "test")


def test_fasseg_has_six_classes(tmp_path):
    fasseg(tmp_path)
    assert rows(FasSeg(tmp_path)) == [1, 2, 5, 0]
    assert [i.name for i in FasSeg(tmp_path, "val").items] == ["test/test_1.jpg"]


def test_fasseg_is_not_tested_on_faces_it_was_trained_on(tmp_path):
    fasseg(tmp_path)
    for kind, suffix in (("images", "jpg"), ("labels", "png")):
        twin = tmp_path / "train" / kind / f"train_1.{suffix}"
        (tmp_path / "test" / kind / f"test_9.{suffix}").write_bytes(twin.read_bytes())
    assert [i.name for i in FasSeg(tmp_path, "test").items] == ["test/test_1.jpg"]
    assert [i.name for i in FasSeg(tmp_path, "all").items] == ["train/train_1.jpg", "test/test_1.jpg"]


@pytest.mark.parametrize("kind", WRITERS)
def test_every_layout_is_recognised_and_opens_by_its_kind(kind, tmp_path):
    WRITERS[kind](tmp_path)
    assert recognise(tmp_path)[0] == kind
    classes = LAYOUTS[kind].open(tmp_path, SourceSpec(kind, split="all"), ()).classes
    source = open_source(SourceSpec(kind, split="all"), tmp_path, (64, 64), classes)
    assert len(source) == sum(
        len(LAYOUTS[kind].open(tmp_path, SourceSpec(kind, split=s), ())) for s in LAYOUTS[kind].splits
    )


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_folder_of_another_layout_is_one_clear_error(kind, tmp_path):
    (tmp_path / "something").mkdir()
    assert recognise(tmp_path) == []
    with pytest.raises(InputError):
        LAYOUTS[kind].open(tmp_path, SourceSpec(kind), ("background", "person"))


def test_an_alpha_folder_keeps_alpha_on_the_canvas_and_beside_the_labels(tmp_path):
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[:10], alpha[10:20] = 200, 60
    save(tmp_path / "masks" / "a.png", alpha)
    save(tmp_path / "images" / "a.png", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    plain = open_source(SourceSpec("folder", str(tmp_path), "all"), tmp_path, (32, 32))
    assert not has_alpha(plain)
    assert not has_alpha(Subset(plain, [0]))
    soft = open_source(SourceSpec("alpha_folder", str(tmp_path), "all", limit=1), tmp_path, (32, 32))
    assert has_alpha(soft)
    assert (soft.alpha(0) == alpha).all()
    assert rows_of(soft.read(0)[1], 0, 10, 20) == [1, 0, 0]
    _, canvas, (top, left, height, width) = soft.alpha_on_canvas(0, (40, 40))
    assert (canvas[top : top + height, left : left + width] == alpha).all()
    assert recognise(tmp_path) == ["folder"]


def rows_of(picture, *rows):
    return [int(picture[row, 0]) for row in rows]
