"""The package as users get it: sdist, a wheel from it, and an environment with the declared dependencies alone."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import portraitnet
from portraitnet.benchmarks.latency.clip import write_panning_clip
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.media.video import VideoReader
from portraitnet.runtime.process import run
from portraitnet.runtime.segmenter import Segmenter

packaging = pytest.importorskip("packaging.requirements", reason="packaging comes with pytest")
pytest.importorskip("setuptools", reason="the build backend is not installed", minversion="77")

ROOT = Path(portraitnet.__file__).parent
_NOT_SOURCE = {".git", ".venv", "node_modules", "build", "runs", "demo-report", "__pycache__", ".gradle"}


def outside(*command, cwd, check=True):
    """A process that finds no checkout: PYTHONPATH is gone, and `cwd` lies elsewhere."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    if check:
        assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    work = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, work / "source", ignore=lambda _, names: _NOT_SOURCE & set(names))
    build = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    outside(sys.executable, "-c", build, work, cwd=work / "source")
    (path,) = work.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(sdist):
    outside(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", sdist, cwd=sdist.parent)
    (path,) = sdist.parent.glob("*.whl")
    return path


def runtime_dependencies(wheel):
    """Names of the distributions that the wheel's requirements bring, without any extra."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().split("\n\n")[0].splitlines()
    wanted = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    found = {}
    while wanted:
        requirement = packaging.Requirement(wanted.pop())
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name not in found:
            found[requirement.name] = importlib.metadata.distribution(requirement.name)
            wanted += found[requirement.name].requires or []
    return found


@pytest.fixture(scope="module")
def installed(wheel):
    """A fresh environment's `bin` with the wheel and links to its dependencies: as pip makes it, without downloads."""
    home = wheel.parent / "environment"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    paths = sysconfig.get_paths("venv", {"base": str(home), "platbase": str(home)})
    site = Path(paths["purelib"])
    for distribution in runtime_dependencies(wheel).values():
        for top in {file.parts[0] for file in distribution.files or () if ".." not in file.parts}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (site / top).exists() and top != "__pycache__":
                (site / top).symlink_to(source)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet"]
    outside(*pip, wheel, cwd=wheel.parent)
    return python.parent


def test_the_sdist_holds_the_source_and_no_build_products(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "runtime/segmenter.py"} <= names
    assert {f"runtime/weights/{default_weights().stem}{suffix}" for suffix in (".tflite", ".onnx")} <= names
    assert not [name for name in names if _NOT_SOURCE & set(name.split("/"))]


def test_the_wheel_holds_every_file_that_the_package_opens(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    patterns = ["**/*.py", "train/recipes/*.yaml", "runtime/*.json", "runtime/weights/*.tflite"]
    patterns += ["benchmarks/*.html", "benchmarks/reporting/*.html"]
    for pattern in patterns:
        for file in ROOT.glob(pattern):
            place = file.relative_to(ROOT)
            if place.name != "setup.py" and not ({"tests", "docs"} | _NOT_SOURCE) & set(place.parts):
                assert f"portraitnet/{place.as_posix()}" in names
    assert not [
        name for name in names if name.startswith(("portraitnet/tests/", "portraitnet/docs/", "tests/", "docs/"))
    ]


def test_it_runs_a_picture_and_a_clip_without_torch(installed, tmp_path):
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the sample portrait")
    Image.fromarray(data.astronaut()).save(tmp_path / "portrait.png")
    write_panning_clip(tmp_path / "clip.mp4", size=(96, 128), seconds=0.2)
    absent = outside(installed / "python", "-c", "import torch", cwd=tmp_path, check=False)
    assert "No module named 'torch'" in absent.stderr
    outside(installed / "portraitnet", "run", "portrait.png", "clip.mp4", "--out", "there", cwd=tmp_path)
    run([tmp_path / "portrait.png"], Segmenter.load(default_weights()), tmp_path / "here.png")
    there, here = (np.asarray(Image.open(tmp_path / name), int) for name in ("there/portrait.png", "here.png"))
    assert there.shape == (512, 512, 3)
    assert np.abs(there - here).mean() < 0.5
    assert len(list(VideoReader(tmp_path / "there" / "clip.mp4"))) == 6


def test_it_says_its_version_and_which_extra_is_missing(installed, tmp_path):
    program = installed / "portraitnet"
    assert outside(program, "--version", cwd=tmp_path).stdout.strip() == portraitnet.__version__
    done = outside(program, "train", "demo", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "pip install 'portraitnet[train]'" in done.stderr
    assert "Traceback" not in done.stderr
