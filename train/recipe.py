"""Recipes: YAML files read into frozen dataclasses. Unknown keys are refused with the nearest known name."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from ..runtime.errors import InputError
from ..runtime.geometry import GEOMETRIES, LETTERBOX
from .models import ModelSpec

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class SourceSpec:
    """One data set, and how much of it is drawn."""

    kind: str  # folder, voc, celebamask ...: see datasets.LAYOUTS; or synthetic
    path: str = ""  # relative to data.root
    split: str = "train"  # train | val | test | all, as far as the set has them
    holdout: float = 0.2  # share kept from training by hash, for sets that come without splits
    test_share: float = 0.0  # of the held-out pictures, the share that is `test`; the rest is `val`
    weight: float = 1.0  # how often a picture is drawn, relative to the other sources' pictures
    upper_body: float = 0.0  # probability of cropping a person to head and upper body
    only_portraits: bool = False  # keep pictures framed like portraits (see datasets.base.is_portrait)
    limit: int = 0  # at most so many pictures (0: all); for `synthetic`, the number of scenes


@dataclass(frozen=True)
class AugmentSpec:
    """The paper's augmentation; ranges are uniform. `geometry` is shared by the pair, the rest is not."""

    rotation: float = 45.0  # degrees, both ways
    scale: tuple[float, float] = (0.5, 1.5)
    translation: float = 0.25  # share of the input, both ways
    flip: float = 0.5  # probability
    swap_sides: bool = True  # labels of a left and a right part change places in a mirrored picture
    texture_probability: float = 1.0  # of each of the following changes, drawn one by one
    hue: tuple[float, float] = (1.0, 1.0)  # factors of hue, lightness and saturation (HLS)
    lightness: tuple[float, float] = (1.0, 1.0)
    saturation: tuple[float, float] = (1.0, 1.0)
    colour: tuple[float, float] = (0.4, 1.6)
    brightness: tuple[float, float] = (0.4, 1.6)
    contrast: tuple[float, float] = (0.6, 1.4)
    sharpness: tuple[float, float] = (0.8, 1.2)
    blur: tuple[int, ...] = (3, 5)  # kernel sizes drawn from, beside none; odd, or 0 for none
    blur_kernel: Literal["gaussian", "box"] = "gaussian"
    noise: float = 10.0  # largest standard deviation, of 255
    cut_and_paste: float = 0.0  # probability of laying the person on another picture's background

    def __post_init__(self) -> None:
        wrong = [size for size in self.blur if size and not (1 <= size <= 31 and size % 2)]
        if wrong:
            raise InputError(f"data.augment.blur holds {wrong[0]}: kernel sizes are odd, up to 31, or 0 for none")


@dataclass(frozen=True)
class DataSpec:
    root: str = "."
    size: tuple[int, int] = (224, 224)  # input height, width
    geometry: str = LETTERBOX  # how a picture fills the input: one of runtime.geometry.GEOMETRIES
    train: tuple[SourceSpec, ...] = (SourceSpec("synthetic"),)
    validate: tuple[SourceSpec, ...] = (SourceSpec("synthetic", split="val", limit=64),)
    augment: AugmentSpec = AugmentSpec()
    canvas: float = 2.0  # pictures are kept at this many times the input: what zooms and crops have to look at
    cache: str = ""  # folder of the decoded pictures; the user's cache folder unless given, or none
    workers: int = 2

    def __post_init__(self) -> None:
        if self.geometry not in GEOMETRIES:
            raise InputError(f"data.geometry is {self.geometry!r}; it must be one of {', '.join(GEOMETRIES)}")


@dataclass(frozen=True)
class LossSpec:
    """How each pixel is judged, and the weights of the losses beside that; 0 leaves one out."""

    pixel: Literal["cross_entropy", "exponential"] = "cross_entropy"
    class_weights: Literal["none", "inverse_log"] = "none"  # computed from the training masks
    hard_threshold: float = 0.0  # only pixels whose true class is less probable than this count (OHEM); 0: all
    hard_pixels: int = 100_000  # and at least so many of each picture's
    consistency: float = 2.0  # this and the next are the paper's
    edge: float = 0.1
    jaccard: float = 0.0  # soft IoU of the foreground, per picture
    dice: float = 0.0  # soft Dice of every class, over the batch
    auxiliary: float = 0.4  # the pixel loss of a second head, where the network has one
    teachers: tuple[str, ...] = ()  # checkpoints asked in turn about the plain views, for the next
    distillation: float = 2.0  # KL divergence from what the teacher says
    temperature: float = 1.0  # of both KL divergences, which are multiplied by its square
    kl_mean: Literal["elements", "pixels"] = "elements"  # the paper's code; or the mean of the sum over classes
    focal_weight: Literal["detached", "differentiable"] = (
        "detached"  # of the edge loss: the paper's code, or by the book
    )


