"""Recipes: YAML files that decide a training run. `parse.py` checks them against the dataclasses here."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from ..runtime.errors import InputError
from ..runtime.geometry import GEOMETRIES, LETTERBOX
from ..runtime.metrics import has_background
from .models import ModelSpec, PortraitNetSpec
from .parse import Count, Fraction, NonNegative, Positive, Range, nearest, parse

Side = Annotated[int, Range(16, 4096)]  # of the input, in pixels
Kernel = Annotated[int, Range(0, 31, odd=True)]  # of a blur, in pixels
Scale = Annotated[float, Range(0.01, 100)]
Factor = Annotated[float, Range(1e-6, 1e3)]
Seed = Annotated[int, Range(0, 2**63 - 1)]

RECIPES = Path(__file__).parent / "recipes"
_PLAIN = [1.0, 1.0]
# Values of data.augment that its key `like` names; keys beside it take precedence.
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    # The published code of PortraitNet: the defaults.
    "paper": {},
    # A reproduction of it (report 2): HLS factors and box blur, each with probability one half.
    "report": {
        "texture_probability": 0.5,
        **{name: [0.4, 1.7] for name in ("hue", "lightness", "saturation")},
        "contrast": [0.6, 1.5],
        **dict.fromkeys(("colour", "brightness", "sharpness"), _PLAIN),
        "blur": [3, 5, 7, 9],
        "blur_kernel": "box",
        "noise": 10,
    },
    # Nothing but the resize.
    "none": {
        **{"rotation": 0, "scale": _PLAIN, "translation": 0, "flip": 0, "blur": [], "noise": 0},
        **dict.fromkeys(("colour", "brightness", "contrast", "sharpness"), _PLAIN),
    },
}


@dataclass(frozen=True)
class SourceSpec:
    """One data set, and how much of it is drawn."""

    kind: str  # folder, voc, celebamask ...: see datasets.LAYOUTS; or synthetic
    path: str = ""  # relative to data.root
    split: str = "train"  # train | val | test | all, as far as the set has them
    holdout: Fraction = 0.2  # share kept from training by hash, for sets that come without splits
    test_share: Fraction = 0.0  # of the held-out pictures, the share that is `test`; the rest is `val`
    weight: NonNegative = 1.0  # how often a picture is drawn, relative to the other sources' pictures
    upper_body: Fraction = 0.0  # probability of cropping a person to head and upper body
    only_portraits: bool = False  # keep pictures framed like portraits (see datasets.base.is_portrait)
    limit: Count = 0  # at most so many pictures (0: all); for `synthetic`, the number of scenes


@dataclass(frozen=True)
class AugmentSpec:
    """The paper's augmentation; ranges are uniform. `geometry` is shared by the pair, the rest is not."""

    rotation: Annotated[float, Range(0, 180)] = 45.0  # degrees, both ways
    scale: tuple[Scale, Scale] = (0.5, 1.5)
    translation: NonNegative = 0.25  # share of the input, both ways
    flip: Fraction = 0.5  # probability
    swap_sides: bool = True  # labels of a left and a right part change places in a mirrored picture
    texture_probability: Fraction = 1.0  # of each of the following changes, drawn one by one
    hue: tuple[NonNegative, NonNegative] = (1.0, 1.0)  # factors of hue, lightness and saturation (HLS)
    lightness: tuple[NonNegative, NonNegative] = (1.0, 1.0)
    saturation: tuple[NonNegative, NonNegative] = (1.0, 1.0)
    colour: tuple[NonNegative, NonNegative] = (0.4, 1.6)
    brightness: tuple[NonNegative, NonNegative] = (0.4, 1.6)
    contrast: tuple[NonNegative, NonNegative] = (0.6, 1.4)
    sharpness: tuple[NonNegative, NonNegative] = (0.8, 1.2)
    blur: tuple[Kernel, ...] = (3, 5)  # kernel sizes drawn from, beside none; odd, or 0 for none
    blur_kernel: Literal["gaussian", "box"] = "gaussian"
    noise: NonNegative = 10.0  # largest standard deviation, of 255
    cut_and_paste: Fraction = 0.0  # probability of pasting the person onto another picture's background

    def __post_init__(self) -> None:
        for name in ("scale", "hue", "lightness", "saturation", "colour", "brightness", "contrast", "sharpness"):
            low, high = getattr(self, name)
            if low > high:
                raise InputError(f"data.augment.{name} is [{low:g}, {high:g}]; the smaller value comes first")


