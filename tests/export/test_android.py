import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from portraitnet.export.android import install_in_app, install_shipped
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.files import sha256_of


@pytest.fixture
def demo(tmp_path):
    """An Android project as far as this matters, with an older model in it."""
    assets = tmp_path / "android_demo" / "app" / "src" / "main" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "AndroidManifest.xml").write_text("<manifest/>")
    (assets / "older.tflite").write_text("older")
    return tmp_path / "android_demo"


def test_the_files_that_phones_run_and_their_contract_become_assets_beside_those_of_others(bundle, demo):
    folder, contract = bundle
    placed = install_in_app(folder, demo)
    assert placed.parent.name == "models"
    found = Contract.read(placed).artefacts
    assert found[0].precision == "int8"
    assert {path.name for path in placed.iterdir()} == {"model.json", *(artefact.file for artefact in found)}
    assert all(artefact.sha256 == sha256_of(placed / artefact.file) for artefact in found)
    assert {artefact.precision for artefact in found} <= {"int8", "fp16"}
    facts = json.loads((placed / "model.json").read_text())
    assert (facts["height"], facts["width"]) == contract.size
    assert facts["artefacts"][0]["parity"]["xnnpack"]["partitions"] == 1  # which the app shows
    assert (placed.parent.parent / "older.tflite").exists()


def test_the_shipped_models_become_assets_with_a_file_for_the_gpu_where_one_is_exported(bundle, demo):
    folder, contract = bundle
    asked = []

    def export_fp16(checkpoint, out):
        asked.append(checkpoint)
        shutil.copytree(folder, out)
        one = dataclasses.replace(contract.artefacts[0], file="toy-int8.tflite", format="tflite", precision="fp16")
        return dataclasses.replace(contract, artefacts=(one,))

    assert all(Contract.read(one).artefacts[0].precision == "int8" for one in install_shipped(demo))
    placed = install_shipped(demo, export_fp16)
    assert [one.name for one in placed] == ["portraitnet-nano", "portraitnet-small", "portraitnet-mobile"]
    assert [checkpoint.suffix for checkpoint in asked] == [".safetensors"] * 3
    for one in placed:
        int8, fp16 = Contract.read(one).artefacts
        assert (int8.precision, fp16.precision) == ("int8", "fp16")
        assert int8.parity["xnnpack"]["partitions"] >= 1
        assert (one / fp16.file).is_file()


def test_a_name_that_is_no_folder_is_refused(bundle, demo, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(bundle[0], other)
    facts = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps({**facts, "name": "../../escaped"}))
    with pytest.raises(InputError, match="no folder's name"):
        install_in_app(other, demo)


def test_what_is_no_app_or_no_tflite_is_refused_and_nothing_changes(bundle, demo, tmp_path):
    with pytest.raises(InputError, match=r"not the Android project"):
        install_in_app(bundle[0], tmp_path / "elsewhere")
    bare = tmp_path / "bare"
    shutil.copytree(bundle[0], bare)
    facts = json.loads((bare / "model.json").read_text())
    facts["artefacts"] = [a for a in facts["artefacts"] if a["format"] == "onnx"]
    (bare / "model.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"has no \.tflite .*--to tflite"):
        install_in_app(bare, demo)
    assert (Path(demo) / "app" / "src" / "main" / "assets" / "older.tflite").read_text() == "older"
