"""What is particular to one format."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from portraitnet.export import flatbuffer
from portraitnet.export.executorch_export import ExecutorchBackend
from portraitnet.export.graph import DeployedGraph
from portraitnet.export.mil import MilBackend
from portraitnet.export.models import precision_of
from portraitnet.export.onnx_export import export_onnx
from portraitnet.export.rounding import round_weights
from portraitnet.export.tflite_export import export_tflite, residency
from portraitnet.runtime.backends import open_backend
from portraitnet.runtime.errors import InputError
from portraitnet.tests.train.tiny import tiny_network


def test_int8_tflite_is_int8_throughout_in_one_partition(bundle):
    out, contract = bundle
    path = out / "toy-int8.tflite"
    found = residency(path)
    assert found.partitions == 1
    assert found.left == {"QUANTIZE": 2}
    assert found.nodes == found.delegated + 2
    histogram = flatbuffer.op_histogram(path)
    assert sum(histogram.values()) == found.nodes
    assert not [op for op in histogram if "float" in op]
    assert histogram["TRANSPOSE int8"] == 5  # the five pixel shuffles, and no other
    graph = flatbuffer.read(path.read_bytes()).subgraphs[0]
    taken, given = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    assert (list(taken.quantization.scale), list(taken.quantization.zeroPoint)) == ([1.0], [0])
    assert (list(given.quantization.scale), list(given.quantization.zeroPoint)) == ([1 / 256], [0])
    parity = next(a.parity for a in contract.artefacts if a.file == path.name)
    assert parity["tensorflow_max_steps"] <= 2
    assert parity["gpu_delegate"] == "every op"
    assert parity["xnnpack"]["partitions"] == 1


def test_convolutions_pad_by_themselves_where_the_network_pads_as_tensorflow_does(bundle, parsing_bundle):
    for precision in ("fp32", "int8"):
        operators = {op.split()[0] for op in flatbuffer.op_histogram(bundle[0] / f"toy-{precision}.tflite")}
        assert not operators & {"PAD", "SUB"}
    # Padding on both sides is no convolution's own in TFLite: it stays an operator.
    assert flatbuffer.op_histogram(parsing_bundle[0] / "toy-int8.tflite")["PAD int8"] == 5
    assert not {"Pad", "Sub"} & {node.op_type for node in onnx.load(bundle[0] / "toy-fp32.onnx").graph.node}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_float_tflite_is_delegated_whole(bundle, precision):
    out, _ = bundle
    found = residency(out / f"toy-{precision}.tflite")
    assert (found.partitions, found.left) == (1, {})


def test_half_precision_halves_the_file(bundle):
    sizes = {a.file: a.bytes for a in bundle[1].artefacts}
    for suffix in ("onnx", "tflite", "mlpackage"):
        assert sizes[f"toy-fp16.{suffix}"] < 0.65 * sizes[f"toy-fp32.{suffix}"]
        assert sizes[f"toy-int8.{suffix}"] < 0.5 * sizes[f"toy-fp32.{suffix}"]


def test_the_precision_of_a_loose_file_is_read_from_its_weights(bundle, tmp_path):
    for artefact in bundle[1].artefacts:
        if artefact.format in ("onnx", "tflite"):
            unnamed = shutil.copy(bundle[0] / artefact.file, tmp_path / f"model.{artefact.format}")
            assert precision_of(unnamed) == artefact.precision


@pytest.mark.parametrize("export", [export_onnx, export_tflite])
def test_files_are_reproducible_and_name_no_folder(bundle, converted, tmp_path, export):
    graph, contents, known = DeployedGraph(tiny_network().eval()), [], dict(converted)
    for name in ("one", "other"):
        export(copy.deepcopy(graph), bundle[1], tmp_path / name, "fp32")
        contents.append((tmp_path / name).read_bytes())
        converted.clear()  # so that it is converted a second time
        converted.update(known)
    assert contents[0] == contents[1]
    assert b"site-packages" not in contents[0]
    assert str(tmp_path).encode() not in contents[0]


def test_onnx_says_what_it_is(bundle):
    model = onnx.load(bundle[0] / "toy-int8.onnx")
    assert model.opset_import[0].version == 18
    assert [o.domain for o in model.opset_import if o.domain] == []
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in model.graph.node}
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_rounded_weights_lie_on_the_grid_that_converters_take(checkpoint, pictures):
    graph = DeployedGraph(checkpoint.model)
    convolutions = [m for m in graph.modules() if isinstance(m, torch.nn.Conv2d)]
    dead = convolutions[3]
    dead.weight.data[0] = 0
    dead.bias.data[0] = 0.5
    round_weights(graph, pictures.calibrate, "int8")
    for conv in convolutions:
        flat = conv.weight.data.flatten(1)
        levels = flat / (flat.abs().amax(1, keepdim=True) / 127)
        torch.testing.assert_close(levels, levels.round(), atol=2e-3, rtol=0)
    # A step so small that the int32 bias overflows would turn 0.5 into something else.
    assert dead.weight.data[0].abs().max() / 127 * 2**31 > 100 * 0.5


def test_wide_filters_round_to_the_nearest_step_without_a_covariance():
    """3x3 over 2,048 channels, as behind a ResNet50: the covariance alone would take 2.7 GB."""
    torch.manual_seed(0)
    graph = torch.nn.Sequential(torch.nn.Conv2d(3, 2048, 1), torch.nn.Conv2d(2048, 2, 3, padding=1, bias=False))
    before = graph[1].weight.detach().clone()
    round_weights(graph.requires_grad_(False), [np.full((8, 8, 3), 200, np.uint8)], "int8")
    step = before.abs().amax((1, 2, 3), keepdim=True) / 127
    torch.testing.assert_close(graph[1].weight.data, (before / step).round() * step)
    assert graph[1].bias is not None  # the mean error that is left


def test_mil_names_an_unknown_operator(bundle, tmp_path, easy_picture):
    copied = tmp_path / "toy.mlpackage"
    shutil.copytree(bundle[0] / "toy-fp32.mlpackage", copied)
    program = copied / "Data/com.apple.CoreML/model.mlmodel"
    program.write_bytes(program.read_bytes().replace(b"pixel_shuffle", b"pixel_shuffIe"))
    with pytest.raises(InputError, match="'pixel_shuffIe'"):
        MilBackend(copied).run(easy_picture(0)[0][None])


@pytest.mark.parametrize(
    ("file", "change", "complaint"),
    [
        ("weights/weight.bin", lambda content: content[: len(content) // 2], "outside its weight file"),
        ("weights/weight.bin", lambda content: b"\xff" * len(content), "outside its weight file"),
        ("weights/weight.bin", None, "has no weight.bin"),
        ("model.mlmodel", lambda content: content[:-7], "cannot be parsed"),
        ("model.mlmodel", lambda content: b"", "carries no|not an ML program"),
    ],
)
def test_damaged_packages_are_refused(bundle, tmp_path, file, change, complaint):
    copied = tmp_path / "toy.mlpackage"
    shutil.copytree(bundle[0] / "toy-fp32.mlpackage", copied)
    target = copied / "Data/com.apple.CoreML" / file
    if change is None:
        target.unlink()
    else:
        target.write_bytes(change(target.read_bytes()))
    with pytest.raises(InputError, match=complaint):
        MilBackend(copied)


def test_weights_behind_a_link_are_refused(bundle, tmp_path):
    copied = tmp_path / "toy.mlpackage"
    shutil.copytree(bundle[0] / "toy-fp32.mlpackage", copied)
    weights = copied / "Data/com.apple.CoreML/weights/weight.bin"
    weights.rename(tmp_path / "elsewhere.bin")
    weights.symlink_to(tmp_path / "elsewhere.bin")
    with pytest.raises(InputError, match=r"weight\.bin"):
        MilBackend(copied)


def test_mil_imports_without_a_converter(bundle):
    """Importing coremltools before torch has crashed the interpreter: the evaluator must be safe on its own."""
    code = "import sys; from portraitnet.export.mil import MilBackend; print(len(MilBackend(sys.argv[1]).operators()))"
    command = [sys.executable, "-c", code, str(bundle[0] / "toy-int8.mlpackage")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-500:]
    assert int(run.stdout) > 50


def test_executorch_without_its_extra_says_what_to_install(tmp_path):
    try:
        import executorch.runtime  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match=r"pip install 'portraitnet\[executorch\]'"):
            ExecutorchBackend(tmp_path / "x.pte")
    else:
        pytest.skip("executorch is installed")


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_executorch_agrees(checkpoint, pictures, tmp_path, precision):
    pytest.importorskip("executorch.exir", reason="the executorch extra is not installed")
    from portraitnet.export.bundle import export_bundle

    contract = export_bundle(checkpoint, tmp_path / "out", ["executorch"], [precision], calibration=pictures)
    assert contract.artefacts[0].parity["failed"] == ""


def test_bytes_mean_the_same_in_tflite_and_torch(bundle, checkpoint, pictures):
    """Alpha 0 and 1 both exist, so that a background can be wholly gone."""
    backend = open_backend(bundle[0] / "toy-int8.tflite")
    scores = np.concatenate([backend.run(picture[None]) for picture in pictures.held_out])
    assert scores.min() == 0
    assert scores.max() <= 1