@dataclass(frozen=True)
class DataSpec:
    root: str = "."
    size: tuple[Side, Side] = (224, 224)  # input height, width
    geometry: str = LETTERBOX  # how a picture fills the input: one of runtime.geometry.GEOMETRIES
    train: tuple[SourceSpec, ...] = (SourceSpec("synthetic"),)
    validate: tuple[SourceSpec, ...] = (SourceSpec("synthetic", split="val", limit=64),)
    augment: AugmentSpec = AugmentSpec()
    # Pictures are kept at this many times the input: zooms and crops read from there.
    canvas: Annotated[float, Range(1, 8)] = 2.0
    cache: str = ""  # folder of the decoded pictures; empty: the user's cache folder; none: no cache
    workers: Count = 2  # loader processes; on a CPU, only for pictures that no cache holds

    def __post_init__(self) -> None:
        if self.geometry not in GEOMETRIES:
            raise InputError(f"data.geometry is {self.geometry!r}; it must be one of {', '.join(GEOMETRIES)}")
        for name in ("train", "validate"):
            if not getattr(self, name):
                raise InputError(f"data.{name} is empty; it must name at least one data set")
        if not any(source.weight for source in self.train):
            raise InputError("data.train: every weight is 0, so no picture would be drawn")


@dataclass(frozen=True)
class LossSpec:
    """The loss of each pixel, and the weights of the other losses; 0 leaves one out."""

    pixel: Literal["cross_entropy", "exponential"] = "cross_entropy"
    # inverse_log: computed from the training masks; or a list, one weight for each class
    class_weights: Literal["none", "inverse_log"] | tuple[NonNegative, ...] = "none"
    hard_threshold: Fraction = 0.0  # OHEM: only pixels whose true class is less probable than this count; 0: all
    hard_pixels: Positive = 100_000  # OHEM: but at least so many of each picture
    consistency: NonNegative = 2.0  # this and the next are the paper's
    edge: NonNegative = 0.1
    jaccard: NonNegative = 0.0  # soft IoU of the foreground, per picture
    dice: NonNegative = 0.0  # soft Dice of every class, over the batch
    matte: NonNegative = 0.0  # distance of alpha from the true one in the edge band, in sets that know it
    # distance of the picture composed by alpha, in the edge band, where the colours of person and background are known:
    # in `synthetic_mattes`, and where a person was pasted (data.augment.cut_and_paste)
    composition: NonNegative = 0.0
    # cross entropy against alpha in sets that know it, as a teacher's stored answers (portraitnet data label --soft)
    soft_labels: NonNegative = 0.0
    auxiliary: NonNegative = 0.4  # the pixel loss of a second head, where the network has one
    teachers: tuple[str, ...] = ()  # checkpoints of frozen teachers, used round-robin on the plain views
    distillation: NonNegative = 2.0  # KL divergence from the teacher's probabilities
    # Of both KL divergences, which are multiplied by its square.
    temperature: Annotated[float, Range(0.01, 100)] = 1.0
    kl_mean: Literal["elements", "pixels"] = "elements"  # the paper's code; or the mean of the sum over classes
    # Of the edge loss: the paper's code, or by the book.
    focal_weight: Literal["detached", "differentiable"] = "detached"


@dataclass(frozen=True)
class OptimizerSpec:
    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: NonNegative = 1e-3
    weight_decay: NonNegative = 5e-4
    momentum: Annotated[float, Range(0, 0.9999)] = 0.9  # of sgd; for adam, its beta1
    schedule: Literal["constant", "cosine", "step", "poly", "onecycle", "cyclic"] = (
        "cosine"  # the last two: momentum too
    )
    warmup_steps: Count = 0
    step_every: Positive = 1000  # schedule: step
    step_factor: NonNegative = 0.9
    poly_power: NonNegative = 0.9
    # schedule: cyclic; from the rate to so many times it and on to the other, and the same of the momentum
    cyclic_rate: tuple[Factor, Factor] = (10.0, 1e-4)
    cyclic_momentum: tuple[Factor, Factor] = (0.85 / 0.95, 1.0)
    cyclic_up: Annotated[float, Range(0.01, 0.99)] = 0.4  # share of the run that goes up
    gradient_clip: NonNegative = 0.0  # largest norm; 0: none
    encoder_factor: NonNegative = 1.0  # of the learning rate, for the encoder's parameters
    fixed_statistics: bool = False  # batch norm keeps its initial means and variances
    frozen_stages: Annotated[int, Range(0, 5)] = 0  # so many first stages of the encoder stay as they are


