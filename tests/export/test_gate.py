"""What must not be written is not written."""

from __future__ import annotations

import resource
import signal

import numpy as np
import onnx
import pytest
from rich.console import Console

from portraitnet.export import bundle as bundle_module
from portraitnet.export.bundle import export_bundle
from portraitnet.export.calibration import Pictures, pictures_of, rendered_pictures
from portraitnet.export.parity import ParityError, compare, parity_table
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.media.images import save_image
from portraitnet.train.predict import TorchBackend


@pytest.fixture
def broken_export(bundle, monkeypatch):
    """An exporter whose files have the head's sign turned: sound ONNX that says the opposite."""
    model = onnx.load(bundle[0] / "toy-fp32.onnx")
    # The last upsampling and the head, which leave as one: four phases of one channel.
    (head,) = (tensor for tensor in model.graph.initializer if list(tensor.dims) == [4, 8, 3, 3])
    head.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(head), head.name))
    monkeypatch.setattr(bundle_module, "_write", lambda graph, contract, path, *_: onnx.save(model, path))


def test_broken_artefact_fails_the_gate_and_nothing_is_written(broken_export, checkpoint, pictures, tmp_path):
    with pytest.raises(ParityError, match=r"1 of 1 artefacts disagree.*toy-fp32\.onnx.*max abs") as caught:
        export_bundle(checkpoint, tmp_path / "out", ["onnx"], ["fp32"], calibration=pictures)
    assert list(tmp_path.iterdir()) == []
    console = Console(record=True, width=160)
    console.print(caught.value.table)
    assert "max abs" in console.export_text()
    assert caught.value.results["toy-fp32.onnx"]["mask_iou"] < 0.5


def test_force_writes_and_says_so(broken_export, checkpoint, pictures, tmp_path):
    contract = export_bundle(checkpoint, tmp_path / "out", ["onnx"], ["fp32"], calibration=pictures, force=True)
    assert contract.forced
    assert contract.artefacts[0].parity["failed"]
    assert '"forced": true' in (tmp_path / "out" / "model.json").read_text()


def test_an_earlier_bundle_survives_a_failed_export(bundle, broken_export, checkpoint, pictures):
    out, _ = bundle
    before = sorted(path.name for path in out.iterdir())
    with pytest.raises(ParityError):
        export_bundle(checkpoint, out, ["onnx"], ["fp32"], calibration=pictures)
    assert sorted(path.name for path in out.iterdir()) == before


def test_foreign_folder_is_not_replaced(checkpoint, pictures, tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"dear")
    with pytest.raises(InputError, match="other things than an exported bundle"):
        export_bundle(checkpoint, tmp_path, ["onnx"], ["fp32"], calibration=pictures)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"dear"


def test_full_disk_leaves_nothing(checkpoint, pictures, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(InputError, match="nothing was left half-written"):
            export_bundle(checkpoint, tmp_path / "out", ["onnx"], ["fp32"], calibration=pictures)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("formats", "precisions", "complaint"),
    [
        (["onyx"], ["fp32"], "unknown format onyx"),
        (["onnx"], ["int4"], "unknown precision int4"),
        ([], ["fp32"], "unknown format"),
        (["executorch"], ["fp16"], "fp32 or int8"),
    ],
)
def test_unknown_choices_are_named(checkpoint, tmp_path, formats, precisions, complaint):
    with pytest.raises(InputError, match=complaint):
        export_bundle(checkpoint, tmp_path / "out", formats, precisions)


def test_an_empty_scene_agrees_with_an_empty_scene(bundle, checkpoint):
    out, _ = bundle
    gray = np.full((64, 64, 3), 90, np.uint8)
    reference = [TorchBackend.of(checkpoint).run(gray[None])[0]]
    facts = compare(reference, out / "toy-fp32.onnx", "fp32", Pictures([], [gray], None, "gray"))
    assert (facts["mask_iou"], facts["failed"]) == (1.0, "")
    assert "accuracy" not in facts
    console = Console(record=True, width=160)
    console.print(parity_table({"x": facts}))
    assert "no masks given" in console.export_text()


def write_folder(folder, easy_picture, count, masks):
    for seed in range(count):
        image, mask = easy_picture(seed, (40, 50))
        save_image(folder / "images" / f"{seed}.png", image)
        if masks:
            save_image(folder / "masks" / f"{seed}.png", mask * 255)


@pytest.mark.parametrize("masks", [True, False])
def test_calibration_folder_is_halved_the_same_way_each_time(tmp_path, easy_picture, masks):
    write_folder(tmp_path, easy_picture, 9, masks)
    one, two = (pictures_of(tmp_path, (64, 32), ("background", "person")) for _ in range(2))
    assert (len(one.calibrate), len(one.held_out)) == (4, 5)
    assert one.calibrate[0].shape == (64, 32, 3)
    np.testing.assert_array_equal(np.stack(one.held_out), np.stack(two.held_out))
    assert (one.truths is not None) == masks
    if one.truths is not None:
        assert set(np.unique(np.stack(one.truths))) == {0, 1, 255}
    few = pictures_of(tmp_path, (64, 32), ("background", "person"), most=4)
    assert len(few.calibrate) + len(few.held_out) == 4


def test_calibration_needs_pictures(tmp_path, easy_picture):
    with pytest.raises(InputError, match="does not exist"):
        pictures_of(tmp_path / "none", (64, 64), ("background", "person"))
    write_folder(tmp_path, easy_picture, 1, masks=False)
    with pytest.raises(InputError, match="at least 2"):
        pictures_of(tmp_path, (64, 64), ("background", "person"))


def test_rendered_portraits_stand_in(tmp_path):
    found = rendered_pictures((64, 64), count=4)
    assert len(found.calibrate) == len(found.held_out) == 2
    assert found.truths is not None
    assert found.truths[0].any()
