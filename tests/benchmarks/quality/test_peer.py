"""Other people's models, run by what a YAML file says of them."""

import cv2
import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from rich.progress import Progress

from portraitnet.benchmarks.latency.computer import Measure, benchmark_latency
from portraitnet.benchmarks.latency.contestants import facts, gather
from portraitnet.benchmarks.quality.accuracy import score
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime import backends
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.train.datasets.folder import Folder

from ...train.conftest import write_folder_set


def open_peer(path):
    return Segmenter(backends.peer.open_peer(path))


def spec_file(folder, **changes):
    """A peer's YAML in `folder`."""
    path = folder / "peer.yaml"
    path.write_text(yaml.safe_dump({"name": "peer", "model": "peer.onnx", **changes}))
    return path


def onnx_peer(folder, name="peer.onnx"):
    """Takes 1 x 3 x 40 x 60 of -1..1, BGR; gives logits of person and background: blue - red, and 0."""
    weights = numpy_helper.from_array(np.array([[4, 0, -4], [0, 0, 0]], np.float32).reshape(2, 3, 1, 1), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "peer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 40, 60])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 40, 60])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / name)


CONVENTIONS = {
    "scale": 2 / 255,
    "offset": [-1.0, -1.0, -1.0],
    "order": "bgr",
    "layout": "nchw",
    "activation": "softmax",
    "channel": 0,
    "geometry": "stretch",
}


def test_a_peer_is_run_by_its_conventions(tmp_path):
    onnx_peer(tmp_path)
    segmenter = open_peer(spec_file(tmp_path, **CONVENTIONS))
    assert segmenter.contract.size == (40, 60)
    image = np.zeros((100, 90, 3), np.uint8)
    image[:50] = (255, 0, 0)  # red
    image[50:] = (0, 0, 255)  # blue
    alpha = segmenter(image)
    assert alpha.shape == (100, 90)  # stretched to 40 x 60 and back, nothing padded
    assert alpha[10, 45] == pytest.approx(1 / (1 + np.exp(8)), abs=1e-4)
    assert alpha[90, 45] == pytest.approx(1 / (1 + np.exp(-8)), abs=1e-4)
    labels = open_peer(spec_file(tmp_path, **{**CONVENTIONS, "channel": 1})).labels(image)
    assert labels[:45].all()
    assert not labels[55:].any()
    rest = open_peer(spec_file(tmp_path, **CONVENTIONS, inverted=True))(image)  # channel 0 is then the background's
    np.testing.assert_allclose(rest, 1 - alpha, atol=1e-6)


def test_our_own_model_as_a_peer_gives_what_it_gives(tmp_path):
    ours = Segmenter.load(default_weights())
    path = spec_file(tmp_path, model=str(default_weights()), geometry=ours.contract.geometry)
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    np.testing.assert_allclose(open_peer(path)(image), ours(image), atol=1 / 255)


def test_peers_are_scored_and_timed_beside_ours(tmp_path):
    onnx_peer(tmp_path)
    peer = spec_file(tmp_path, **CONVENTIONS)
    (contestant,) = gather(peer, (1,))
    assert facts(contestant)["model"] == "peer"
    source = Folder(write_folder_set(tmp_path / "set", 2), "all")
    with Progress(disable=True) as bar:
        rows = [one.row for one in score([default_weights(), peer], [("set", source)], bar)]
    assert [row["file"] for row in rows] == ["portraitnet-mobile.tflite", "peer.yaml"]
    path = benchmark_latency([default_weights(), peer], tmp_path / "out", (1,), measure=Measure(2, cold_starts=1))
    timed = read_csv(path)
    assert [(row["model"], row["format"], row["macs"]) for row in timed][1] == ("peer", "onnx", "")
    assert "onnx fp32 | onnxruntime | 1 |" in path.with_suffix(".md").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "nowhere.tflite", "get": "npm pack x"}, "get it with: npm pack x"),
        ({"model": "text.onnx"}, "can.* be run"),
        ({"model": "text.tflite"}, "can.* be run"),
        ({"model": "peer.yaml"}, "neither .tflite nor .onnx"),
        ({"sha256": "0" * 64}, "its hash differs"),
        ({"layout": "nhwc"}, "takes one picture of 3 channels"),
        ({"geometri": "stretch"}, "did you mean 'geometry'"),
        ({"activation": "relu"}, "none of none, sigmoid, softmax"),
    ],
)
def test_unusable_peers_say_why(tmp_path, changes, message):
    onnx_peer(tmp_path)
    for suffix in ("onnx", "tflite"):
        (tmp_path / f"text.{suffix}").write_text("no model")
    with pytest.raises(InputError, match=message):
        open_peer(spec_file(tmp_path, **{"layout": "nchw", **changes}))


def test_run_takes_a_peers_yaml_as_its_model(tmp_path):
    onnx_peer(tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    spec = spec_file(tmp_path, **CONVENTIONS)
    np.testing.assert_array_equal(Segmenter.load(spec)(picture), open_peer(spec)(picture))


def test_a_channel_that_is_not_there(tmp_path):
    onnx_peer(tmp_path)
    segmenter = open_peer(spec_file(tmp_path, layout="nchw", channel=2))
    with pytest.raises(InputError, match="there is no channel 2"):
        segmenter(np.zeros((40, 60, 3), np.uint8))


@pytest.mark.parametrize("text", ["- a", "a: [", "\x00", "!!python/object/apply:os.getcwd []"])
def test_files_that_are_no_spec(tmp_path, text):
    (tmp_path / "peer.yaml").write_text(text)
    with pytest.raises(InputError):
        open_peer(tmp_path / "peer.yaml")


def test_a_peers_mask_is_made_by_its_users_own_calls_alone(tmp_path, monkeypatch):
    """Fed a stretched picture, it gets it by one bilinear resize, as MediaPipe's graphs do, and not by ours."""
    onnx_peer(tmp_path)
    backend = open_peer(spec_file(tmp_path, **{**CONVENTIONS, "geometry": "stretch"})).backend
    rng = np.random.default_rng(0)
    frame = cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (320, 180), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(frame, (60, 40), interpolation=cv2.INTER_LINEAR)
    expected = cv2.resize(backend.run(small[None])[0, ..., 0], (320, 180), interpolation=cv2.INTER_LINEAR)
    for name in ("Letterbox.apply", "Letterbox.undo"):
        monkeypatch.setattr(f"portraitnet.runtime.geometry.{name}", None)
    np.testing.assert_array_equal(backend.mask(frame), expected)
