"""A network and a trainer that step within milliseconds."""

import numpy as np
import torch
from lightning.fabric import Fabric

from portraitnet.train.data.augment import Batch
from portraitnet.train.models import Logits
from portraitnet.train.recipe import Recipe, parse
from portraitnet.train.trainer import Trainer


class TinyNet(torch.nn.Module):
    """An encoder of one convolution and a mask head, with whatever lies between."""

    def __init__(self, *between):
        super().__init__()
        self.encoder = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.between = torch.nn.Sequential(torch.nn.Tanh(), *between)
        self.mask_head = torch.nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return Logits(self.mask_head(self.between(self.encoder(x))))


def tiny_network(*between):
    torch.manual_seed(0)
    return TinyNet(*between)


def tiny_recipe(run=None, optimizer=None, loss=None):
    run = {"steps": 8, "batch": 2, "ema_decay": 0, **(run or {})}
    optimizer = {"name": "sgd", "momentum": 0, "weight_decay": 0, "schedule": "constant", **(optimizer or {})}
    return parse(Recipe, {"name": "tiny", "run": run, "optimizer": optimizer, "loss": loss or {"consistency": 0}})


def tiny_trainer(network, recipe, state=None, fabric=None, **more):
    return Trainer(recipe, fabric or Fabric(accelerator="cpu", devices=1), network, state=state, **more)


def tiny_batch(seed=0, name="a.png", side=8):
    rng = np.random.default_rng(seed)
    pictures = torch.from_numpy(rng.integers(0, 256, (2, 3, side, side), np.uint8))
    labels = torch.from_numpy(rng.integers(0, 2, (2, side, side), np.uint8))
    return Batch(pictures, pictures, labels, labels, [name, name])
