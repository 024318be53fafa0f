"""Colours mean what their profile or tag says; the right values come from the standards' formulas."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import skimage.data
from PIL import Image

from portraitnet.runtime.media import tone
from portraitnet.runtime.media.colour import SDR
from portraitnet.runtime.media.images import load_image, load_rgba
from portraitnet.runtime.media.video import VideoReader, VideoWriter

# Colorants in XYZ, adapted to D50, in columns.
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
GAMMA = 2.2


def profile(colorants):
    """A matrix profile of ICC version 2 with one gamma."""
    fixed = lambda value: struct.pack(">i", round(value * 65536))  # noqa: E731
    xyz = lambda values: b"XYZ " + bytes(4) + b"".join(map(fixed, values))  # noqa: E731
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(GAMMA * 256)) + bytes(2)
    name = b"a test\0"
    text = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78 + 3)
    parts = {b"desc": text, b"cprt": b"text" + bytes(4) + b"none", b"wtpt": xyz((0.9642, 1, 0.8249))}
    parts |= {tag: xyz(column) for tag, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants.T, strict=True)}
    parts |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    body, table, start = b"", struct.pack(">I", len(parts)), 132 + 12 * len(parts)
    for tag, data in parts.items():
        data += bytes(-len(data) % 4)
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, (0.9642, 1, 0.8249)))
    return head.ljust(128, b"\0") + table + body


def in_srgb(image, colorants):
    linear = (image / 255.0) ** GAMMA @ (np.linalg.inv(SRGB) @ colorants).T
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255)


@pytest.fixture
def photo():
    return np.ascontiguousarray(skimage.data.astronaut()[::8, ::8])


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
@pytest.mark.parametrize("colorants", [DISPLAY_P3, ADOBE_RGB], ids=["P3", "AdobeRGB"])
def test_profiles_are_converted(tmp_path, photo, name, colorants):
    options = {"lossless": True} if name == "a.webp" else {"quality": 100}
    Image.fromarray(photo).save(tmp_path / name, icc_profile=profile(colorants), **options)
    with Image.open(tmp_path / name) as stored:
        expected = in_srgb(np.asarray(stored.convert("RGB")), colorants)
    assert np.abs(expected - photo).mean() > 2  # there is something to convert
    assert np.abs(load_image(tmp_path / name) - expected).max() <= 2


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "L"])
def test_profiles_of_every_mode(tmp_path, photo, mode):
    image = Image.fromarray(photo).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(photo[..., 0]))
    colorants = profile(DISPLAY_P3) if mode in ("RGBA", "P") else b"not a profile"
    image.save(tmp_path / "a.png", icc_profile=colorants)
    loaded = load_rgba(tmp_path / "a.png")
    plain = np.asarray(image.convert("RGB"))
    expected = in_srgb(plain, DISPLAY_P3) if mode in ("RGBA", "P") else plain
    assert np.abs(loaded[..., :3] - expected).max() <= 2
    if mode in ("RGBA", "LA"):
        assert (loaded[..., 3] == photo[..., 0]).all()


def test_a_profile_that_cannot_be_used_is_told(tmp_path, photo, caplog):
    Image.fromarray(photo).save(tmp_path / "a.png", icc_profile=b"rubbish")
    assert (load_image(tmp_path / "a.png") == photo).all()
    assert "colour profile cannot be used" in caplog.text


def make_hdr(path, transfer, levels, primaries=9, matrix=9, chroma=(512, 512)):
    """Grey bars, a code value (0..1 of the range) each, lossless in 10 bits."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx265", rate=30, options={"x265-params": "lossless=1:log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 32 * len(levels), 64, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = (
            transfer,
            primaries,
            matrix,
            1,
        )
        rows = np.repeat(np.round(64 + 876 * np.asarray(levels)), 32).astype(np.uint16)
        frame = av.VideoFrame(stream.width, 64, "yuv420p10le")
        for plane, row in zip(frame.planes, (rows, *(np.full(len(rows) // 2, level) for level in chroma)), strict=True):
            padded = np.zeros((plane.height, plane.line_size // 2), np.uint16)
            padded[:, : len(row)] = row
            plane.update(padded.tobytes())
        frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range = transfer, primaries, matrix, 1
        frame.pts, frame.time_base = 0, Fraction(1, 30)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("tags", [(18, 9, 9), (16, 9, 9), (14, 9, 9), (1, 12, 1)], ids=["HLG", "PQ", "2020", "P3"])
def test_what_is_no_standard_range_is_mapped_to_it(tmp_path, tags):
    assert VideoReader(make_hdr(tmp_path / "in.mkv", tags[0], [0, 1], *tags[1:])).colours == SDR


def test_the_table_gives_the_picture_of_the_direct_way_to_one_level(tmp_path, monkeypatch):
    path = make_hdr(tmp_path / "in.mkv", 18, np.linspace(0, 1, 24), chroma=(430, 560))
    by_table = next(iter(VideoReader(path))).image.astype(int)
    with monkeypatch.context() as patch:
        patch.setattr(tone, "_mapped", None)  # it is not worked out again
        assert (next(iter(VideoReader(path))).image == by_table).all()

    def read_only(*_):
        raise OSError("read-only file system")

    monkeypatch.setattr(tone, "_write", read_only)
    monkeypatch.setattr(tone, "cache_folder", lambda name: tmp_path / "none")
    direct = next(iter(VideoReader(path))).image
    assert np.abs(by_table - direct).max() <= 1
    assert np.ptp(direct) > 200


def test_hdr_with_transparency_keeps_it(tmp_path):
    with av.open(str(tmp_path / "in.mov"), "w") as output:
        stream = output.add_stream("prores_ks", rate=30, options={"profile": "4444"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva444p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = 18, 9, 9, 1
        frame = av.VideoFrame(64, 48, "yuva444p10le")
        for plane, level in zip(frame.planes, (700, 512, 512, 300), strict=True):
            plane.update(np.full(plane.buffer_size // 2, level, "<u2").tobytes())
        frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range = 18, 9, 9, 1
        frame.pts, frame.time_base = 0, Fraction(1, 30)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    found = next(iter(VideoReader(tmp_path / "in.mov")))
    assert np.abs(found.rgba[..., 3].astype(int) - round(255 * 300 / 1023)).max() <= 1


def test_hdr_becomes_sdr_and_says_so(tmp_path):
    reader = VideoReader(make_hdr(tmp_path / "in.mkv", 18, np.linspace(0, 1, 8)))
    frame = next(iter(reader))
    greys = frame.image[30, 16::32].astype(int)
    assert (np.ptp(greys, axis=1) <= 3).all()  # grey stays grey
    assert (np.diff(greys[:, 1]) > 3).all()  # nothing is clipped
    assert greys[0].max() < 4
    assert greys[-1].min() > 245
    with VideoWriter.open(tmp_path / "out.mp4", like=reader) as writer:
        writer.write(frame, np.full_like(frame.image, 120))
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        stored = next(container.decode(video=0))
        assert (context.pix_fmt, context.colorspace, context.color_primaries, context.color_trc) == ("yuv420p", 1, 1, 1)
    # A new background of grey 120 is grey 120 in the file, not some hundred nits of HLG.
    assert abs(bytes(stored.planes[0])[0] - (16 + 219 * 120 / 255)) < 2
