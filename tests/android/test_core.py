"""android_demo/core, compiled and run on this computer's JVM, against what the Python runtime gives."""

from __future__ import annotations

import dataclasses
import re
import shutil

import pytest
from ai_edge_litert.interpreter import Interpreter

from portraitnet.benchmarks.phone.imports import read_results
from portraitnet.runtime.backends import default_weights, open_backend
from portraitnet.runtime.contract import Artefact
from portraitnet.runtime.files import bytes_of, sha256_of

from .conftest import DEMO
from .golden import write_golden

CORE = DEMO / "core" / "src"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """The shipped model as a bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    model = default_weights()
    shutil.copy(model, folder)
    artefact = Artefact(model.name, "tflite", "int8", sha256_of(model), bytes_of(model))
    dataclasses.replace(open_backend(model).contract, artefacts=(artefact,)).write(folder)
    return folder


def tensor(details):
    scale, zero_point = details["quantization"]
    shape = [int(side) for side in details["shape"]]
    return {"shape": shape, "dtype": details["dtype"].__name__, "scale": scale, "zero_point": zero_point}


def test_core_agrees_with_the_python_runtime(kotlin, core, bundle, tmp_path):
    interpreter = Interpreter(str(default_weights()))
    tensors = {"input": interpreter.get_input_details()[0], "output": interpreter.get_output_details()[0]}
    write_golden(tmp_path / "golden", bundle, {name: tensor(details) for name, details in tensors.items()})
    sources = sorted(CORE.glob("test/**/*.kt"))
    tests = kotlin.compile(sources, tmp_path / "tests.jar", core, friend=core)
    classes = [f"portraitnet.core.{path.stem}" for path in sources if path.stem.endswith("Test")]
    done = kotlin.junit(classes, [core, tests], golden=tmp_path / "golden")
    assert done.returncode == 0, done.stdout
    written = sum(len(re.findall(r"@Test", path.read_text())) for path in sources)
    assert re.search(rf"OK \({written} tests\)", done.stdout), done.stdout
    (row,) = read_results(tmp_path / "golden" / "app.json")
    assert (row["model"], row["median_ms"], row["cold_start_ms"], row["peak_mb"]) == ("m", 1.0, 87.5, 120.0)
    assert (row["heat_after"], row["conditions"]) == ("light", "dotprod; battery saver")


def test_core_knows_nothing_of_android():
    for path in CORE.glob("main/**/*.kt"):
        assert not re.search(r"^import (android|androidx|com\.google)\.", path.read_text(), re.MULTILINE), path.name
