"""Every other architecture goes through the same gated export as PortraitNet (see test_contract.py)."""

import numpy as np
import pytest
import torch

from portraitnet.benchmarks.latency.contestants import settle
from portraitnet.export import flatbuffer
from portraitnet.export.bundle import export_bundle
from portraitnet.export.calibration import Pictures
from portraitnet.export.graph import DeployedGraph
from portraitnet.export.onnx_export import export_onnx
from portraitnet.export.tflite_export import export_tflite, residency
from portraitnet.runtime.backends import open_backend
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.errors import InputError
from portraitnet.tests.train.tiny import tiny_network
from portraitnet.train.engine.checkpoint import Checkpoint
from portraitnet.train.models import (
    DeepLabV3PlusSpec,
    OcrSpec,
    PortraitNetSpec,
    PspNetSpec,
    SelfieSpec,
    SelfieTransformerSpec,
    build_model,
)

SIZE = (64, 64)
ENCODER = "resnet18"  # of few operators, for each of which converters take a tenth of a second


RIVALS = {
    "deeplabv3plus": DeepLabV3PlusSpec(encoder=ENCODER, auxiliary_head=True),
    "pspnet": PspNetSpec(encoder=ENCODER, auxiliary_head=True),
    "ocr": OcrSpec(encoder=ENCODER, auxiliary_head=True),
}


def export(spec, formats, out, precision="fp32", network=None, **options):
    torch.manual_seed(0)
    checkpoint = Checkpoint("toy", network or settle(build_model(spec), SIZE), spec, SIZE, {})
    noise = np.random.default_rng(0).integers(0, 256, (4, *SIZE, 3), np.uint8)
    pictures = Pictures(list(noise[:2]), list(noise[2:]), None, "noise")
    # A random network may see one class in noise: then its scores are compared, but the gate calls that nothing.
    return export_bundle(checkpoint, out, formats, [precision], SIZE, pictures, force=True, **options)


SELFIE = SelfieSpec()
TRANSFORMER = SelfieTransformerSpec()


@pytest.mark.parametrize("spec", [*RIVALS.values(), SELFIE, TRANSFORMER], ids=[*RIVALS, "selfie", "transformer"])
def test_every_architecture_passes_the_gate_in_every_format(spec, tmp_path):
    formats = ["onnx", "tflite", "coreml"]
    contract = export(spec, formats, tmp_path / "bundle")
    assert [artefact.format for artefact in contract.artefacts] == formats
    for artefact in contract.artefacts:
        assert artefact.parity["max_abs"] < 1e-4
        assert artefact.parity["failed"].startswith("nothing to compare") or not artefact.parity["failed"]
    assert contract.artefacts[1].parity["xnnpack"]["partitions"] == 1


def detailed_network(spec):
    torch.manual_seed(0)
    network = settle(build_model(spec), SIZE)
    torch.nn.init.normal_(network.detail_head.up.weight)  # which starts at zero
    return network


DETAIL = PortraitNetSpec(encoder=ENCODER, open_border=True, detail=True)


def test_a_detail_head_passes_the_gate_in_every_format(tmp_path):
    formats = ["onnx", "tflite", "coreml"]
    contract = export(DETAIL, formats, tmp_path / "bundle", network=detailed_network(DETAIL))
    for artefact in contract.artefacts:
        assert artefact.parity["max_abs"] < 1e-4
    assert contract.artefacts[1].parity["xnnpack"]["partitions"] == 1


def test_a_detail_head_is_int8_in_one_partition_and_changes_alpha(tmp_path):
    network = detailed_network(DETAIL)
    noise = list(np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8))
    path, contract = tmp_path / "int8.tflite", Contract("toy", ("background", "person"), *SIZE)
    graph = DeployedGraph(network)
    export_tflite(graph, contract, path, "int8", noise)
    assert residency(path).partitions == 1
    found = open_backend(path).run(np.stack(noise))
    rgb = torch.from_numpy(np.stack(noise)).permute(0, 3, 1, 2).float()
    network.detail_head = None
    with torch.inference_mode():
        expected, without = (part(rgb).permute(0, 2, 3, 1).numpy() for part in (graph, DeployedGraph(network)))
    assert np.abs(found - expected).mean() < 0.25 * np.abs(without - expected).mean()


