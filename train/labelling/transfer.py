"""Transfer from trained networks: weights to start from, and teachers to distil from."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from ...runtime.errors import InputError
from ..datasets.base import mirrored_classes
from ..engine.checkpoint import load_checkpoint
from ..models.folding import fold_batch_norms


def start_from(network: nn.Module, path: str) -> None:
    """Load the weights of a checkpoint into `network`, in place.

    A head of another shape (another number of classes), or one that the checkpoint lacks (the boundary head), keeps
    its initial weights. Raises InputError when anything else differs; model.encoder_weights takes the encoder alone.
    """
    stored, own = load_checkpoint(path).model.state_dict(), network.state_dict()
    fitting = {key: value for key, value in stored.items() if key in own and own[key].shape == value.shape}
    missing = [key for key in own if key not in fitting and not key.split(".")[0].endswith("_head")]
    if missing:
        raise InputError(
            f"{path} cannot start this network: {len(missing)} of {len(own)} tensors are missing or differ in shape, "
            f"the first is {missing[0]}; the model section must be the checkpoint's"
        )
    network.load_state_dict(fitting, strict=False)


class Teachers(nn.Module):
    """Frozen teachers, used round-robin; each sees the pictures at its own size, mirrored every other time.

    KL's gradient is linear in the teacher's probabilities: over the steps of a run, a student is drawn to the mean of
    all teachers and their mirror images, for the cost of one forward pass a step. `mirrored` gives the class of each
    logit once a picture is mirrored (datasets.base.mirrored_classes).
    """

    def __init__(
        self, networks: Sequence[nn.Module], sizes: Sequence[tuple[int, int]], mirrored: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.networks, self.sizes, self.mirrored = nn.ModuleList(networks), tuple(sizes), list(mirrored)
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, pixels: torch.Tensor, turn: int) -> torch.Tensor:
        """Normalized N x 3 x height x width -> logits N x classes x height x width of whose `turn` it is, from 0."""
        rounds, index = divmod(turn, len(self.networks))
        mirrored = rounds % 2 == 1
        seen = _resized(pixels, self.sizes[index])
        seen = (seen.flip(3) if mirrored else seen).contiguous(memory_format=torch.channels_last)
        logits = _resized(self.networks[index](seen).mask.float(), pixels.shape[2:])
        if not mirrored:
            return logits
        return logits.flip(3)[:, self.mirrored] if self.mirrored else logits.flip(3)


def open_teachers(paths: Sequence[str], classes: Sequence[str]) -> Teachers | None:
    """The networks of checkpoints; None without a path. They must have the same `classes`."""
    opened = [load_checkpoint(path) for path in paths]
    for path, checkpoint in zip(paths, opened, strict=True):
        if list(checkpoint.spec.classes) != list(classes):
            raise InputError(
                f"the teacher {path} has the classes {', '.join(checkpoint.spec.classes)}, not {', '.join(classes)}"
            )
    if not opened:
        return None
    networks, sizes = [_folded(each.model, each.size) for each in opened], [each.size for each in opened]
    teachers = Teachers(networks, sizes, mirrored_classes(classes))
    return teachers.to(memory_format=torch.channels_last)


@torch.no_grad()
def _folded(network: nn.Module, size: tuple[int, int]) -> nn.Module:
    """`network` with batch normalisation folded into its convolutions, unless that would change its output."""
    picture = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    folded = copy.deepcopy(network.eval())
    fold_batch_norms(folded, size)
    same = torch.allclose(folded(picture).mask, network(picture).mask, atol=1e-3, rtol=1e-3)
    return folded if same else network


def _resized(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    same = tuple(maps.shape[2:]) == tuple(size)
    return maps if same else functional.interpolate(maps, tuple(size), mode="bilinear", antialias=True)