@dataclass(frozen=True)
class RunSpec:
    steps: Positive = 1000
    epochs: NonNegative = 0.0  # in place of steps, where above 0: one draws as many pictures as the training sets have
    batch: Positive = 64  # pictures per step, over all processes together
    seed: Seed = 1
    start_from: str = ""  # a checkpoint whose weights the run starts from, instead of the encoder's alone
    # 16-mixed: for GPUs without bfloat16; 64-true: separates rounding from mistakes
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    compile: bool = False  # torch.compile: 0.9 to 1.4 times the speed on a CPU, after minutes of compiling
    ema_decay: Fraction = 0.998  # 0: none
    # w8a8: weights and activations rounded as int8 rounds them, for a last, short run at a low learning rate
    quantization: Literal["none", "w8a8"] = "none"
    evaluate_every: Count = 500  # steps; 0: after each of run.epochs
    checkpoint_every: Positive = 100
    log_every: Positive = 10

    def __post_init__(self) -> None:
        if not (self.evaluate_every or self.epochs):
            raise InputError("run.evaluate_every is 0, after each epoch, but run.epochs is not set")
        if self.compile and self.quantization != "none":
            raise InputError(f"run.compile does not go with run.quantization={self.quantization}; set it to false")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run."""

    name: str
    about: str = ""  # hardware, time and expected score; who measured it
    model: ModelSpec = PortraitNetSpec()
    data: DataSpec = DataSpec()
    loss: LossSpec = LossSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    run: RunSpec = RunSpec()

    def __post_init__(self) -> None:
        if has_background(self.model.classes):
            return
        edge = ("edge",) if getattr(self.model, "edge_head", False) else ()
        for name in ("jaccard", "composition", *edge):
            if getattr(self.loss, name):
                first = self.model.classes[0]
                raise InputError(
                    f"loss.{name} is of the foreground, but label 0 is {first!r}, no background; set it to 0"
                )


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by file, or by the name of one that ships; apply `section.key=value` overrides (YAML)."""
    path = Path(name)
    if not path.suffix:
        path = RECIPES / f"{name}.yaml"
    tree = {"name": path.stem, **_read_tree(path, str(name))}
    for override in overrides:
        _override(tree, override)
    asked = {override.partition("=")[0] for override in overrides}
    if "run.steps" in asked and "run.epochs" not in asked and isinstance(tree.get("run"), dict):
        tree["run"].pop("epochs", None)  # steps on the command line take the place of the recipe's epochs
    _expand_augmentation(tree, path.name)
    return parse(Recipe, tree, path.name)


def _expand_augmentation(tree: dict[str, Any], where: str) -> None:
    """Replace data.augment.like by the values that it names."""
    data = tree.get("data")
    augment = data.get("augment") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(augment, dict) or "like" not in augment:
        return
    name = str(augment["like"])
    if name not in AUGMENTATIONS:
        raise InputError(f"{where}: data.augment.like is {name!r}{nearest(name, list(AUGMENTATIONS))}")
    own = {key: value for key, value in augment.items() if key != "like"}
    tree["data"] = {**data, "augment": {**AUGMENTATIONS[name], **own}}


def with_steps(recipe: Recipe, pictures: int) -> Recipe:
    """The recipe with run.steps (and run.evaluate_every) told by its epochs over `pictures`, where it has any."""
    run = recipe.run
    if not run.epochs:
        return recipe
    steps = max(1, math.ceil(run.epochs * pictures / run.batch))
    every = run.evaluate_every or math.ceil(pictures / run.batch)
    return dataclasses.replace(recipe, run=dataclasses.replace(run, steps=steps, evaluate_every=every))


def shipped_recipes() -> list[str]:
    """Names of the recipes in train/recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def to_yaml(recipe: Recipe) -> str:
    """The whole recipe as YAML, which `load_recipe` reads back."""
    # By way of JSON, which has lists where dataclasses have tuples.
    return yaml.safe_dump(json.loads(json.dumps(dataclasses.asdict(recipe))), sort_keys=False)


def _read_tree(path: Path, name: str, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe file as plain data, merged into the shipped recipe that its key `base` names."""
    if not path.is_file():
        raise InputError(f"no recipe {name!r}{nearest(name, shipped_recipes())}")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path}: a recipe is a YAML mapping with keys like model, data and run")
    base = tree.pop("base", None)
    if base is None:
        return tree
    below = RECIPES / f"{base}.yaml"
    if base not in shipped_recipes() or below in above:
        raise InputError(f"{path}: base {base!r} is not another shipped recipe{nearest(str(base), shipped_recipes())}")
    return _merge(_read_tree(below, base, (*above, path)), tree)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`below` with the keys of `above` in place of its own, section by section."""
    merged = dict(below)
    for key, value in above.items():
        under = below.get(key)
        merged[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _override(tree: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text!r} is not an override; write section.key=value, as in run.steps=900")
    *sections, last = key.split(".")
    branch = tree
    for section in sections:
        branch = branch.setdefault(section, {})
        if not isinstance(branch, dict):
            raise InputError(f"{text!r}: {section!r} has no keys of its own")
    try:
        branch[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"{text!r} is not readable YAML: {error}") from error
