"""Scores of a network under training on the held-out sets, shared by all processes."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import nn

from ..runtime.metrics import SegmentationScores
from ..runtime.segmenter import Segmenter
from .datasets import Source, Subset
from .engine.distributed import gather, this_process
from .evaluate import evaluate
from .predict import TorchBackend, contract_of
from .recipe import Recipe

SELECTION = "selection"  # the score that the best checkpoint is chosen by


class Validation:
    """Maps a network to its scores, named SET/METRIC, and their `selection`: the main metric's mean over the sets.

    Every process scores its share of the pictures, so that none waits for another.
    """

    def __init__(self, recipe: Recipe, held_out: Mapping[str, Source]) -> None:
        self.held_out = held_out
        self.contract = contract_of(recipe.name, recipe.model, recipe.data.size, recipe.data.geometry)
        self.metric = "fg_iou_per_image" if len(recipe.model.classes) == 2 else "miou"

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """The scores of a copy of `network` in float32 and eval mode."""
        segmenter = Segmenter(TorchBackend(copy.deepcopy(network).float().eval(), self.contract))
        scores: dict[str, float] = {}
        for label, source in self.held_out.items():
            summary = _score(segmenter, source).summary()
            scores |= {f"{label}/{name}": value for name, value in summary.items()}
        chosen = [value for name, value in scores.items() if name.endswith(f"/{self.metric}")]
        return {**scores, SELECTION: sum(chosen) / len(chosen)}


def _score(segmenter: Segmenter, source: Source) -> SegmentationScores:
    """The scores over all pictures of `source`, the same in every process."""
    rank, world = this_process()
    share = Subset(source, range(rank, len(source), world))
    whole = SegmentationScores.of(source.classes)
    for part in gather(evaluate(segmenter, share)):
        whole.merge(part)
    return whole
