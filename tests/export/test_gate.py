"""What must not be written is not written."""

from __future__ import annotations

import dataclasses
import resource
import signal
import types

import numpy as np
import onnx
import pytest
import torch
from rich.console import Console

from portraitnet.export.bundle import export_bundle
from portraitnet.export.calibration import HOLDOUT, Pictures, holdout_of, pictures_of, rendered_pictures
from portraitnet.export.formats import Format
from portraitnet.export.parity import ParityError, compare, parity_table
from portraitnet.export.rounding import check_half, round_weights
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.geometry import resize
from portraitnet.runtime.media.images import save_image
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.datasets.synthetic import Synthetic
from portraitnet.train.predict import TorchBackend


@pytest.fixture
def broken_export(bundle, monkeypatch):
    """An exporter whose files have the head's sign turned: sound ONNX that says the opposite."""
    model = onnx.load(bundle[0] / "toy-fp32.onnx")
    # The last upsampling and the head, which leave as one: four phases of one channel.
    (head,) = (tensor for tensor in model.graph.initializer if list(tensor.dims) == [4, 8, 3, 3])
    head.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(head), head.name))
    monkeypatch.setattr(Format, "write", lambda self, graph, contract, path, *_: onnx.save(model, path) or {})


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
        (["executorch"], ["fp16"], "executorch is exported as fp32, int8"),
        (["mediapipe"], ["int8"], "mediapipe is exported as fp32, fp16, w8a32"),
    ],
)
def test_unknown_choices_are_named(checkpoint, tmp_path, formats, precisions, complaint):
    with pytest.raises(InputError, match=complaint):
        export_bundle(checkpoint, tmp_path / "out", formats, precisions)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_agreement_on_an_empty_scene_is_no_agreement(bundle, checkpoint, precision):
    out, _ = bundle
    gray = np.full((64, 64, 3), 90, np.uint8)
    reference = [TorchBackend.of(checkpoint).run(gray[None])[0]]
    facts = compare(reference, out / f"toy-{precision}.onnx", precision, Pictures([], [gray], None, "gray"))
    assert facts["failed"].startswith("nothing to compare: the network sees background in 100.0 %")
    assert "accuracy" not in facts
    console = Console(record=True, width=200)
    console.print(parity_table({"x": facts}))
    assert "no masks given" in console.export_text()


@pytest.mark.parametrize("level", [255, 90])
def test_pictures_without_people_are_refused_before_anything_is_exported(checkpoint, tmp_path, monkeypatch, level):
    monkeypatch.setattr(Format, "write", lambda *_: pytest.fail("exported"))
    plain = [np.full((64, 64, 3), level, np.uint8)] * 4
    with pytest.raises(InputError, match=r"4 held-out pictures \(sky\) cannot judge .* background in 100.0 %.*--force"):
        export_bundle(checkpoint, tmp_path / "out", ["onnx"], ["int8"], calibration=Pictures(plain, plain, None, "sky"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("logit", "seen"), [(-50.0, "background"), (50.0, "person")])
def test_a_network_that_says_one_thing_only_is_refused(checkpoint, pictures, tmp_path, logit, seen):
    class Silent(torch.nn.Module):
        def forward(self, rgb):
            mask = torch.zeros(len(rgb), 2, *rgb.shape[2:])
            mask[:, 1] = logit
            return types.SimpleNamespace(mask=mask)

    dead = dataclasses.replace(checkpoint, model=Silent().requires_grad_(False))
    dead.model.register_parameter("nothing", torch.nn.Parameter(torch.zeros(1)))
    with pytest.raises(InputError, match=f"the network sees {seen} in 100.0 %"):
        export_bundle(dead, tmp_path / "out", ["onnx"], ["fp32"], calibration=pictures)


def test_weights_beyond_float16_are_refused_by_name():
    graph = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1))
    graph[0].weight.data[:] = 1e5
    with pytest.raises(InputError, match=r"weights: values up to 1e\+05 do not fit float16"):
        round_weights(graph.requires_grad_(False), [np.zeros((8, 8, 3), np.uint8)], "fp16")
    with pytest.raises(InputError, match=r"bn\.running_var: values up to inf do not fit"):
        check_half({"fine": torch.ones(2), "count": torch.tensor(10**9), "bn.running_var": torch.tensor([torch.inf])})


