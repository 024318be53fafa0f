"""`portraitnet`: train, evaluate, export, run and benchmark portrait segmentation, each in one command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from . import __version__
from .runtime.errors import InputError

app = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

Size = Annotated[str, typer.Option(help="Input size in pixels: 224, or HEIGHTxWIDTH such as 144x256.")]


def main() -> None:
    """Entry point: bad input is one line on stderr and exit code 2; Ctrl-C is exit code 130."""
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except ModuleNotFoundError as error:
        extra = _EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        print(f"error: this command needs {error.name}; install it with: pip install 'portraitnet[{extra}]'", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


_EXTRA_OF = {
    **dict.fromkeys(["torch", "timm", "lightning", "safetensors", "yaml", "scipy", "tensorboard"], "train"),
    **dict.fromkeys(["onnx", "onnxscript", "coremltools", "litert_torch", "ai_edge_quantizer", "tensorflow"], "export"),
    **dict.fromkeys(["matplotlib", "skimage"], "bench"),
}


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command("train")
def train_command(
    recipe: Annotated[str, typer.Argument(help="A recipe that ships (see `portraitnet recipes`), or a YAML file.")],
    overrides: Annotated[
        Optional[list[str]], typer.Argument(help="Changes to it: section.key=value, as in run.steps=900.")
    ] = None,
    out: Annotated[Optional[Path], typer.Option(help="Run folder; runs/RECIPE unless given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Train a recipe. Needs no data set: `portraitnet train demo` learns from rendered portraits.

    On several GPUs: torchrun --nproc-per-node N -m portraitnet train RECIPE ...
    """
    from .train.loop import train
    from .train.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    best = train(loaded, out or Path("runs") / loaded.name, resume, accelerator)
    print(f"best checkpoint: {best}")


@app.command("recipes")
def recipes_command() -> None:
    """List the recipes that ship, with what each one says about itself."""
    from .train.recipe import load_recipe, shipped_recipes

    for name in shipped_recipes():
        print(f"{name:32} {load_recipe(name).about}")
