"""Weights between a network's before and after a training run: often better than both (WiSE-FT, Wortsman et al., 2022).

    python -m portraitnet.train.pretrained.interpolate \
      selfie.safetensors runs/small/best.safetensors 0.75 small.safetensors

A published network fine-tuned on our photographs forgets part of what it learned from more data. Interpolation back to
its first weights recovers that faster than it loses the new. The run's scores do not hold for the result: score it with
`portraitnet evaluate`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from ...runtime.errors import InputError
from ..engine.checkpoint import load_checkpoint, save_checkpoint


def interpolate(before: Path, after: Path, share: float, out: Path) -> None:
    """Write the checkpoint with `share` (0..1) of the way from `before` to `after`; all else is as in `after`.

    Raises InputError when the two are not the same network, or `share` is out of range.
    """
    if not 0 <= share <= 1:
        raise InputError(f"a share of {share:g} is not between 0 (as {before.name}) and 1 (as {after.name})")
    start, trained = load_checkpoint(before), load_checkpoint(after)
    old, weights = start.model.state_dict(), trained.model.state_dict()
    # The boundary head is used in training only: either checkpoint may lack it.
    shapes = [{k: v.shape for k, v in part.items() if not k.startswith("edge_head.")} for part in (old, weights)]
    if start.spec.classes != trained.spec.classes or shapes[0] != shapes[1]:
        raise InputError(f"{before} and {after} are not the same network: they cannot be interpolated")
    for key, value in weights.items():
        if key in old and value.is_floating_point():
            weights[key] = torch.lerp(old[key], value, share)
    facts: dict[str, Any] = {key: trained.facts[key] for key in ("recipe", "step") if key in trained.facts}
    facts["interpolated"] = {"from": before.name, "share": share}
    save_checkpoint(out, weights, trained.spec, trained.size, facts, geometry=trained.geometry)


def main() -> None:
    """Interpolate between two checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="checkpoint that the run started from")
    parser.add_argument("after", type=Path, help="checkpoint of the run")
    parser.add_argument("share", type=float, help="of the way from one to the other, 0..1")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    try:
        interpolate(args.before, args.after, args.share, args.out)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
