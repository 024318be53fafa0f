import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from portraitnet.export.android import install_in_app, install_shipped
from portraitnet.export.models import precision_of
from portraitnet.runtime.backends import open_backend
from portraitnet.runtime.contract import Artefact, Contract
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.files import sha256_of
from portraitnet.runtime.shipped import find_model


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


def test_the_shipped_models_become_assets_each_with_a_file_that_a_gpu_takes(demo):
    asked = []

    def export_fp16(checkpoint, out):
        asked.append(checkpoint.name)
        out.mkdir()
        shutil.copyfile(find_model("nano"), out / "half.tflite")
        one = Artefact("half.tflite", "tflite", "fp16", sha256_of(out / "half.tflite"), 1, {})
        return dataclasses.replace(open_backend(find_model("mobile")).contract, artefacts=(one,))

    placed = install_shipped(demo, export_fp16)
    assert [one.name for one in placed] == ["portraitnet-nano", "portraitnet-small", "portraitnet-mobile"]
    assert asked == ["portraitnet-mobile.safetensors"]  # the others ship in float16
    for one in placed:
        artefacts = Contract.read(one).artefacts
        assert [artefact.precision for artefact in artefacts] == (
            ["int8", "fp16"] if one.name == "portraitnet-mobile" else ["fp16"]
        )
        assert {path.name for path in one.glob("*.tflite")} == {artefact.file for artefact in artefacts}
        # What is written of a file is what lies in it.
        assert precision_of(one / artefacts[0].file) == artefacts[0].precision
        assert artefacts[0].parity["xnnpack"]["partitions"] >= 1


def test_without_an_exporter_only_what_ships_is_placed(demo):
    placed = install_shipped(demo)
    assert [[artefact.precision for artefact in Contract.read(one).artefacts] for one in placed] == [
        ["fp16"], ["fp16"], ["int8"],
    ]  # fmt: skip


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
