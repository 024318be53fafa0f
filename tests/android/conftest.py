"""A Kotlin compiler and a JVM: fetched by `make kotlin`; skipped where they are missing, except in our CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import tomllib

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
        done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True, timeout=600)
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
