"""`benchmark --rivals pspnet`: the published networks in torch, ONNX and TFLite, and the plot."""

import pytest

from portraitnet.benchmarks.latency import contestants
from portraitnet.benchmarks.latency.contestants import gather, rival_bundles
from portraitnet.benchmarks.latency.published import PUBLISHED_MIOU, published_spec
from portraitnet.benchmarks.reporting import plots
from portraitnet.runtime.errors import InputError
from portraitnet.train.recipe import shipped_recipes


def test_every_cityscapes_recipe_takes_part_with_its_score():
    assert {name for name in shipped_recipes() if name.endswith("_cityscapes")} == PUBLISHED_MIOU.keys()
    for name in PUBLISHED_MIOU:
        spec = published_spec(name)
        assert (spec.encoder_weights, len(spec.classes)) == ("none", 19)


def test_a_published_network_is_timed_in_torch_too(monkeypatch, tmp_path):
    asked = []

    def export(checkpoint, folder, formats, precisions, *_, **__):
        asked.append((checkpoint.name, formats, precisions))
        folder.mkdir()
        (folder / "model.json").write_text("{}")

    monkeypatch.setattr(contestants, "export_bundle", export)
    with rival_bundles((64, 64), ["pspnet_mobilenetv2_cityscapes"], lambda text: None) as files:
        assert asked == [("pspnet_mobilenetv2_cityscapes", ["onnx", "tflite"], ["fp32", "int8"])]
        bundle, checkpoint = files
        assert (bundle / "model.json").is_file()
        (torch_alone, *_) = gather(checkpoint, (1,), trained=False)
        assert (torch_alone.model, torch_alone.format) == ("pspnet_mobilenetv2_cityscapes", "torch")
        assert torch_alone.contract.size == (64, 64)
        assert not torch_alone.trained


def test_a_network_without_int8_kernels_is_timed_in_float_alone(monkeypatch):
    """OCR's attention: XNNPACK would take its int8 file in pieces, and export refuses that."""
    asked, said = [], []

    def export(checkpoint, folder, formats, precisions, *_, **__):
        asked.append(precisions)
        if "int8" in precisions:
            raise InputError("splits into 4 XNNPACK partitions")
        folder.mkdir()
        (folder / "model.json").write_text("{}")

    monkeypatch.setattr(contestants, "export_bundle", export)
    with rival_bundles((64, 64), ["ocr_resnet18_cityscapes"], said.append) as files:
        assert asked == [["fp32", "int8"], ["fp32"]]
        assert len(files) == 2
    assert said[-1] == "float32 alone of ocr_resnet18_cityscapes: splits into 4 XNNPACK partitions"


def test_the_plot_has_a_point_for_each_artefact(tmp_path):
    rows = [
        {"model": name, "threads": "1", "format": kind, "precision": "fp32", "median_ms": str(10 * (place + 1))}
        for place, name in enumerate(PUBLISHED_MIOU)
        for kind in ("torch", "onnx", "tflite")
    ]
    plots.plot_published(tmp_path / "p.png", rows, PUBLISHED_MIOU)
    assert (tmp_path / "p.png").stat().st_size > 10_000
    with pytest.raises(KeyError):
        plots.plot_published(tmp_path / "q.png", [{"model": "pspnet_resnet18_cityscapes"}], PUBLISHED_MIOU)
