import dataclasses
import json

import pytest

from portraitnet.runtime.contract import MODEL_JSON, Artefact, Contract
from portraitnet.runtime.errors import InputError


def with_file(contract, file):
    return dataclasses.replace(contract, artefacts=(Artefact(file, "onnx", "fp32", "0" * 64, 1, {"max_abs": 0.0}),))


def test_round_trip(tmp_path, contract):
    (tmp_path / "m.onnx").write_bytes(b"x")
    full = with_file(contract, "m.onnx")
    full.write(tmp_path)
    assert Contract.read(tmp_path) == full
    assert Contract.from_json(full.without_artefacts().to_json()) == contract
    assert contract.size == (32, 32)


def test_unknown_keys_are_left_to_later_versions(contract):
    facts = {**json.loads(contract.to_json()), "colour_of_the_box": "red"}
    assert Contract.from_json(json.dumps(facts)) == contract


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "version 99"),
        ({"height": 33}, "multiples of 16"),
        ({"height": 10**9}, "multiples of 16"),
        ({"height": True}, "multiples of 16"),
        ({"width": "32"}, "multiples of 16"),
        ({"height": -32}, "multiples of 16"),
        ({"task": "sing"}, "task 'sing'"),
        ({"classes": ["one"]}, "1 classes"),
        ({"classes": "ab"}, "classes a list"),
        ({"classes": None}, "classes a list"),
        ({"name": {}}, "name must be text"),
        ({"geometry": "crop"}, "geometry 'crop'"),
        ({"artefacts": [1]}, "not a portraitnet model contract"),
        ({"artefacts": [{"file": "x"}]}, "not a portraitnet model contract"),
        ({"artefacts": 3}, "not a portraitnet model contract"),
    ],
)
def test_hostile_values_are_one_clear_line(contract, change, message):
    with pytest.raises(InputError, match=message) as caught:
        Contract.from_json(json.dumps({**json.loads(contract.to_json()), **change}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "null", "[" * 100_000, b"\xff\xfe", '{"name": 1}'])
def test_hostile_text(text):
    with pytest.raises(InputError, match="not a portraitnet model contract"):
        Contract.from_json(text)


def test_enormous_json_is_not_parsed(tmp_path, contract):
    (tmp_path / MODEL_JSON).write_text(contract.to_json() + " " * (5 << 20))
    with pytest.raises(InputError, match="larger than 4 MiB"):
        Contract.read(tmp_path)
    with pytest.raises(InputError, match="larger than 4 MiB"):
        Contract.from_json(" " * (5 << 20))


@pytest.mark.parametrize("file", ["../x.onnx", "sub/../../x.onnx", "link.onnx", "linked/x.onnx", ".", "", "a\0b"])
def test_artefacts_stay_inside_the_bundle(tmp_path, contract, file):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (tmp_path / "x.onnx").write_bytes(b"secret")
    (bundle / "link.onnx").symlink_to(tmp_path / "x.onnx")
    (bundle / "linked").symlink_to(tmp_path)
    with_file(contract, file).write(bundle)
    with pytest.raises(InputError, match="outside its folder"):
        Contract.read(bundle)


def test_absolute_and_missing_artefacts(tmp_path, contract):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (tmp_path / "x.onnx").write_bytes(b"secret")
    with_file(contract, str(tmp_path / "x.onnx")).write(bundle)
    with pytest.raises(InputError, match="outside its folder"):
        Contract.read(bundle)
    with_file(contract, "gone.onnx").write(bundle)
    with pytest.raises(InputError, match="missing"):
        Contract.read(bundle)
    with pytest.raises(InputError, match=MODEL_JSON):
        Contract.read(tmp_path)