def write_folder(folder, easy_picture, count, masks):
    for seed in range(count):
        image, mask = easy_picture(seed, (40, 50))
        save_image(folder / "images" / f"{seed}.png", image)
        if masks:
            save_image(folder / "masks" / f"{seed}.png", mask * 255)


def in_training(folder, holdout):
    """Which pictures of a folder training with this holdout sees: their bytes as the model takes them."""
    seen = Folder(folder, "train", holdout)
    return {seen.read(index)[0].tobytes() for index in range(len(seen))}


@pytest.mark.parametrize("holdout", [0.1, 0.25, 0.5])
def test_pictures_that_training_saw_calibrate_and_those_it_never_saw_judge(tmp_path, easy_picture, holdout):
    write_folder(tmp_path, easy_picture, 160, True)
    found = pictures_of(tmp_path, (40, 50), ("background", "person"), most=32, holdout=holdout)
    seen = in_training(tmp_path, holdout)
    assert all(picture.tobytes() in seen for picture in found.calibrate)
    unseen = [picture for picture in found.held_out if picture.tobytes() not in seen]
    assert len(unseen) == min(16, 160 - len(seen)) == len(found.held_out)
    assert found.source == f"{tmp_path.name}, {len(unseen)} of {len(found.held_out)} kept from training"


@pytest.mark.parametrize("masks", [True, False])
def test_a_small_folder_is_divided_the_same_way_each_time(tmp_path, easy_picture, masks):
    write_folder(tmp_path, easy_picture, 9, masks)
    save_image(tmp_path / "images" / "copy.png", easy_picture(0, (40, 50))[0])
    if masks:
        save_image(tmp_path / "masks" / "copy.png", easy_picture(0, (40, 50))[1] * 255)
    one, two = (pictures_of(tmp_path, (64, 32), ("background", "person")) for _ in range(2))
    assert (len(one.calibrate), len(one.held_out)) == (4, 5)  # the copy is no tenth picture
    assert one.calibrate[0].shape == (64, 32, 3)
    assert not {p.tobytes() for p in one.calibrate} & {p.tobytes() for p in one.held_out}
    np.testing.assert_array_equal(np.stack(one.held_out), np.stack(two.held_out))
    assert (one.truths is not None) == masks
    if one.truths is not None:
        assert set(np.unique(np.stack(one.truths))) == {0, 1, 255}
    few = pictures_of(tmp_path, (64, 32), ("background", "person"), most=4)
    assert len(few.calibrate) + len(few.held_out) == 4


@pytest.mark.parametrize(
    ("facts", "share"),
    [
        ({}, HOLDOUT),
        ({"recipe": "toy"}, HOLDOUT),
        ({"recipe": {"data": {"train": [{"kind": "folder", "holdout": 0.25}, {"kind": "x", "holdout": 0.1}]}}}, 0.1),
        ({"recipe": {"data": {"train": [{"kind": "folder", "holdout": 0.25, "split": "all"}]}}}, 0.0),
        ({"recipe": {"data": {"train": [{"kind": "synthetic", "holdout": 0.05}]}}}, HOLDOUT),
        ({"recipe": {"data": {"train": {"a": 1}}}}, HOLDOUT),
        ({"recipe": {"data": {"train": [{"holdout": "x"}, 3]}}}, HOLDOUT),
    ],
)
def test_the_split_of_the_run_is_the_split_of_the_export(facts, share):
    assert holdout_of(facts) == share


def test_calibration_needs_pictures(tmp_path, easy_picture):
    with pytest.raises(InputError, match="does not exist"):
        pictures_of(tmp_path / "none", (64, 64), ("background", "person"))
    write_folder(tmp_path, easy_picture, 1, masks=False)
    with pytest.raises(InputError, match="at least 2"):
        pictures_of(tmp_path, (64, 64), ("background", "person"))


def test_rendered_portraits_stand_in_and_those_that_judge_are_no_training_scenes():
    found = rendered_pictures((64, 64), count=4)
    assert len(found.calibrate) == len(found.held_out) == 2
    assert found.truths is not None
    assert found.truths[0].any()
    training, validation = Synthetic((64, 64)), Synthetic((64, 64), "val")
    for pictures, source in ((found.calibrate, training), (found.held_out, validation)):
        np.testing.assert_array_equal(pictures[1], resize(source.read(1)[0], (64, 64)))
