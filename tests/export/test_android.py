import json
import shutil
from pathlib import Path

import pytest

from portraitnet.export.android import install_in_app
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


def test_the_int8_file_and_its_contract_become_the_apps_only_assets(bundle, demo):
    folder, contract = bundle
    placed = install_in_app(folder, demo)
    assert sorted(path.name for path in placed.parent.iterdir()) == ["model.json", "toy-int8.tflite"]
    (artefact,) = Contract.read(placed.parent).artefacts
    assert artefact.sha256 == sha256_of(placed)
    facts = json.loads((placed.parent / "model.json").read_text())
    assert (facts["height"], facts["width"]) == contract.size
    assert facts["artefacts"][0]["parity"]["xnnpack"]["partitions"] == 1  # which the app shows


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
