"""android_demo, checked as far as a computer without the Android SDK can: types, versions, texts, build files."""

from __future__ import annotations

import os
import re
import zipfile
from xml.etree import ElementTree

import pytest

from portraitnet.runtime.files import sha256_of

from .conftest import APP, CATALOGUE, DEMO

ANDROID = "{http://schemas.android.com/apk/res/android}"


def test_the_app_compiles_against_android_and_its_libraries(app):
    with zipfile.ZipFile(app) as jar:
        names = set(jar.namelist())
    for name in ("app/MainActivity", "app/BenchmarkActivity", "app/LiteRtEngines", "render/GlRenderer"):
        assert f"portraitnet/{name}.class" in names


def test_a_mistake_in_the_app_would_be_seen(kotlin, platform, tmp_path):
    wrong = tmp_path / "Wrong.kt"
    wrong.write_text("fun wrong(bitmap: android.graphics.Bitmap) = bitmap.widht")
    with pytest.raises(AssertionError, match="unresolved reference 'widht'"):
        kotlin.compile([wrong], tmp_path / "wrong.jar", platform)


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
    text = (APP / "kotlin" / "portraitnet" / "app" / "LiteRtEngine.kt").read_text()
    assert f'LITERT = "{CATALOGUE["versions"]["litert"]}"' in text


def test_the_gpu_has_its_library():
    text = "".join(path.read_text() for path in APP.rglob("*.kt"))
    modules = {entry["module"].rpartition(":")[2] for entry in CATALOGUE["libraries"].values()}
    # Since LiteRT 2.3 the GPU is a library of its own; without it every phone's GPU refuses.
    assert "Accelerator.GPU" not in text or "litert-gpu" in modules
    # The delegate of the old Interpreter wants a second one.
    assert "GpuDelegate" not in text or "litert-gpu-api" in modules


def test_a_gpu_that_is_asked_for_has_no_cpu_to_hide_behind():
    text = (APP / "kotlin" / "portraitnet" / "app" / "LiteRtEngine.kt").read_text()
    assert re.findall(r"Options\(Accelerator[^)]*\)", text) == ["Options(Accelerator.CPU)", "Options(Accelerator.GPU)"]


def test_every_folder_that_gradle_takes_files_from_is_there():
    """A folder that is missing is no error to Gradle: the app would only lack its shaders, and draw on the CPU."""
    named = {}
    for path in DEMO.rglob("build.gradle.kts"):
        for folder in re.findall(r'srcDir\("([^"]+)"\)', path.read_text()):
            named[folder] = (path.parent / folder).resolve()
    assert [folder for folder, place in named.items() if not place.is_dir()] == []
    assert any((place / "whole.vert.glsl").is_file() for place in named.values())


def test_no_build_asks_for_a_toolchain_and_all_write_bytecode_for_17():
    for path in DEMO.rglob("build.gradle.kts"):
        text = path.read_text()
        assert "jvmToolchain" not in text, f"{path} wants a JDK that Android Studio does not bring"
        if path.parent != DEMO:
            assert text.count("VERSION_17") == 2
            assert "JvmTarget.JVM_17" in text


def test_the_gradle_wrapper_is_gradles_own():
    wrapper = DEMO / "gradle" / "wrapper"
    # Published at gradle.org/release-checksums for 8.14.3: of the wrapper, and of the distribution that it fetches.
    assert (
        sha256_of(wrapper / "gradle-wrapper.jar") == "7d3a4ac4de1c32b59bc6a4eb8ecb8e612ccd0cf1ae1e99f66902da64df296172"
    )
    facts = dict(re.findall(r"^(\w+)=(.*)$", (wrapper / "gradle-wrapper.properties").read_text(), re.MULTILINE))
    assert facts["distributionUrl"].endswith("/gradle-8.14.3-bin.zip")
    assert facts["distributionSha256Sum"] == "bd71102213493060956ec229d946beee57158dbd89d0e62b91bca0fa2c5f3531"
    assert os.access(DEMO / "gradlew", os.X_OK)


LANGUAGES = {folder.name.rpartition("-")[2]: folder for folder in APP.glob("res/values-??")}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_string_is_translated_with_the_same_places(language):
    def strings(folder):
        root = ElementTree.parse(folder / "strings.xml").getroot()
        return {one.get("name"): one.text for one in root if one.get("translatable") != "false"}

    own, other = strings(APP / "res" / "values"), strings(LANGUAGES[language])
    assert own.keys() == other.keys()
    for name, text in own.items():
        assert sorted(re.findall(r"%\d\$[.\d]*\w", text)) == sorted(re.findall(r"%\d\$[.\d]*\w", other[name])), name


def test_there_are_german_and_spanish():
    assert {"de", "es"} <= LANGUAGES.keys()


def test_every_control_can_be_hit_and_every_change_is_heard():
    for path in APP.glob("res/layout/*.xml"):
        root = ElementTree.parse(path).getroot()
        for one in root.iter():
            if one.tag in ("Button", "CheckBox"):
                assert one.get(f"{ANDROID}minHeight") == "48dp", one.get(f"{ANDROID}id")
        assert [one for one in root.iter() if one.get(f"{ANDROID}accessibilityLiveRegion") == "polite"], path.name
