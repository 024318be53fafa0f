import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from portraitnet.benchmarks.latency.layers import dense_layer, layers_of
from portraitnet.benchmarks.latency.roofline import Limits, benchmark_roofline, slowest
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.export import flatbuffer
from portraitnet.runtime.backends import default_weights, open_backend
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.shipped import find_model


@pytest.fixture(scope="module")
def layers():
    return layers_of(default_weights())


def opened(file):
    interpreter = Interpreter(model_content=file, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def test_the_layers_one_after_the_other_are_the_model(layers):
    """Each cut-out file, fed with what its predecessors gave, ends at the whole model's own mask, to the bit."""
    path = default_weights()
    whole = Interpreter(str(path), num_threads=1)
    picture = np.random.default_rng(0).integers(0, 256, whole.get_input_details()[0]["shape"], np.uint8)
    names = {}  # tensor name -> value
    for layer in layers:
        part = opened(layer.file)
        for given in part.get_input_details():
            part.set_tensor(given["index"], names.get(given["name"], picture))
        part.invoke()
        for made in part.get_output_details():
            names[made["name"]] = part.get_tensor(made["index"])
    np.testing.assert_array_equal(names[list(names)[-1]][..., 0], open_backend(path, 1).run(picture)[..., 0] * 255)


def test_macs_are_those_of_the_exported_graph(layers):
    # Sub-pixel upsampling does a little more work than the transposed convolutions that the contract counts.
    counted = sum(layer.macs for layer in layers)
    told = open_backend(default_weights(), 1).contract.macs
    assert told <= counted < 1.2 * told


def test_macs_and_bytes_of_a_known_layer():
    dense = dense_layer("fp32", channels=8, side=4)
    assert dense.macs == 4 * 4 * 8 * 8
    assert dense.moved == 4 * (2 * 4 * 4 * 8 + 8 * 8 + 8)
    assert dense_layer("int8", channels=8, side=4).moved == 2 * 4 * 4 * 8 + 8 * 8 + 4 * 8


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_peak_layer_runs_in_xnnpack(precision):
    runner = opened(dense_layer(precision, channels=32, side=8).file)
    assert any(op["op_name"] == "DELEGATE" for op in runner._get_ops_details())


def test_floors_follow_the_larger_need():
    limits = Limits(macs_per_second=1e9, bytes_per_second=1e9)
    layer = dense_layer("int8", channels=64, side=4)
    assert limits.floor_ms(layer) == pytest.approx(layer.macs / 1e6)
    assert limits.bound(layer) == "compute"
    assert Limits(1e15, 1e9).bound(layer) == "memory"


def test_the_results_name_every_layer_and_the_whole(tmp_path, layers):
    path = benchmark_roofline([default_weights()], tmp_path, threads=1, runs=2)
    rows = read_csv(path)
    assert len(rows) == len(layers) + 1
    assert rows[-1]["layer"] == "whole model"
    assert all(float(row["median_ms"]) > 0 for row in rows)
    worst = [float(row["median_ms"]) for row in slowest(rows)]
    assert worst == sorted((float(r["median_ms"]) for r in rows[:-1]), reverse=True)[:5]
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_weights_of_float16_belong_to_their_layers(tmp_path):
    nano = find_model("nano")
    assert flatbuffer.op_histogram(nano)["DEQUANTIZE float32"] > 10
    rows = read_csv(benchmark_roofline([nano], tmp_path, threads=1, runs=1))
    assert "DEQUANTIZE" not in {row["operator"] for row in rows}
    assert float(rows[0]["median_ms"]) > 0


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no \.tflite file"):
        benchmark_roofline([default_weights().with_suffix(".onnx")], tmp_path, 1, 2)
