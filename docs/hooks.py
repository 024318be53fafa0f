"""MkDocs hook: pages that live outside docs/, and links to files of the repository.

Pages keep links that work on GitHub (`../benchmarks/results/x.csv`). On the site, a link to another page becomes a link
to that page, a link to any other file of the repository publishes the file under `files/`, and a link to a folder leads
to the page about the folders. A link to nothing stays as it is, so that MkDocs reports it and the strict build fails.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# Page on the site -> its source in the repository.
OUTSIDE = {
    "android.md": "android_demo/README.md",
    "ios.md": "ios_demo/README.md",
    "models.md": "runtime/weights/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
}
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give mkdocstrings the checkout under the package's name, whatever the folder is called (see mkdocs.yml)."""
    link = ROOT / "build" / "site-packages" / "portraitnet"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(ROOT)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that live outside docs/."""
    for page, source in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links that leave docs/ to where their file lies on the site."""
    source = Path(page.file.abs_src_path or "").resolve()

    def to_site(link: re.Match[str]) -> str:
        start, address, end = link.groups()
        target = (source.parent / address).resolve()
        if "://" in address or not target.exists() or not target.is_relative_to(ROOT):
            return link.group()
        uri = _uri_on_site(target) if target.is_file() else "architecture.md"  # the page about the folders
        if files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(target)))
        return f"{start}{os.path.relpath(uri, Path(page.file.src_uri).parent)}{end}"

    return _LINK.sub(to_site, markdown)


def _uri_on_site(target: Path) -> str:
    path = target.relative_to(ROOT).as_posix()
    for page, source in OUTSIDE.items():
        if path == source:
            return page
    if target.is_relative_to(DOCS):
        return target.relative_to(DOCS).as_posix()
    # A page of Markdown would be rendered; as text it is only shown.
    return f"files/{path}.txt" if target.suffix == ".md" else f"files/{path}"
