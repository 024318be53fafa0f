"""The training loop: one function, read top to bottom. Lightning Fabric moves it to a GPU or many processes."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed
import yaml
from lightning.fabric import Fabric
from rich.progress import Progress
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..runtime.errors import InputError
from ..runtime.files import write_text
from ..runtime.segmenter import Segmenter
from .data.augment import Batch
from .data.balance import class_shares, weights_of
from .data.feed import TrainingBatches, feed, open_caches
from .datasets import Source, label_of, open_source
from .engine.checkpoint import flatten_optimizer, load_state, restore_optimizer, save_checkpoint, save_state
from .engine.distributed import synchronize_batch_norm
from .engine.ema import WeightAverage
from .engine.history import History, write_classes
from .engine.rounding import rounded_activations
from .engine.schedule import learning_rate, momentum
from .evaluate import evaluate
from .labelling.transfer import Teachers, open_teachers, start_from
from .losses import Losses, portrait_losses
from .models import Normalize, build_model, check_size
from .predict import TorchBackend, contract_of
from .recipe import OptimizerSpec, Recipe

BEST, LAST = "best.safetensors", "last.safetensors"
_MAY_CHANGE_ON_RESUME = {
    "about",
    "data.root",
    "data.cache",
    "data.workers",
    "run.checkpoint_every",
    "run.log_every",
    "run.compile",
}


def train(recipe: Recipe, out: Path, resume: bool = False, accelerator: str = "auto") -> Path:
    """Train `recipe` into the folder `out`; returns the best checkpoint.

    `out` receives recipe.yaml, steps.csv, scores.csv, tensorboard/, state/ (what `resume` continues from),
    and the averaged weights as best.safetensors and last.safetensors. Under `torchrun` the batch is shared
    by all processes. Raises InputError for data that cannot be used, and when a loss is not finite.
    """
    torch.manual_seed(recipe.run.seed)
    fabric = open_fabric(recipe, accelerator)
    root = Path(recipe.data.root).expanduser()
    size, classes = recipe.data.size, recipe.model.classes
    check_size(recipe.model, size)
    sources = [open_source(spec, root, size, classes) for spec in recipe.data.train]
    held_out = {label_of(s): open_source(s, root, size, classes) for s in recipe.data.validate}
    # What starts from a checkpoint needs no other weights, nor a network to fetch them.
    network = build_model(
        dataclasses.replace(recipe.model, encoder_weights="none") if recipe.run.start_from else recipe.model
    )
    if recipe.run.start_from:
        start_from(network, recipe.run.start_from)
    teachers = open_teachers(recipe.loss.teachers, classes)
    # Only now, so that a run refused for its data leaves nothing behind.
    state = _claim(recipe, out, resume)

    if fabric.world_size > 1:
        synchronize_batch_norm(network, fabric.device)
    network = network.to(memory_format=torch.channels_last)
    if recipe.run.compile:
        network.compile()
    model, optimizer = fabric.setup(network, build_optimizer(network, recipe.optimizer))
    normalize = Normalize().to(fabric.device)
    teachers = teachers.to(fabric.device) if teachers is not None else None
    average = WeightAverage(network, recipe.run.ema_decay)
    first_step, best = 0, float("-inf")
    if state is not None:
        tensors, facts = state
        network.load_state_dict(tensors["model"])
        average.weights = {k: v.to(fabric.device) for k, v in tensors["average"].items()}
        restore_optimizer(optimizer.optimizer, tensors["optimizer"])
        first_step, best, average.updates = facts["step"], facts["best"], facts["step"]

    with Progress(disable=not fabric.is_global_zero, transient=True) as bar:
        caches = open_caches(sources, recipe.data, bar)
    class_weights, weighted = None, recipe.loss.class_weights != "none"
    if weighted or len(classes) > 2:
        shares = class_shares(sources, caches, recipe.data.train, len(classes))
        if fabric.is_global_zero:
            write_classes(out / "classes.csv", classes, shares)
        if weighted:
            weights = weights_of(recipe.loss.class_weights, shares, classes)
            class_weights = torch.tensor(weights, dtype=torch.float32, device=fabric.device)
    batches = TrainingBatches(sources, caches, recipe, fabric.global_rank, fabric.world_size)
    history = History(out, first_step, recipe.run.steps, recipe.run.log_every) if fabric.is_global_zero else None
    if history:
        history.__enter__()
    try:
        model.train()
        if recipe.optimizer.fixed_statistics:
            _fix_statistics(model)
        for step, batch in enumerate(feed(batches, first_step, fabric.device), start=first_step):
            rate = learning_rate(recipe.optimizer, step, recipe.run.steps)
            inertia = momentum(recipe.optimizer, step, recipe.run.steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["factor"]
                group |= {"momentum": inertia} if "momentum" in group else {"betas": (inertia, group["betas"][1])}
            teacher = partial(_ask, fabric, teachers, step) if teachers is not None else None
            with rounded_activations(model) if recipe.run.rounded_activations else nullcontext():
                losses = batch_losses(model, normalize, batch, recipe, class_weights, teacher)
            if not torch.isfinite(losses.total):
                raise InputError(
                    f"loss is {losses.total.item()} at step {step}; its pictures were: {', '.join(batch.names)}. "
                    "Lower optimizer.learning_rate, or look at these pictures and masks"
                )
            fabric.backward(losses.total)
            if recipe.optimizer.gradient_clip:
                fabric.clip_gradients(model, optimizer, max_norm=recipe.optimizer.gradient_clip)
            optimizer.step()
            optimizer.zero_grad()
            average.update(network)

            done = step + 1
            parts = torch.stack([part.detach() for part in losses])
            if fabric.world_size > 1:
                torch.distributed.all_reduce(parts)
                parts /= fabric.world_size
            if history is None:
                continue
            values = dict(zip(("loss", *Losses._fields[1:]), parts.tolist(), strict=True))
            history.step(step, {**values, "learning_rate": rate})
            finished = done == recipe.run.steps
            if finished or done % recipe.run.evaluate_every == 0:
                scores = _validate(network, average.weights, recipe, held_out)
                history.scores(done, scores)
                facts = {"name": recipe.name, "recipe": dataclasses.asdict(recipe), "step": done, "scores": scores}
                save = partial(
                    save_checkpoint,
                    weights=average.weights,
                    spec=recipe.model,
                    size=size,
                    facts=facts,
                    geometry=recipe.data.geometry,
                )
                save(out / LAST)
                if scores["selection"] > best:
                    best = scores["selection"]
                    save(out / BEST)
            if finished or done % recipe.run.checkpoint_every == 0:
                tensors = {
                    "model": network.state_dict(),
                    "average": average.weights,
                    "optimizer": flatten_optimizer(optimizer.optimizer),
                }
                save_state(out / "state", done, tensors, {"best": best})
    finally:
        if history:
            history.__exit__()
    fabric.barrier()
    return out / BEST


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
    # The plain view costs a second pass, and only the consistency loss asks for it.
    original = model(view(batch.original)) if recipe.loss.consistency else None
    taught = teacher(view(batch.original)) if teacher is not None else None
    labels, edge = batch.labels.long(), batch.edge.long()
    return portrait_losses(augmented, original, labels, edge, recipe.loss, class_weights, taught)


def _ask(fabric: Fabric, teachers: Teachers, turn: int, pixels: torch.Tensor) -> torch.Tensor:
    """The teachers' logits, computed in bfloat16 where the run is."""
    with fabric.autocast():
        return teachers(pixels, turn)