@dataclass(frozen=True)
class OptimizerSpec:
    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    momentum: float = 0.9  # of sgd; for adam, its beta1
    schedule: Literal["constant", "cosine", "step", "poly", "onecycle"] = "cosine"  # onecycle: momentum too
    warmup_steps: int = 0
    step_every: int = 1000  # schedule: step
    step_factor: float = 0.9
    poly_power: float = 0.9
    gradient_clip: float = 0.0  # largest norm; 0: none
    encoder_factor: float = 1.0  # of the learning rate, for the encoder's parameters
    fixed_statistics: bool = False  # batch normalisation keeps the means and variances that it starts with


@dataclass(frozen=True)
class RunSpec:
    steps: int = 1000
    batch: int = 64  # pictures per step, over all processes together
    seed: int = 1
    start_from: str = ""  # a checkpoint whose weights the run starts from, instead of the encoder's alone
    precision: Literal["32-true", "bf16-mixed", "64-true"] = "32-true"  # 64: to tell rounding from mistakes
    compile: bool = False  # torch.compile: 1.4 times the speed on a CPU, after three minutes of compiling
    ema_decay: float = 0.998  # 0: none
    rounded_activations: bool = False  # as int8 will round them: for a last, short run at a low learning rate
    evaluate_every: int = 500
    checkpoint_every: int = 100
    log_every: int = 10


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run."""

    name: str
    about: str = ""  # hardware, time and expected score; who measured it
    model: ModelSpec = ModelSpec()
    data: DataSpec = DataSpec()
    loss: LossSpec = LossSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    run: RunSpec = RunSpec()


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by file, or by the name of one that ships; apply `section.key=value` overrides (YAML)."""
    path = Path(name)
    if not path.suffix:
        path = RECIPES / f"{name}.yaml"
    tree = {"name": path.stem, **_read_tree(path, str(name))}
    for override in overrides:
        _override(tree, override)
    return parse(Recipe, tree, path.name)


def shipped_recipes() -> list[str]:
    """Names of the recipes in train/recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def parse(kind: type, value: Any, where: str = "recipe") -> Any:
    """Build `kind` (a dataclass, tuple, literal or scalar type) from plain YAML or JSON data, checking types."""
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected a mapping of {', '.join(_types(kind))}, got {value!r}")
        known = _types(kind)
        for key in value:
            if key not in known:
                raise InputError(f"{where}: unknown key {key!r}{_nearest(str(key), list(known))}")
        fields = {key: parse(known[key], item, f"{where}: {key}") for key, item in value.items()}
        try:
            return kind(**fields)
        except TypeError as error:
            raise InputError(f"{where}: {str(error).split('__init__() ')[-1]}") from error
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{where}: expected a list, got {value!r}")
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(arguments) != len(value):
            raise InputError(f"{where}: expected {len(arguments)} values, got {value!r}")
        return tuple(parse(a, v, where) for a, v in zip(arguments, value, strict=True))
    if origin is Literal:
        if value not in arguments:
            raise InputError(f"{where}: {value!r} is none of {', '.join(map(str, arguments))}")
        return value
    return _scalar(kind, value, where)


def _read_tree(path: Path, name: str, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe file as plain data, laid over the shipped recipe that its key `base` names."""
    if not path.is_file():
        raise InputError(f"no recipe {name!r}{_nearest(name, shipped_recipes())}")
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
        raise InputError(f"{path}: base {base!r} is not another shipped recipe{_nearest(str(base), shipped_recipes())}")
    return _laid_over(_read_tree(below, base, (*above, path)), tree)


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = below.get(key)
        merged[key] = _laid_over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 reads 1e-3 as text
        except ValueError:
            pass
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, (int, float, types.NoneType)) and not isinstance(value, bool):
        return "none" if value is None else str(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{where}: expected {kind.__name__}, got {value!r}")
    return value


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


def _types(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
