"""A network under training: one step, and everything that a step changes, saved and restored as one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..runtime.errors import InputError
from .data.augment import Batch
from .engine.checkpoint import save_checkpoint
from .engine.distributed import gather, mean_over_processes, synchronize_batch_norm
from .engine.ema import WeightAverage
from .engine.optimizer import build_optimizer
from .engine.quantization import FakeQuantization
from .engine.run_folder import BEST, LAST
from .engine.schedule import make_scheduler
from .engine.state import RunState, flatten_optimizer, restore_optimizer
from .labelling.transfer import Teachers
from .losses import Losses, portrait_losses
from .models import Normalize
from .models.encoders import first_stages
from .recipe import Recipe
from .validation import SELECTION

_ACTIVATIONS = "activations"  # "ranges" were of fewer activations
_LOST = 1000  # so many times its mean (or 1, if that is less), a loss shows a network that will not recover


class Trainer:
    """`network` with its optimizer, schedule and weight average, on the devices of `fabric`, after `step` steps.

    `class_weights` (classes,) weigh the pixel loss. `state` is a run's to resume from.
    """

    def __init__(
        self,
        recipe: Recipe,
        fabric: Fabric,
        network: nn.Module,
        teachers: Teachers | None = None,
        class_weights: torch.Tensor | None = None,
        state: RunState | None = None,
    ) -> None:
        self.recipe, self.fabric = recipe, fabric
        if fabric.world_size > 1:
            synchronize_batch_norm(network, fabric.device)
        self.network = network.to(memory_format=torch.channels_last)
        frozen = freeze_stages(network, recipe.optimizer.frozen_stages)
        if recipe.run.compile:
            network.compile()
        self.optimizer = build_optimizer(network, recipe.optimizer)
        self.step = state.step if state else 0
        self.best = state.best if state else None
        self.mean_loss: float | None = None  # of the last hundred steps or so; of a resumed run, of those since
        self.scheduler = make_scheduler(self.optimizer, recipe.optimizer, recipe.run.steps, self.step)
        self.model, self.wrapped_optimizer = fabric.setup(network, self.optimizer)
        self.average = WeightAverage(network, recipe.run.ema_decay)
        self.quantization = FakeQuantization(network) if recipe.run.quantization == "w8a8" else None
        if state:
            self._restore(state)
        self.normalize = Normalize().to(fabric.device)
        self.teachers = teachers.to(fabric.device) if teachers is not None else None
        self.class_weights = class_weights.to(fabric.device) if class_weights is not None else None
        self.model.train()
        _fix_statistics(network.modules() if recipe.optimizer.fixed_statistics else frozen)

    @property
    def learning_rate(self) -> float:
        """The rate of the next step, of the decoder: the encoder's is `encoder_factor` of it."""
        return self.optimizer.param_groups[-1]["lr"]

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step on this process's share of the batch; the losses' means over all processes, before the step.

        Raises InputError in every process when the loss of one is not finite, or a thousand times what it was; the
        network is lost then.
        """
        run, limit = self.recipe.run, self.recipe.optimizer.gradient_clip
        # Dropout depends on the seed and the step alone, as the pictures do: a resumed run repeats it.
        torch.manual_seed(_seed_of_step(run.seed, self.step, self.fabric.global_rank))
        with self.quantization.applied() if self.quantization else nullcontext():
            losses = batch_losses(
                self.model,
                self.normalize,
                batch,
                self.recipe,
                self.class_weights,
                self._teach if self.teachers is not None else None,
            )
        means = mean_over_processes(torch.stack([part.detach() for part in losses]))
        self.fabric.backward(losses.total)
        if limit:
            self.fabric.clip_gradients(self.model, self.wrapped_optimizer, max_norm=limit)
        self.wrapped_optimizer.step()
        self.wrapped_optimizer.zero_grad()
        self.scheduler.step()
        self.average.update(self.network, self.step)
        if self.quantization:
            self.quantization.ranges = mean_over_processes(self.quantization.ranges)
        # Only now: to read them is to wait for the device, which has the whole step to do by then.
        values = means.tolist()
        mean = values[0] if self.mean_loss is None else self.mean_loss
        if not math.isfinite(values[0]) or values[0] > _LOST * max(mean, 1.0):
            self._refuse(losses, batch)
        self.mean_loss = mean + 0.01 * (values[0] - mean)
        self.step += 1
        shown = dict(zip(("loss", *Losses._fields[1:]), values, strict=True))
        for name in ("matte", "composition", "soft_labels"):
            if not getattr(self.recipe.loss, name):
                del shown[name]  # the columns of older runs, which are resumed
        return shown

    def state(self) -> RunState:
        """Everything that steps change."""
        return RunState(
            self.step,
            self.best,
            self.network.state_dict(),
            self.average.module.state_dict(),
            flatten_optimizer(self.optimizer),
            self.fabric.strategy.precision.state_dict(),
            {_ACTIVATIONS: self.quantization.ranges} if self.quantization else {},
        )

    def save_weights(self, out: Path, scores: Mapping[str, float]) -> None:
        """Write the averaged weights as last.safetensors, and as best.safetensors when no earlier ones score higher."""
        recipe = self.recipe
        facts = {"name": recipe.name, "recipe": dataclasses.asdict(recipe), "step": self.step, "scores": dict(scores)}
        names, score = [LAST], scores[SELECTION]
        if self.best is None or math.isnan(self.best) or score > self.best:
            self.best = score
            names.append(BEST)
        for name in names:
            weights = self.average.module.state_dict()
            save_checkpoint(out / name, weights, recipe.model, recipe.data.size, facts, geometry=recipe.data.geometry)

    def _restore(self, state: RunState) -> None:
        try:
            self.network.load_state_dict(state.model)
            self.average.module.load_state_dict(state.average)
            restore_optimizer(self.optimizer, state.optimizer)
            self.fabric.strategy.precision.load_state_dict(state.scaler)
            if self.quantization:
                self.quantization.ranges = state.quantization[_ACTIVATIONS].to(self.fabric.device)
        except (RuntimeError, ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"the saved state does not fit this recipe's network: {reason}") from error

    def _teach(self, pixels: torch.Tensor) -> torch.Tensor:
        """The teachers' logits, in bfloat16 where the run computes in it."""
        assert self.teachers is not None
        with self.fabric.autocast():
            return self.teachers(pixels, self.step)

    def _refuse(self, losses: Losses, batch: Batch) -> None:
        # Losses are means over all processes: one bad picture spoils the loss of each.
        names = [name for part in gather(batch.names) for name in part]
        loss = losses.total.item()
        raise InputError(
            f"loss is {loss} at step {self.step}; its pictures were: {', '.join(names)}. "
            "Lower optimizer.learning_rate, set optimizer.gradient_clip=1, or look at these pictures and masks"
        )


