"""A Kotlin compiler and a JVM: fetched by `make kotlin`; skipped where they are missing, except in our CI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomllib

from portraitnet.export.android import install_shipped

from . import signatures
from .golden import write_golden

DEMO = Path(__file__).parents[2] / "android_demo"
APP, RENDER = (DEMO / name / "src" / "main" for name in ("app", "render"))
ON_DEVICE = DEMO / "app" / "src" / "androidTest"
STUBS = Path(__file__).parent / "stubs"
FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")
CATALOGUE = tomllib.loads((DEMO / "gradle" / "libs.versions.toml").read_text())
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "portraitnet"
JAVA = Path("/usr/share/java")
JARS = {"org.json": "com.android.json.jar", "junit": "junit4.jar", "hamcrest": "hamcrest.jar"}


def missing(reason):
    """Skip, or fail where nothing may be missing."""
    if os.environ.get("PORTRAITNET_CI"):
        pytest.fail(f"{reason}; our CI must have it")
    pytest.skip(reason)


class Kotlin:
    """Compiles and runs Kotlin for the JVM."""

    def __init__(self, home, jars):
        self.home, self.jars = home, jars

    def compile(self, sources, out, *classpath, friend=None):
        """Kotlin files to a jar; warnings are errors."""
        command = [str(self.home / "bin" / "kotlinc"), "-Werror", "-jvm-target", "11", "-d", str(out)]
        command += ["-cp", os.pathsep.join(map(str, [*classpath, *self.jars]))]
        command += [f"-Xfriend-paths={friend}"] if friend else []
        # Short runs: the quick compiler of the JVM is the faster one.
        options = {**os.environ, "JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
        done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True, timeout=600, env=options)
        assert done.returncode == 0, done.stderr
        return out

    def junit(self, classes, classpath, **properties):
        """Run JUnit classes; their output."""
        every = [*classpath, *self.jars, self.home / "lib" / "kotlin-stdlib.jar"]
        command = ["java", "-cp", os.pathsep.join(map(str, every)), *(f"-D{k}={v}" for k, v in properties.items())]
        return subprocess.run(
            [*command, "org.junit.runner.JUnitCore", *classes], capture_output=True, text=True, timeout=300
        )


@pytest.fixture(scope="session")
def kotlin():
    version = CATALOGUE["versions"]["kotlin"]
    home = CACHE / f"kotlin-{version}" / "package"
    if not (home / "bin" / "kotlinc").is_file():
        missing(f"no Kotlin compiler {version} here: make kotlin")
    if shutil.which("java") is None:
        missing("no Java here: install a JDK (Debian: openjdk-17-jdk-headless)")
    jars = [JAVA / name for name in JARS.values()]
    absent = [jar.name for jar in jars if not jar.is_file()]
    if absent:
        missing(f"{', '.join(absent)} not found (Debian: junit4 libhamcrest-java libandroid-json-java)")
    return Kotlin(home, jars)


@pytest.fixture(scope="session")
def core(kotlin, tmp_path_factory):
    """android_demo/core, compiled."""
    sources = sorted((DEMO / "core" / "src" / "main").rglob("*.kt"))
    return kotlin.compile(sources, tmp_path_factory.mktemp("core") / "core.jar")


@dataclass(frozen=True)
class CoreRun:
    """What JUnit said, and the folder of golden vectors, in which the tests left files for Python."""

    output: str
    returncode: int
    golden: Path


@pytest.fixture(scope="session")
def core_run(kotlin, core, tmp_path_factory):
    """Core's own tests, run once: against golden vectors of the Python runtime."""
    folder = tmp_path_factory.mktemp("core-tests")
    write_golden(folder / "golden")
    sources = sorted((DEMO / "core" / "src" / "test").rglob("*.kt"))
    tests = kotlin.compile(sources, folder / "tests.jar", core, friend=core)
    classes = [f"portraitnet.core.{path.stem}" for path in sources if path.stem.endswith("Test")]
    done = kotlin.junit(classes, [core, tests], golden=folder / "golden")
    return CoreRun(done.stdout, done.returncode, folder / "golden")