@pytest.mark.parametrize(
    ("spec", "left"), [(RIVALS["ocr"], "BATCH_MATMUL"), (TRANSFORMER, "DIV")], ids=["ocr", "transformer"]
)
def test_a_network_that_xnnpack_takes_in_pieces_is_refused(spec, left, tmp_path):
    """It has no int8 product of two activations, which OCR's attention is, and no int8 softmax."""
    with pytest.raises(InputError, match=rf"XNNPACK partitions instead of 1.*{left}"):
        export(spec, ["tflite"], tmp_path / "bundle", "int8", fine_rounding=False)
    assert not (tmp_path / "bundle").exists()


def test_a_selfie_network_is_int8_throughout_although_xnnpack_has_no_int8_hard_swish(tmp_path):
    torch.manual_seed(0)
    graph = DeployedGraph(settle(build_model(SELFIE), SIZE))
    noise = list(np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8))
    contract = Contract("toy", ("background", "person"), *SIZE)
    paths = {precision: tmp_path / f"{precision}.tflite" for precision in ("fp32", "int8")}
    for precision, path in paths.items():
        export_tflite(graph, contract, path, precision, noise)
        assert residency(path).partitions == 1
    assert flatbuffer.op_histogram(paths["fp32"])["HARD_SWISH float32"] == 11
    assert "HARD_SWISH int8" not in flatbuffer.op_histogram(paths["int8"])
    written_out = flatbuffer.read(paths["fp32"].read_bytes())
    flatbuffer.write_out_hard_swish(written_out)
    rewritten = tmp_path / "rewritten.tflite"
    rewritten.write_bytes(flatbuffer.pack(written_out))
    found, expected = (open_backend(path).run(np.stack(noise)) for path in (rewritten, paths["fp32"]))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_selfie_network_is_written_as_int8_onnx(tmp_path):
    """onnxruntime's symbolic inference of shapes gives up on it."""
    torch.manual_seed(0)
    graph = DeployedGraph(settle(build_model(SELFIE), SIZE))
    noise = list(np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8))
    path = tmp_path / "int8.onnx"
    export_onnx(graph, Contract("toy", ("background", "person"), *SIZE), path, "int8", noise)
    assert open_backend(path).run(np.stack(noise)).shape == (2, *SIZE, 1)


def test_int8_logits_spend_their_steps_where_a_byte_still_changes(tmp_path):
    torch.manual_seed(0)
    network = settle(tiny_network(), SIZE)
    with torch.no_grad():
        network.mask_head.weight *= 1e4  # logits in the hundreds and more
    noise = list(np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8))
    path = tmp_path / "int8.tflite"
    export_tflite(DeployedGraph(network), Contract("toy", ("background", "person"), *SIZE), path, "int8", noise)
    model = flatbuffer.read(path.read_bytes())
    graph = model.subgraphs[0]
    sigmoids = [op for op in graph.operators if flatbuffer.operator_name(model, op) == "LOGISTIC"]
    (step,) = graph.tensors[sigmoids[-1].inputs[0]].quantization.scale
    assert 8 / 255 < step < 16.1 / 255


def test_enlargements_that_share_their_scales_go_into_float16_onnx(tmp_path):
    torch.manual_seed(0)
    network = settle(build_model(SELFIE), SIZE)
    noise = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8)
    graph, path = DeployedGraph(network), tmp_path / "half.onnx"
    export_onnx(graph, Contract("toy", ("background", "person"), *SIZE), path, "fp16", list(noise))
    found = open_backend(path).run(noise)
    with torch.inference_mode():
        expected = graph(torch.from_numpy(noise).permute(0, 3, 1, 2).float()).permute(0, 2, 3, 1).numpy()
    assert np.abs(found - expected).mean() < 5e-3
