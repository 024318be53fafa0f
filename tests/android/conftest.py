"""A Kotlin compiler and a JVM: fetched by `make kotlin`; skipped where they are missing, except in our CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomllib

from .golden import write_golden

DEMO = Path(__file__).parents[2] / "android_demo"
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