def run(*command: object) -> str:
    """What a tool writes; it must end well."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command[0]}: {done.stderr or done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Resources:
    """R.java, and a package of resources, manifest and assets."""

    r_java: Path
    package: Path


@pytest.fixture(scope="session")
def resources(tmp_path_factory):
    """The app's resources and manifest, compiled and linked by aapt2, with the assets of Gradle and `export`."""
    if shutil.which("aapt2") is None or not FRAMEWORK.is_file():
        missing("no aapt2 here (Debian: aapt android-framework-res)")
    out = tmp_path_factory.mktemp("resources")
    manifest = (APP / "AndroidManifest.xml").read_text()
    # Gradle takes the package from the build file; aapt2 wants it here.
    manifest = manifest.replace("<manifest ", '<manifest package="portraitnet.app" ', 1)
    (out / "AndroidManifest.xml").write_text(manifest)
    demo = out / "demo"
    shutil.copytree(APP, demo / "app" / "src" / "main", ignore=shutil.ignore_patterns("assets"))
    install_shipped(demo)
    assets = demo / "app" / "src" / "main" / "assets"
    for shader in [*(DEMO.parent / "runtime" / "shaders").iterdir(), *(RENDER / "assets").iterdir()]:
        shutil.copy(shader, assets)
    run("aapt2", "compile", "--dir", APP / "res", "-o", out / "compiled.zip")
    command = ["aapt2", "link", "-o", out / "base.apk", "-I", FRAMEWORK, "--manifest", out / "AndroidManifest.xml"]
    command += [
        "--java",
        out / "java",
        "-A",
        assets,
        "-0",
        ".tflite",
        "--min-sdk-version",
        26,
        "--target-sdk-version",
        36,
    ]
    run(*command, "--version-code", 2, "--version-name", "0.2", out / "compiled.zip")
    return Resources(out / "java" / "portraitnet" / "app" / "R.java", out / "base.apk")


@pytest.fixture(scope="session")
def platform(resources, tmp_path_factory):
    """Classes of Android at API 29 (and what was added since), of the libraries' stubs, and of the app's R."""
    api = CACHE / "android-api" / "current.txt"
    if not api.is_file():
        missing("no Android signature file here: make android-api (Debian)")
    if shutil.which("javac") is None:
        missing("no javac here (Debian: openjdk-17-jdk-headless)")
    types = signatures.read(api, STUBS / "later.txt")
    sources = [*APP.rglob("*.kt"), *ON_DEVICE.rglob("*.kt"), *RENDER.rglob("*.kt"), *STUBS.rglob("*.java")]
    texts = [path.read_text() for path in sources]
    seeds = {name for text in texts for name in re.findall(r"\bandroid(?:\.\w+)+", text)}
    chains = {name for text in texts for name in re.findall(r"\b[A-Z]\w*(?:\.[a-zA-Z]\w*)+", text)}
    inner = {".".join(parts[: n + 1]) for chain in chains for parts in [chain.split(".")] for n in range(len(parts))}
    seeds |= {name for name, one in types.items() if one.name in inner and name.startswith("android.")}
    seeds |= {
        "android.content.res.AssetManager",
        "android.view.WindowInsets",
    }  # never named: Context.assets, a listener's
    out = tmp_path_factory.mktemp("platform")
    java = signatures.write_stubs(types, signatures.wanted(types, seeds & types.keys()), out / "java")
    run("javac", "-nowarn", "-d", out / "classes", resources.r_java, *java, *STUBS.rglob("*.java"))
    return out / "classes"


@pytest.fixture(scope="session")
def app(kotlin, core, platform, tmp_path_factory):
    """The modules render and app and the tests for a device, compiled, with the stubs that are written in Kotlin."""
    sources = [*RENDER.rglob("*.kt"), *APP.rglob("*.kt"), *ON_DEVICE.rglob("*.kt"), *STUBS.rglob("*.kt")]
    return kotlin.compile(sorted(sources), tmp_path_factory.mktemp("app") / "app.jar", platform, core)
