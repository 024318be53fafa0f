"""The training loop: one function, read top to bottom. Lightning Fabric moves it to a GPU or many processes."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import nn

from ..runtime.console import progress_bar
from ..runtime.errors import InputError
from .data.balance import about_absent, absent_classes, class_shares, weights_of
from .data.feed import TrainingBatches, feed, open_caches
from .datasets import SoftMasks, Source, has_alpha, has_layers, label_of, open_source
from .engine.distributed import open_fabric
from .engine.history import History, write_classes
from .engine.loggers import open_loggers
from .engine.run_folder import BEST, STATE, open_run_folder
from .engine.state import save_state
from .labelling.transfer import Teachers, open_teachers, start_from
from .models import build_model, check_size
from .recipe import Recipe, with_steps
from .trainer import Trainer
from .validation import Validation

# Scores of a network; `selection` chooses the best checkpoint.
Validate = Callable[[nn.Module], dict[str, float]]


def train(
    recipe: Recipe,
    out: Path,
    resume: bool = False,
    accelerator: str = "auto",
    loggers: Sequence[str] = ("tensorboard",),
    validate: Validate | None = None,
) -> Path:
    """Train `recipe` into the folder `out`; returns the best checkpoint.

    `out` receives recipe.yaml, steps.csv, scores.csv, the `loggers`' files, state/ (from which `resume` continues),
    and the averaged weights as best.safetensors and last.safetensors. Under `torchrun` all processes share the batch.
    `validate` scores the averaged network in place of the recipe's held-out sets. Raises InputError for data that
    cannot be used, and when a loss is not finite.
    """
    torch.manual_seed(recipe.run.seed)
    fabric = open_fabric(recipe.run, accelerator)
    sources, held_out = _open_data(recipe)
    recipe = with_steps(recipe, sum(len(source) for source in sources))
    network, teachers = _open_networks(recipe)
    validate = validate or Validation(recipe, held_out)
    # Only now, so that a run that is refused for its data leaves nothing behind.
    state = open_run_folder(out, recipe, resume, fabric.is_global_zero)
    batches, class_weights = _prepare_batches(recipe, sources, fabric, out)
    trainer = Trainer(recipe, fabric, network, teachers, class_weights, state)

    run, writes, first_step = recipe.run, fabric.is_global_zero, trainer.step
    logs = open_loggers(loggers, out, recipe.name, first_step) if writes else []
    with History(out, first_step, run, logs, enabled=writes) as history:
        for batch in feed(batches, first_step, fabric.device):
            rate = trainer.learning_rate
            losses = trainer.train_step(batch)
            done = trainer.step
            history.step(done - 1, {**losses, "learning_rate": rate})
            if done == run.steps or done % run.evaluate_every == 0:
                scores = validate(trainer.average.module)
                history.scores(done, scores)
                if writes:
                    trainer.save_weights(out, scores)
            if writes and (done == run.steps or done % run.checkpoint_every == 0):
                save_state(out / STATE, trainer.state())
    fabric.barrier()
    if not (out / BEST).is_file():
        raise InputError(f"{out} is a finished run, but its {BEST} is gone; last.safetensors may still be there")
    return out / BEST


def _open_data(recipe: Recipe) -> tuple[list[Source], dict[str, Source]]:
    """The training sources, and the held-out ones by label."""
    data, classes = recipe.data, recipe.model.classes
    root = Path(data.root).expanduser()
    check_size(recipe.model, data.size)
    sources = [open_source(spec, root, data.size, classes) for spec in data.train]
    held_out = {label_of(spec): open_source(spec, root, data.size, classes) for spec in data.validate}
    return _with_alpha(recipe, sources), held_out


def _with_alpha(recipe: Recipe, sources: Sequence[Source]) -> list[Source]:
    """The sources with alpha in place of labels where a loss of the recipe uses it."""
    loss = recipe.loss
    for name in ("matte", "soft_labels"):
        if getattr(loss, name) and not any(has_alpha(source) for source in sources):
            raise InputError(f"loss.{name} is set, but no set of data.train knows alpha; set it to 0")
    if loss.composition and not (recipe.data.augment.cut_and_paste or any(has_layers(source) for source in sources)):
        raise InputError(
            "loss.composition is set, but no set of data.train knows the colours of person and background; set it to "
            "0, or add synthetic_mattes, or set data.augment.cut_and_paste"
        )
    needed = loss.matte or loss.soft_labels
    return [
        SoftMasks(source) if has_alpha(source) and (needed or (loss.composition and has_layers(source))) else source
        for source in sources
    ]


def _open_networks(recipe: Recipe) -> tuple[nn.Module, Teachers | None]:
    """The network with its initial weights, and the frozen teachers."""
    start = recipe.run.start_from
    # A checkpoint replaces the encoder's weights, so they are not fetched.
    network = build_model(dataclasses.replace(recipe.model, encoder_weights="none") if start else recipe.model)
    if start:
        start_from(network, start)
    return network, open_teachers(recipe.loss.teachers, recipe.model.classes)


def _prepare_batches(
    recipe: Recipe, sources: Sequence[Source], fabric: Fabric, out: Path
) -> tuple[TrainingBatches, torch.Tensor | None]:
    """This process's batches from cached pictures, and the class weights where the recipe wants them."""
    classes, weighted = recipe.model.classes, recipe.loss.class_weights != "none"
    with progress_bar(fabric.is_global_zero) as bar:
        caches = open_caches(sources, recipe.data, bar)
    batches = TrainingBatches(sources, caches, recipe, fabric.global_rank, fabric.world_size)
    if warning := about_absent(absent_classes(sources, caches, classes), classes):
        fabric.print(f"WARNING: {warning}", file=sys.stderr)
    if not weighted and len(classes) == 2:
        return batches, None
    shares = class_shares(sources, caches, recipe.data.train, len(classes))
    weights = weights_of(recipe.loss.class_weights, shares, classes)
    if fabric.is_global_zero:
        write_classes(out / "classes.csv", classes, shares)
    return batches, None if weights is None else torch.tensor(weights, dtype=torch.float32)