def batch_losses(
    model: nn.Module,
    normalize: Normalize,
    batch: Batch,
    recipe: Recipe,
    class_weights: torch.Tensor | None = None,
    teacher: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Losses:
    """The recipe's losses of one batch, which is on the model's device."""

    def view(pixels: torch.Tensor) -> torch.Tensor:
        return normalize(pixels.float()).contiguous(memory_format=torch.channels_last)

    augmented = model(view(batch.augmented))
    # The plain view costs a second pass, and only the consistency loss needs it.
    original = model(view(batch.original)) if recipe.loss.consistency else None
    target = teacher(view(batch.original)) if teacher is not None else None
    labels, edge = batch.labels.long(), batch.edge.long()
    return portrait_losses(
        augmented, original, labels, edge, recipe.loss, class_weights, target, batch.matte, batch.soft, batch.contrast
    )


def _seed_of_step(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0])


def freeze_stages(network: nn.Module, count: int) -> list[nn.Module]:
    """Freeze weights and statistics of the encoder's first `count` stages; returns their modules.

    `network.train()` lets their statistics move again.
    """
    stages = first_stages(network, count)
    for parameter in (p for module in stages for p in module.parameters(recurse=False)):
        parameter.requires_grad_(False)
    _fix_statistics(stages)
    return stages


def _fix_statistics(modules: Iterable[nn.Module]) -> None:
    for module in modules:
        if isinstance(module, _BatchNorm):
            module.eval()
