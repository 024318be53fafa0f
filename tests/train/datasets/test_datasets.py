import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.metrics import IGNORE
from portraitnet.train.datasets import is_portrait, open_source
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.datasets.voc import Voc, VocPerson
from portraitnet.train.recipe import SourceSpec

from ..conftest import write_folder_set


def test_folder_splits_by_content_and_without_overlap(tmp_path):
    root = write_folder_set(tmp_path / "set", count=40)
    (root / "images" / "copy.png").write_bytes((root / "images" / "000.png").read_bytes())
    (root / "masks" / "copy.png").write_bytes((root / "masks" / "000.png").read_bytes())
    train, val = ({i.name for i in Folder(root, split, 0.3).items} for split in ("train", "val"))
    assert not train & val
    assert len(train | val) == 41
    assert 4 <= len(val) <= 20
    assert ("copy.png" in val) == ("000.png" in val)


def test_a_share_of_the_held_out_pictures_is_the_test_split(tmp_path):
    root = write_folder_set(tmp_path / "set", count=60)
    names = {
        share: {split: {i.name for i in Folder(root, split, 0.4, share).items} for split in ("train", "val", "test")}
        for share in (0.0, 0.5)
    }
    assert not names[0.0]["test"]
    assert names[0.5]["test"] | names[0.5]["val"] == names[0.0]["val"]
    assert not names[0.5]["test"] & names[0.5]["val"]
    assert min(len(names[0.5]["test"]), len(names[0.5]["val"])) >= 5
    assert names[0.5]["train"] == names[0.0]["train"]


def test_folder_reports_pictures_without_mask_and_reads_both_conventions(tmp_path):
    root = write_folder_set(tmp_path / "set", count=3)
    (root / "masks" / "002.png").unlink()
    soft = np.array(Image.open(root / "masks" / "001.png"))
    Image.fromarray(soft // 255).save(root / "masks" / "001.png")
    source = Folder(root)
    assert source.skipped == ["002.png"]
    for index in range(2):
        image, mask = source.read(index)
        assert set(np.unique(mask)) == {0, 1}
        assert image[mask == 1].mean() > image[mask == 0].mean()


@pytest.mark.parametrize(
    ("mask", "classes", "message"),
    [
        (np.full((48, 40), 7), ("background", "person"), "unknown values 7:"),
        (np.full((48, 40), 7), ("a", "b", "c"), r"unknown values \[7\]"),
        (np.zeros((9, 9)), ("background", "person"), "mask is 9x9"),
    ],
)
def test_unusable_masks_are_named(tmp_path, mask, classes, message):
    root = write_folder_set(tmp_path / "set", count=1)
    Image.fromarray(mask.astype(np.uint8)).save(root / "masks" / "000.png")
    with pytest.raises(InputError, match=rf"000.png.*{message}"):
        Folder(root, classes=classes).read(0)


@pytest.fixture
def voc(tmp_path):
    home = tmp_path / "VOCdevkit" / "VOC2012"
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (home / part).mkdir(parents=True)
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 5:15], labels[5:15, 15:20], labels[4, :] = 15, 8, 255
    picture = Image.fromarray(labels, "P")
    picture.putpalette([v for i in range(256) for v in (i, 255 - i, i // 2)])
    for name in ("2007_000001", "2007_000002"):
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(home / "JPEGImages" / f"{name}.jpg")
        picture.save(home / "SegmentationClass" / f"{name}.png")
    (home / "ImageSets/Segmentation/train.txt").write_text("2007_000001\n")
    (home / "ImageSets/Segmentation/val.txt").write_text("2007_000002\n")
    return tmp_path


def test_voc_keeps_palette_indices_and_unknown_pixels(voc):
    source = Voc(voc, "train")
    assert [i.name for i in source.items] == ["2007_000001"]
    assert set(np.unique(source.read(0)[1])) == {0, 8, 15, 255}
    assert len(source.classes) == 21
    assert len(Voc(voc / "VOCdevkit", "all")) == 2


def test_voc_person_maps_other_classes_to_background(voc):
    mask = VocPerson(voc / "VOCdevkit" / "VOC2012", "val").read(0)[1]
    assert (mask == 1).sum() == 100
    assert (mask == 255).sum() == 30


def test_voc_with_missing_files(voc):
    (voc / "VOCdevkit/VOC2012/SegmentationClass/2007_000001.png").unlink()
    with pytest.raises(InputError, match="1 of 1 pictures lack"):
        Voc(voc)


def test_portrait_framing():
    mask = np.zeros((100, 80), np.uint8)
    mask[30:, 20:60] = 1
    assert is_portrait(mask)
    floating = mask.copy()
    floating[-10:] = 0
    assert not is_portrait(floating)
    crowd = mask.copy()
    crowd[30:, 38:42] = 0
    assert not is_portrait(crowd)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (SourceSpec("foldr", "x"), "unknown data set kind"),
        (SourceSpec("folder", "nowhere"), "is not a folder"),
        (SourceSpec("folder", "set", split="tset"), "none of train, val, test, all"),
        (SourceSpec("folder", "set", split="test"), "no picture in its 'test' split"),
        (SourceSpec("folder", "set", holdout=0.0, split="val"), "no picture in its 'val' split"),
    ],
)
def test_unusable_sources_say_why(tmp_path, spec, message):
    write_folder_set(tmp_path / "set", count=2)
    with pytest.raises(InputError, match=message):
        open_source(spec, tmp_path, (64, 64))


def test_an_empty_folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match="no picture in images/ has a mask"):
        Folder(tmp_path)


