"""Makes the three files that ship in runtime/weights: python -m portraitnet.export.ship RUN/best.safetensors ...

The exports are made from the float16 checkpoint as it is read back, so all three files hold the same weights.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import tempfile
from pathlib import Path

from ..runtime.errors import InputError
from ..runtime.files import write_beside
from ..runtime.geometry import GEOMETRIES
from ..train.engine.checkpoint import load_checkpoint, save_checkpoint
from ..train.models import PortraitNetSpec
from .bundle import export_bundle
from .privacy import without_paths
from .rounding import check_half

_FACTS = ("recipe", "step", "scores", "interpolated")
WEIGHTS = Path(__file__).parent.parent / "runtime" / "weights"


def ship(
    checkpoint: Path,
    name: str,
    calibration: Path,
    open_border: bool = False,
    folder: Path = WEIGHTS,
    tflite: str = "int8",
    geometry: str | None = None,
) -> None:
    """Write NAME.safetensors (float16), NAME.onnx (float32) and NAME.tflite (its precision is `tflite`) into `folder`.

    `calibration` is a folder of photographs, as for `export_bundle`. `open_border` gives a network trained with the
    paper's border the faster one: the same weights, and only the outermost pixels differ. `geometry` is how pictures
    are to fill the input, where that scores better than what the network was trained with. Raises ParityError when a
    gate fails.
    """
    trained = load_checkpoint(checkpoint)
    spec = trained.spec
    if open_border:
        if not isinstance(spec, PortraitNetSpec):
            raise InputError(f"{checkpoint} holds a {spec.architecture}: an open border is an option of portraitnet")
        spec = dataclasses.replace(spec, open_border=True)
    facts = without_paths({key: trained.facts[key] for key in _FACTS if key in trained.facts})
    half = folder / f"{name}.safetensors"
    geometry = geometry or trained.geometry
    if geometry != trained.geometry:
        facts.pop("scores", None)  # they are of the other geometry
    check_half(trained.model.state_dict())
    save_checkpoint(half, trained.model.state_dict(), spec, trained.size, facts, half=True, geometry=geometry)
    with tempfile.TemporaryDirectory() as scratch:
        for kind, precision in (("onnx", "fp32"), ("tflite", tflite)):
            bundle = Path(scratch) / kind
            export_bundle(load_checkpoint(half), bundle, [kind], [precision], calibration=calibration)
            with write_beside(folder / f"{name}.{kind}") as temporary:
                shutil.copyfile(bundle / f"{name}-{precision}.{kind}", temporary)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--name", default="portraitnet-mobile")
    parser.add_argument("--calibration", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--open-border", action="store_true", help="for a network trained with the paper's border")
    parser.add_argument("--folder", type=Path, default=WEIGHTS, help="where to; the package's own weights unless given")
    parser.add_argument(
        "--tflite", choices=("int8", "fp16", "fp32"), default="int8", help="for what int8's gate refuses"
    )
    parser.add_argument("--geometry", choices=tuple(GEOMETRIES), help="other than the network was trained with")
    args = parser.parse_args()
    ship(args.checkpoint, args.name, args.calibration, args.open_border, args.folder, args.tflite, args.geometry)
