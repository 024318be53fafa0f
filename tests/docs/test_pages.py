"""The README and the pages of docs/: links, pictures, commands and workflows are what they say."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import typer.main
import yaml
from PIL import Image

import portraitnet
from portraitnet.cli.app import app

ROOT = Path(portraitnet.__file__).parent
PAGES = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "runtime/weights/README.md")]
_FENCED = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings_that_exist(page):
    for address in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in address:
            continue
        place, _, anchor = address.partition("#")
        target = page.parent / place if place else page
        assert target.exists(), address
        assert not anchor or anchor in anchors(target), address


def test_the_readme_is_one_screen_and_a_bit():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_picture_is_what_its_script_makes(tmp_path):
    pytest.importorskip("skimage.data", reason="scikit-image brings the sample portrait")
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    assert pictures.PICTURE.stat().st_size < 150_000
    committed = np.asarray(Image.open(pictures.PICTURE).convert("RGB"), int)
    made = pictures.front_picture(tmp_path)
    assert committed.shape == made.shape
    assert np.abs(committed - made).mean() < 4, "the models changed: run `python docs/pictures.py`"


def test_the_live_pages_animation_is_small_and_moves():
    path = ROOT / "docs" / "images" / "live.webp"
    assert path.stat().st_size < 400_000
    with Image.open(path) as image:
        assert image.n_frames >= 20
        first = np.asarray(image.convert("RGB"), int)
        image.seek(image.n_frames - 1)
        assert np.abs(np.asarray(image.convert("RGB"), int) - first).mean() > 5


def commands_in(page):
    """Every `portraitnet ...` of the page's shell blocks, as words, without comments and pipes."""
    for block in _FENCED.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "portraitnet" in words and words[0] in ("portraitnet", "make", "torchrun"):
                yield words[words.index("portraitnet") + 1 :]


@pytest.fixture(scope="module")
def command_line():
    return typer.main.get_command(app)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_and_options_exist(page, command_line):
    for words in commands_in(page):
        command, path = command_line, "portraitnet"
        while isinstance(command, click.Group) or hasattr(command, "commands"):
            name = words.pop(0) if words and not words[0].startswith("-") else ""
            if not name:
                break
            assert name in command.commands, f"{path} {name}"
            command, path = command.commands[name], f"{path} {name}"
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for word in words:
            assert not word.startswith("--") or word.partition("=")[0] in known | {"--help"}, f"{path} {word}"


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    done = mkdocs_build(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'id="portraitnet.runtime.segmenter.Segmenter"' in (tmp_path / "site/api/runtime/index.html").read_text()
    assert (tmp_path / "site/models/index.html").exists()


@pytest.mark.parametrize(
    ("link", "works"), [("../table.csv", True), ("../gone.csv", False), ("gone.md", False), ("../README.md", True)]
)
def test_a_link_out_of_docs_publishes_the_file_and_a_broken_one_fails(tmp_path, link, works):
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "hooks.py", tmp_path / "docs")
    for name in ("android_demo", "ios_demo", "runtime/weights"):
        (tmp_path / name).mkdir(parents=True)
    apps = "android_demo/README.md", "ios_demo/README.md"
    stubs = *apps, "runtime/weights/README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"
    for name in (*stubs, "README.md", "table.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "docs" / "index.md").write_text(f"# Title\n\n[link]({link})\n")
    settings = {"site_name": "x", "hooks": ["docs/hooks.py"], "plugins": [], "exclude_docs": "*.py"}
    settings["validation"] = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["validation"] | {
        "omitted_files": "ignore"
    }
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(settings))
    done = mkdocs_build(tmp_path, tmp_path / "site")
    assert (done.returncode == 0) == works, done.stderr
    if link == "../table.csv":
        assert (tmp_path / "site/files/table.csv").read_text() == "a,b\n1,2\n"


def mkdocs_build(folder, site):
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=folder,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )


def workflow(name):
    text = (ROOT / ".github" / "workflows" / name).read_text()
    assert "not yet run by us" in " ".join(text.replace("#", " ").split())
    return yaml.safe_load(text)


def test_the_matrix_covers_three_systems_and_both_ends_of_python():
    matrix = workflow("test.yml")["jobs"]["runtime"]["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert {"3.10", "3.13"} <= set(matrix["python"])


def test_a_release_is_published_without_a_stored_secret():
    jobs = workflow("release.yml")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()