def _validate(
    network: nn.Module, weights: dict[str, torch.Tensor], recipe: Recipe, held_out: Mapping[str, Source]
) -> dict[str, float]:
    """Scores of the averaged weights on each held-out set; `selection` is what the best checkpoint is chosen by."""
    judged = copy.deepcopy(network).float()
    judged.load_state_dict(weights)
    contract = contract_of(recipe.name, recipe.model, recipe.data.size, recipe.data.geometry)
    segmenter = Segmenter(TorchBackend(judged.eval(), contract))
    metric = "fg_iou_per_image" if len(recipe.model.classes) == 2 else "miou"
    scores: dict[str, float] = {}
    for label, source in held_out.items():
        summary = evaluate(segmenter, source).summary()
        scores |= {f"{label}/{name}": value for name, value in summary.items()}
    chosen = [value for name, value in scores.items() if name.endswith(f"/{metric}")]
    return {**scores, "selection": sum(chosen) / len(chosen)}


def _claim(recipe: Recipe, out: Path, resume: bool) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Take the run folder: fresh, or with the state to resume from, after checking that the recipe is the same."""
    state = load_state(out / "state") if out.exists() else None
    stored = out / "recipe.yaml"
    if state and not resume:
        raise InputError(f"{out} already holds a run; add --resume to continue it, or choose another --out")
    if state:
        before = _flat(yaml.safe_load(stored.read_text(encoding="utf-8")))
        now = _flat(yaml.safe_load(_as_yaml(recipe)))
        changed = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
        changed = [key for key in changed if key not in _MAY_CHANGE_ON_RESUME]
        if changed:
            raise InputError(f"{out} was started with another recipe ({', '.join(changed[:4])} differ); see {stored}")
    elif int(os.environ.get("RANK", 0)) == 0:
        write_text(stored, _as_yaml(recipe))
    return state


def _as_yaml(recipe: Recipe) -> str:
    return yaml.safe_dump(_plain(dataclasses.asdict(recipe)), sort_keys=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix.rstrip("."): tree}
    return {k: v for key, item in tree.items() for k, v in _flat(item, f"{prefix}{key}.").items()}


def open_fabric(recipe: Recipe, accelerator: str) -> Fabric:
    """The devices and the precision of a run; under `torchrun`, this process's part of them."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if recipe.run.batch % processes:
        raise InputError(f"run.batch = {recipe.run.batch} cannot be shared evenly by {processes} processes")
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    fabric = Fabric(
        accelerator=accelerator,
        devices=local,
        num_nodes=processes // local,
        strategy="ddp" if processes > 1 else "auto",
        precision=recipe.run.precision,
    )
    fabric.launch()
    return fabric


def _fix_statistics(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def build_optimizer(network: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
    """The recipe's optimizer over everything that learns."""
    encoder = [p for name, p in network.named_parameters() if name.startswith("encoder.") and p.requires_grad]
    decoder = [p for name, p in network.named_parameters() if not name.startswith("encoder.") and p.requires_grad]
    groups = [{"params": encoder, "factor": spec.encoder_factor}, {"params": decoder, "factor": 1.0}]
    if spec.name == "sgd":
        return torch.optim.SGD(groups, spec.learning_rate, momentum=spec.momentum, weight_decay=spec.weight_decay)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.name]
    return kind(groups, spec.learning_rate, betas=(spec.momentum, 0.999), weight_decay=spec.weight_decay)
