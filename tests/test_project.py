"""The house itself: packages listed, arrows pointing down, light imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import portraitnet

ROOT = Path(portraitnet.__file__).parent
FLOORS = ["runtime", "train", "export", "benchmarks"]
HEAVY = {"torch", "cv2", "tensorflow", "onnxruntime", "av", "timm", "coremltools"}


def test_every_package_folder_is_listed_in_pyproject():
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(settings["tool"]["setuptools"]["packages"])
    outside = {"tests", "build", "dist"}
    found = {
        ".".join(["portraitnet", *init.parent.relative_to(ROOT).parts])
        for init in ROOT.rglob("__init__.py")
        if not (set(init.relative_to(ROOT).parts) & outside) and not _hidden(init)
    }
    assert found == listed


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(ROOT).parts)


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_point_down(floor):
    """runtime <- train <- export <- benchmarks <- cli: nobody imports a floor above."""
    above = set(FLOORS[FLOORS.index(floor) + 1 :]) | {"cli"}
    upward = []
    for file in (ROOT / floor).rglob("*.py"):
        depth = len(file.relative_to(ROOT).parts) - 1
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == depth + 1:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                upward += [f"{file}: {name}" for name in names if name.split(".")[0] in above]
    assert not upward


def test_runtime_never_imports_torch():
    for file in (ROOT / "runtime").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not any(name.split(".")[0] in {"torch", "timm"} for name in names), file


@pytest.mark.parametrize("statement", ["import portraitnet.runtime", "import portraitnet.cli"])
def test_heavy_libraries_are_loaded_only_when_used(statement):
    code = f"import sys; {statement}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
