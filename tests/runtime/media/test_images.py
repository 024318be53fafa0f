import struct
import zlib

import numpy as np
import pytest
import skimage.data
from PIL import Image

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.media.images import list_images, load_image, save_image
from portraitnet.runtime.media.masks import load_mask


@pytest.fixture
def photo():
    return skimage.data.astronaut()[::8, ::6]  # 64 x 86


def test_round_trip_without_loss(tmp_path, photo):
    for array in (photo, np.dstack([photo, photo[..., 0]]), photo[..., 0]):
        save_image(tmp_path / "a.png", array)
        assert (np.asarray(Image.open(tmp_path / "a.png")) == array).all()
    save_image(tmp_path / "a.png", photo[..., :1])
    assert (load_mask(tmp_path / "a.png") == photo[..., 0]).all()
    save_image(tmp_path / "a.png", photo)
    assert (load_image(tmp_path / "a.png") == photo).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path, photo, orientation):
    stored = {  # how a camera held in that way stores the upright picture
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.transpose(1, 0, 2),
        6: np.rot90(photo),
        7: photo.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(photo, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    assert (load_image(tmp_path / "a.png") == photo).all()


def test_cmyk(tmp_path, photo):
    Image.fromarray(photo).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    assert np.abs(load_image(tmp_path / "a.jpg").astype(int) - photo).mean() < 3


@pytest.mark.parametrize("bright", [False, True])
def test_sixteen_bits(tmp_path, photo, bright):
    grey = photo[..., 0] if bright else photo[..., 0] // 4
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "a.png")
    assert (load_image(tmp_path / "a.png") == grey[..., None]).all()
    with pytest.raises(InputError, match="8-bit"):
        load_mask(tmp_path / "a.png")


def test_floating_point_is_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="floating-point"):
        load_image(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_on_white(tmp_path, mode):
    image = Image.new("RGBA", (2, 1), (10, 10, 10, 255))
    image.putpixel((1, 0), (10, 10, 10, 0))
    if mode == "PA":
        image.quantize(4).save(tmp_path / "a.png")
    else:
        image.convert(mode).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png")[0].tolist() == [[10] * 3, [255] * 3]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_modes_come_as_rgb(tmp_path, photo, mode):
    Image.fromarray(photo).convert(mode).save(tmp_path / "a.png")
    loaded = load_image(tmp_path / "a.png")
    assert loaded.shape == photo.shape
    assert loaded.dtype == np.uint8


def test_palette_masks_keep_their_indices(tmp_path):
    labels = np.array([[0, 1, 15], [255, 2, 3]], np.uint8)
    image = Image.fromarray(labels).copy()
    image.putpalette(np.random.default_rng(0).integers(0, 255, 768).tolist())
    image.save(tmp_path / "m.png")
    assert (load_mask(tmp_path / "m.png") == labels).all()


def test_grey_rgb_masks_are_read_and_coloured_ones_refused(tmp_path):
    labels = np.array([[0, 1], [7, 255]], np.uint8)
    Image.fromarray(np.dstack([labels] * 3)).save(tmp_path / "m.png")
    assert (load_mask(tmp_path / "m.png") == labels).all()
    Image.fromarray(np.dstack([labels, labels, labels // 2])).save(tmp_path / "m.png")
    with pytest.raises(InputError, match="mask"):
        load_mask(tmp_path / "m.png")


def test_one_pixel(tmp_path):
    save_image(tmp_path / "a.png", np.full((1, 1, 3), 9, np.uint8))
    assert load_image(tmp_path / "a.png").tolist() == [[[9, 9, 9]]]


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (11_000, 10_000)])
def test_huge_pictures_are_refused_from_their_header(tmp_path, width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(InputError, match="100 megapixels") as caught:
        load_image(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_truncated_pictures(tmp_path, photo, suffix):
    path = tmp_path / f"a{suffix}"
    save_image(path, photo)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="damaged or cut short"):
        load_image(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match="not a picture of a known kind"):
        load_image(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="does not exist"):
        load_image(tmp_path / "b.jpg")
    with pytest.raises(InputError, match="not a file"):
        load_image(tmp_path)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_used_and_told(tmp_path, photo, caplog, progressive):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).save(path, quality=95, progressive=progressive)
    whole = load_image(path)
    path.write_bytes(path.read_bytes()[:-2])
    assert (load_image(path) == whole).all()
    assert "a.jpg is cut short; it is used all the same" in caplog.text


def test_phones_pictures(tmp_path, photo, caplog):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(photo)).save(tmp_path / "a.heic", quality=95)
    Image.fromarray(photo).save(tmp_path / "a.avif", quality=95)
    for name in ("a.heic", "a.avif"):
        assert np.abs(load_image(tmp_path / name).astype(int) - photo).mean() < 6
    whole = (tmp_path / "a.heic").read_bytes()
    (tmp_path / "a.heic").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged or cut short"):
        load_image(tmp_path / "a.heic")
    assert [path.name for path in list_images(tmp_path)] == ["a.avif", "a.heic"]


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.webp", "a.tif"])
def test_only_the_first_of_several_pictures_is_told(tmp_path, photo, caplog, name):
    frames = [Image.fromarray(np.ascontiguousarray(np.roll(photo, shift, 0))) for shift in range(3)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    load_image(tmp_path / name)
    assert f"{name} holds 3 pictures; only the first is used" in caplog.text


@pytest.mark.parametrize(("name", "side"), [("a.webp", 16_384), ("a.jpg", 65_536)])
def test_formats_end_at_a_size(tmp_path, name, side):
    with pytest.raises(InputError, match="ends at"):
        save_image(tmp_path / name, np.zeros((2, side, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_saving_needs_a_suffix_that_fits(tmp_path, photo):
    with pytest.raises(InputError, match="use one of"):
        save_image(tmp_path / "a.xyz", photo)
    with pytest.raises(InputError, match="no transparency"):
        save_image(tmp_path / "a.jpg", np.dstack([photo, photo[..., 0]]))
    assert list(tmp_path.iterdir()) == []


def test_listing_skips_hidden_files_and_counts_others(tmp_path, photo, caplog):
    for name in ("b.png", "a.JPG", "._a.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in list_images(tmp_path)] == ["a.JPG", "b.png"]
    assert "left out 1 .txt" in caplog.text
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no picture"):
        list_images(tmp_path / "empty")
    with pytest.raises(InputError, match="not a folder"):
        list_images(tmp_path / "nowhere")
