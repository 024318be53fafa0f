"""android_demo/app, checked as far as a computer without the Android SDK can: types, resources, versions, the model."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tomllib

from . import signatures
from .conftest import CACHE, missing

DEMO = Path(__file__).parents[2] / "android_demo"
APP = DEMO / "app" / "src" / "main"
STUBS = Path(__file__).parent / "stubs"
FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")
CATALOGUE = tomllib.loads((DEMO / "gradle" / "libs.versions.toml").read_text())


@pytest.fixture(scope="session")
def resources(tmp_path_factory):
    """R.java, made by aapt from the app's resources and manifest."""
    if shutil.which("aapt") is None or not FRAMEWORK.is_file():
        missing("no aapt here (Debian: aapt android-framework-res)")
    out = tmp_path_factory.mktemp("resources")
    manifest = (APP / "AndroidManifest.xml").read_text()
    # Gradle takes the package from the build file; aapt wants it here.
    manifest = manifest.replace("<manifest ", '<manifest package="portraitnet.app" ', 1)
    (out / "AndroidManifest.xml").write_text(manifest)
    command = ["aapt", "package", "-f", "-M", str(out / "AndroidManifest.xml"), "-S", str(APP / "res")]
    command += ["-I", str(FRAMEWORK), "-J", str(out), "--min-sdk-version", "26", "--target-sdk-version", "29"]
    done = subprocess.run([*command, "-F", str(out / "app.apk")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return out / "R.java", out / "app.apk"


@pytest.fixture(scope="session")
def platform(resources, tmp_path_factory):
    """A jar of Android's classes at API 29, of the libraries' stubs, and of the app's R."""
    api = CACHE / "android-api" / "current.txt"
    if not api.is_file():
        missing("no Android signature file here: make android-api (Debian)")
    if shutil.which("javac") is None:
        missing("no javac here (Debian: openjdk-17-jdk-headless)")
    types = signatures.read(api)
    sources = [*APP.rglob("*.kt"), *STUBS.rglob("*.java")]
    texts = [source.read_text() for source in sources]
    seeds = {name for text in texts for name in re.findall(r"\bandroid(?:\.\w+)+", text)}
    inner = {name for text in texts for name in re.findall(r"\b[A-Z]\w*\.[a-zA-Z]\w*", text)}  # Bitmap.Config
    seeds |= {name for name, one in types.items() if one.name in inner and name.startswith("android.")}
    seeds |= {"android.content.res.AssetManager"}  # never named: Context.assets
    out = tmp_path_factory.mktemp("platform")
    java = signatures.write_stubs(types, signatures.wanted(types, seeds & types.keys()), out / "java")
    command = ["javac", "-nowarn", "-d", str(out / "classes"), str(resources[0])]
    done = subprocess.run([*command, *map(str, [*java, *STUBS.rglob("*.java")])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / "classes"


def test_the_app_compiles_against_android_29(kotlin, platform, tmp_path):
    sources = [*APP.rglob("*.kt"), *sorted((DEMO / "core" / "src" / "main").rglob("*.kt"))]
    kotlin.compile(sources, tmp_path / "app.jar", platform)


def test_a_mistake_in_the_app_would_be_seen(kotlin, platform, tmp_path):
    wrong = tmp_path / "Wrong.kt"
    wrong.write_text("fun wrong(bitmap: android.graphics.Bitmap) = bitmap.widht")
    with pytest.raises(AssertionError, match="unresolved reference 'widht'"):
        kotlin.compile([wrong], tmp_path / "wrong.jar", platform)


def test_resources_and_manifest_compile(resources):
    badging = subprocess.run(["aapt", "dump", "badging", str(resources[1])], capture_output=True, text=True).stdout
    assert "launchable-activity: name='portraitnet.app.MainActivity'" in badging
    assert "uses-permission: name='android.permission.CAMERA'" in badging
    assert "application-label:'portraitnet'" in badging
    assert "android.permission.INTERNET" not in badging  # no picture could leave the phone if it wanted to


def test_every_version_is_pinned_and_every_library_has_one():
    for name, version in CATALOGUE["versions"].items():
        assert re.fullmatch(r"\d+(\.\d+)*", version), f"{name} is not pinned: {version}"
    for kind in ("libraries", "plugins"):
        for name, entry in CATALOGUE[kind].items():
            assert entry["version"]["ref"] in CATALOGUE["versions"], name


def test_build_files_name_nothing_that_the_catalogue_lacks():
    known = {name.replace("-", ".") for name in CATALOGUE["libraries"]}
    plugins = {f"plugins.{name.replace('-', '.')}" for name in CATALOGUE["plugins"]}
    used = set()
    for path in DEMO.rglob("*.gradle.kts"):
        text = path.read_text()
        used |= set(re.findall(r"libs\.([\w.]+)", text))
        assert not re.search(r'"[\w.]+:[\w.-]+:[\d.]+"', text), f"{path.name} names a library past the catalogue"
    assert used == known | plugins


def test_the_version_of_litert_that_results_name_is_the_one_that_is_built_in():
    text = (APP / "kotlin" / "portraitnet" / "app" / "BenchmarkRun.kt").read_text()
    assert f'LITERT = "{CATALOGUE["versions"]["litert"]}"' in text
