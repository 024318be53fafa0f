"""An APK of android_demo: dexed, packaged, aligned, signed, and asked what it says of itself. Never started."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest

from portraitnet.runtime.contract import Contract
from portraitnet.runtime.files import sha256_of

from .conftest import CACHE, missing, run

D8 = CACHE / "d8" / "d8.jar"
_OURS = re.compile(r"portraitnet/(?!.*Test).*\.class$")  # without the tests for a device


@pytest.fixture(scope="module")
def dex(kotlin, core, app, platform, tmp_path_factory):
    """All of our classes as classes.dex; Android's, the libraries' and Kotlin's are looked up, and stay outside."""
    if not D8.is_file():
        missing("no D8 here: make d8")
    out = tmp_path_factory.mktemp("dex")
    ours = out / "ours.jar"
    with zipfile.ZipFile(ours, "w") as to:
        for path in (core, app):
            with zipfile.ZipFile(path) as jar:
                for name in filter(_OURS.match, jar.namelist()):
                    to.writestr(name, jar.read(name))
    library = out / "platform.jar"
    with zipfile.ZipFile(library, "w") as to:
        for path in platform.rglob("*.class"):
            to.write(path, path.relative_to(platform))
    java = Path(shutil.which("javac")).resolve().parents[1]
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", D8, "com.android.tools.r8.D8", "--min-api", 26, "--release"]
    command += ["--lib", java, "--classpath", library, "--classpath", app, "--output", out]
    run(*command, "--classpath", kotlin.home / "lib" / "kotlin-stdlib.jar", ours)
    return out / "classes.dex"


@pytest.fixture(scope="module")
def apk(dex, resources, tmp_path_factory):
    """The package as a phone would take it, but for the libraries."""
    for tool in ("zipalign", "apksigner", "keytool"):
        if shutil.which(tool) is None:
            missing(f"no {tool} here (Debian: zipalign apksigner)")
    out = tmp_path_factory.mktemp("apk")
    shutil.copy(resources.package, out / "plain.apk")
    with zipfile.ZipFile(out / "plain.apk", "a") as package:
        package.write(dex, "classes.dex")
    run("zipalign", "-p", 4, out / "plain.apk", out / "app.apk")
    key = ["-keystore", out / "key.jks", "-storepass", "password", "-alias", "key", "-dname", "CN=tests"]
    run("keytool", "-genkeypair", *key, "-keyalg", "EC", "-validity", 1, "-storetype", "PKCS12")
    run("apksigner", "sign", "--ks", out / "key.jks", "--ks-pass", "pass:password", out / "app.apk")
    return out / "app.apk"


def test_every_class_of_ours_is_dexed(dex, core, app):
    content = dex.read_bytes()
    assert content[:4] == b"dex\n"
    assert int(content[4:7]) <= 38  # what Android 8 reads
    for path in (core, app):
        with zipfile.ZipFile(path) as jar:
            names = [name for name in jar.namelist() if _OURS.match(name) and "$" not in name]
        assert names
        for name in names:
            assert f"L{name.removesuffix('.class')};".encode() in content, name


def test_the_package_is_signed_and_aligned(apk):
    assert "Verified" in run("apksigner", "verify", "--verbose", "--min-sdk-version", 26, apk)
    run("zipalign", "-c", "-p", 4, apk)


def test_the_package_says_what_it_should(apk):
    badging = run("aapt", "dump", "badging", apk)
    assert "package: name='portraitnet.app'" in badging
    assert "sdkVersion:'26'" in badging
    assert "targetSdkVersion:'36'" in badging
    assert "launchable-activity: name='portraitnet.app.MainActivity'" in badging
    assert re.findall(r"uses-permission: name='([^']*)'", badging) == ["android.permission.CAMERA"]  # no network at all
    assert "uses-feature-not-required: name='android.hardware.camera'" in badging
    assert "uses-feature-not-required: name='android.hardware.camera.autofocus'" in badging
    required = re.findall(r"^  uses-feature: name='([^']*)'", badging, re.MULTILINE)
    assert not [name for name in required if "camera" in name]
    assert re.search(r"locales: .*'de'.*'es'", badging)


def test_shaders_and_models_are_inside_and_models_can_be_mapped(apk, tmp_path):
    with zipfile.ZipFile(apk) as package:
        entries = {entry.filename: entry for entry in package.infolist()}
        package.extractall(tmp_path, [name for name in entries if name.startswith("assets/models/")])
    assert {
        "assets/whole.vert.glsl",
        "assets/camera.frag.glsl",
        "assets/external.frag.glsl",
        "assets/compose.frag.glsl",
    } <= entries.keys()
    folders = sorted((tmp_path / "assets" / "models").iterdir())
    assert [folder.name for folder in folders] == ["portraitnet-mobile", "portraitnet-nano", "portraitnet-small"]
    for folder in folders:
        for artefact in Contract.read(folder).artefacts:
            assert sha256_of(folder / artefact.file) == artefact.sha256
            assert entries[f"assets/models/{folder.name}/{artefact.file}"].compress_type == zipfile.ZIP_STORED
