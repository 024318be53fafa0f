"""The three EG1800 packs, as small trees with the real ones' layouts and pitfalls."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from portraitnet.runtime.errors import InputError
from portraitnet.train.datasets.eg1800 import Eg1800Clova, Eg1800Original, Eg1800PortraitNet, read_matrix

WIDTH, HEIGHT = 30, 40


def picture(path, shade=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (shade, 50, 20)).save(path)


def mask(path, *values):
    """A mask whose first pixels hold `values`, the rest 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros((HEIGHT, WIDTH), np.uint8)
    array[0, : len(values)] = values
    Image.fromarray(array).save(path)


@pytest.fixture
def portraitnet(tmp_path):
    for number in range(1, 9):
        picture(tmp_path / "Images" / f"{number:05d}.png")
        mask(tmp_path / "Labels" / f"{number:05d}.png", 0, 1, 2, 255)
    (tmp_path / "eg1800_train.txt").write_text("".join(f"{n:05d}.png\n" for n in range(1, 7)))
    (tmp_path / "eg1800_test.txt").write_text("00007.png\r\n00008.png\r\n")
    return tmp_path


def test_portraitnet_reads_its_lists_and_values_above_one_are_background(portraitnet):
    train, test = Eg1800PortraitNet(portraitnet, "train"), Eg1800PortraitNet(portraitnet, "test")
    assert [len(train), len(test), len(Eg1800PortraitNet(portraitnet, "all"))] == [6, 2, 8]
    assert [i.name for i in Eg1800PortraitNet(portraitnet, "val").items] == ["00007.png", "00008.png"]
    assert test.classes == ("background", "person")
    image, labels = train.read(0)
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert labels.dtype == np.uint8
    assert labels[0, :4].tolist() == [0, 1, 0, 0]


def test_a_missing_file_is_skipped_and_many_are_refused(portraitnet):
    (portraitnet / "Images" / "00003.png").unlink()
    source = Eg1800PortraitNet(portraitnet, "train")
    assert source.skipped == ["00003.png"]
    assert len(source) == 5
    (portraitnet / "Labels" / "00004.png").unlink()
    with pytest.raises(InputError, match=r"2 of 6 pictures lack.*00003\.png"):
        Eg1800PortraitNet(portraitnet, "train")


def test_list_entries_cannot_leave_the_folder(portraitnet):
    (portraitnet / "eg1800_train.txt").write_text("../secret.png\n")
    with pytest.raises(InputError, match="not a plain file name"):
        Eg1800PortraitNet(portraitnet, "train")


def test_the_wrong_pack_and_the_wrong_split_are_named(portraitnet):
    with pytest.raises(InputError, match="lacks images_data_crop and GT_png"):
        Eg1800Clova(portraitnet)
    with pytest.raises(InputError, match="split 'dev' is none of"):
        Eg1800PortraitNet(portraitnet, "dev")


@pytest.fixture
def clova(tmp_path):
    """Forty labels, of which 38 have a picture, and one picture without a label."""
    for number in range(1, 41):
        mask(tmp_path / "GT_png" / f"{number:05d}_mask.png", 0, 1, 200, 201, 255)
        if number > 2:
            picture(tmp_path / "images_data_crop" / f"{number:05d}.jpg", shade=number * 6)
    picture(tmp_path / "images_data_crop" / "00099.jpg")
    (tmp_path / "images_data_crop" / ".DS_Store").write_bytes(b"junk")
    return tmp_path


def test_clova_without_lists_splits_by_hash(clova):
    train, test, both = (Eg1800Clova(clova, split) for split in ("train", "test", "all"))
    assert train.skipped == ["00001", "00002", "00099"]
    names = {item.name for item in train.items}, {item.name for item in test.items}
    assert not names[0] & names[1]
    assert names[0] | names[1] == {item.name for item in both.items}
    assert len(both) == 38
    assert 0 < len(test) < len(train)
    assert [i.name for i in Eg1800Clova(clova, "val").items] == [i.name for i in test.items]
    assert train.read(0)[1][0, :5].tolist() == [0, 0, 0, 1, 1]


def test_clova_uses_its_lists_when_it_has_them(clova):
    (clova / "train.txt").write_text("3\n00004\n5\n6\n")
    (clova / "val.txt").write_text("7\n")
    assert [i.name for i in Eg1800Clova(clova, "train").items] == ["00003", "00004", "00005", "00006"]
    assert [i.name for i in Eg1800Clova(clova, "val").items] == ["00007"]
    (clova / "val.txt").write_text("seven\n")
    with pytest.raises(InputError, match="'seven' in its lists is not a picture number"):
        Eg1800Clova(clova, "val")


def test_clova_inside_its_portrait_folder(clova, tmp_path_factory):
    outer = tmp_path_factory.mktemp("data")
    clova.rename(outer / "Portrait")
    assert len(Eg1800Clova(outer, "all")) == 38


@pytest.fixture
def original(tmp_path):
    (tmp_path / "images_mask").mkdir()
    for number in range(1, 6):
        picture(tmp_path / "images_data_crop" / f"{number:05d}.jpg")
        values = np.zeros((HEIGHT, WIDTH), [np.uint8, np.float64][number % 2])
        values[5:, 3:9] = 1
        savemat(tmp_path / "images_mask" / f"{number:05d}_mask.mat", {"mask": values}, do_compression=number > 2)
    savemat(tmp_path / "trainlist.mat", {"trainlist": np.array([[1], [2], [3]], np.uint16)})
    savemat(tmp_path / "testlist.mat", {"testlist": np.array([[4.0, 5.0]])})
    return tmp_path


def test_original_reads_matlab_masks_and_lists(original):
    train, test = Eg1800Original(original, "train"), Eg1800Original(original, "test")
    assert [item.name for item in train.items] == ["00001", "00002", "00003"]
    assert [item.name for item in test.items] == ["00004", "00005"]
    for source in (train, test):
        for index in range(len(source)):
            labels = source.read(index)[1]
            assert labels.dtype == np.uint8
            assert labels.sum() == (HEIGHT - 5) * 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": np.eye(3)}, "no matrix 'mask' in it, only other"),
        ({"mask": {"a": 1}}, "not a matrix of numbers"),
        ({"mask": "text"}, "not a matrix of numbers"),
        ({"mask": np.full((HEIGHT, WIDTH), 7)}, "values other than 0 and 1"),
        ({"mask": np.full((HEIGHT, WIDTH), np.nan)}, "values other than 0 and 1"),
    ],
)
def test_matlab_files_with_the_wrong_content(original, content, message):
    source = Eg1800Original(original, "train")
    savemat(source.items[0].mask, content)
    with pytest.raises(InputError, match=message):
        source.read(0)


def test_damaged_matlab_files_are_refused(original):
    path = original / "images_mask" / "00003_mask.mat"
    whole = path.read_bytes()
    for length in (0, 100, 130, len(whole) - 20):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_matrix(path, "mask")
    with pytest.raises(InputError, match="is missing"):
        read_matrix(original / "nothing.mat", "mask")


def test_a_matlab_file_that_swells_is_refused_before_it_is_built(original, monkeypatch):
    monkeypatch.setattr("portraitnet.train.datasets.eg1800._MAT_BYTES", 1 << 20)
    packed = zlib.compress(bytes(4 << 20))
    header = b"MATLAB 5.0 MAT-file".ljust(124, b" ") + b"\x00\x01IM"
    path = original / "bomb.mat"
    path.write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(InputError, match="unpacks to more than 1 MiB"):
        read_matrix(path, "mask")