def mask_of(tmp_path, array, palette=None, classes=("background", "person")):
    root = write_folder_set(tmp_path / "set", count=1)
    whole = np.asarray(array, np.uint8).repeat(24, 0).repeat(20, 1)
    picture = Image.fromarray(whole)
    if palette:
        picture = Image.new("P", (40, 48))
        picture.putpalette(palette)
        picture.putdata(whole.ravel().tolist())
    picture.save(root / "masks" / "000.png")
    source = Folder(root, classes=classes)
    return source.read(0)[1][[0, 0, -1, -1], [0, -1, 0, -1]].tolist()  # the corners are the array's four pixels


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 1, 255, 0], [0, 1, IGNORE, 0]),  # 255 beside a 1 is unknown
        ([0, 255, 255, 0], [0, 1, 1, 0]),
        ([1, 1, 255, 1], [1, 1, IGNORE, 1]),
        ([255, 255, 255, 255], [1, 1, 1, 1]),
        ([0, 3, 130, 255], [0, 0, 1, 1]),  # a soft outline
        ([0, 254, 255, 0], [0, 1, 1, 0]),
    ],
)
def test_a_persons_mask_is_read_by_its_values(tmp_path, values, labels):
    assert mask_of(tmp_path, [values[:2], values[2:]]) == labels


@pytest.mark.parametrize("values", [[0, 128, 255, 0], [0, 2, 255, 0], [0, 1, 2, 255], [0, 77, 0, 0], [0, 1, 2, 3]])
def test_a_persons_mask_that_could_mean_several_things_is_refused(tmp_path, values):
    with pytest.raises(InputError, match=r"000\.png: unknown values .*holds 0 and 1"):
        mask_of(tmp_path, [values[:2], values[2:]])


def test_a_palette_of_greys_is_read_as_it_looks(tmp_path):
    indices = [[0, 1], [1, 0]]
    assert mask_of(tmp_path, indices, [255] * 3 + [0] * 3) == [1, 0, 0, 1]  # entry 0 is white
    assert mask_of(tmp_path, indices, [0] * 3 + [255] * 3) == [0, 1, 1, 0]
    assert mask_of(tmp_path, indices, [0, 0, 0, 128, 0, 0]) == [0, 1, 1, 0]  # VOC's colours: indices are labels
    with pytest.raises(InputError, match="entry 0, the background, lighter"):
        mask_of(tmp_path, indices, [250, 250, 250, 128, 0, 0])
    three = ("background", "shirt", "hair")
    assert mask_of(tmp_path, indices, [255] * 3 + [0] * 3, three) == [0, 1, 1, 0]  # labels are numbers


def test_a_shape_in_the_transparency_is_the_mask(tmp_path):
    def rgba(*pixels):
        return np.array(pixels).reshape(2, 2, 4)

    white, clear, black, nothing = (255,) * 4, (255, 255, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0)
    assert mask_of(tmp_path, rgba(white, clear, clear, white)) == [1, 0, 0, 1]
    assert mask_of(tmp_path, rgba(black, nothing, nothing, black)) == [1, 0, 0, 1]
    assert mask_of(tmp_path, rgba(white, nothing, nothing, white)) == [1, 0, 0, 1]
    assert mask_of(tmp_path, rgba(white, black, black, white)) == [1, 0, 0, 1]  # opaque: its colours
    with pytest.raises(InputError, match="both have a shape"):
        mask_of(tmp_path, rgba(white, clear, black, nothing))


def test_tiff_pictures_and_masks_are_read(tmp_path):
    root = write_folder_set(tmp_path / "set", count=2)
    for folder in ("images", "masks"):
        Image.open(root / folder / "000.png").save(root / folder / "000.tif")
        (root / folder / "000.png").unlink()
    assert len(Folder(root)) == 2
