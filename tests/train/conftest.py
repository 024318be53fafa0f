"""Small data sets on disk, written where each test wants them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraitnet.train.recipe import Recipe, parse


def write_folder_set(root: Path, count: int = 6, size: tuple[int, int] = (48, 40)) -> Path:
    """A `folder` set: bright discs are people."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for index in range(count):
        rng = np.random.default_rng(index)
        centre = rng.uniform(0.3, 0.7, 2) * size
        mask = np.hypot(rows - centre[0], columns - centre[1]) < 0.3 * min(size)
        image = rng.integers(0, 90, (*size, 3)) + 150 * mask[..., None]
        Image.fromarray(image.astype(np.uint8)).save(root / "images" / f"{index:03}.png")
        Image.fromarray((mask * 255).astype(np.uint8)).save(root / "masks" / f"{index:03}.png")
    return root


@pytest.fixture
def folder_set(tmp_path):
    return write_folder_set(tmp_path / "discs")


def small_recipe(root: Path, **changes) -> Recipe:
    """A run of seconds on a `folder` set; `changes` are section={...} updates."""
    tree = {
        "name": "small",
        "model": {"encoder": "mobilenetv3_small_100"},
        "data": {
            "root": str(root.parent),
            "size": [64, 64],
            "train": [{"kind": "folder", "path": root.name, "split": "all"}],
            "validate": [{"kind": "folder", "path": root.name, "split": "all"}],
            "workers": 0,
        },
        "run": {"steps": 6, "batch": 4, "evaluate_every": 3, "checkpoint_every": 2},
    }
    for section, update in changes.items():
        tree[section] = {**tree.get(section, {}), **update}
    return parse(Recipe, tree)
