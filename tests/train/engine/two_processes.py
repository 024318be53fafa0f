"""What one of two processes finds, printed as a line of JSON: torchrun ... two_processes.py FOLDER."""

import json
import math
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from lightning.fabric import Fabric

from portraitnet.runtime.errors import InputError
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.losses import portrait_losses
from portraitnet.train.models import Logits
from portraitnet.train.recipe import LossSpec
from portraitnet.train.validation import Validation

sys.path.insert(0, str(Path(__file__).parents[2]))
from train.tiny import tiny_batch, tiny_network, tiny_recipe, tiny_trainer

CASES = {
    "unknown": {"edge": 0},
    "weights": {"edge": 0, "weighted": True},
    "hard": {"edge": 0, "hard_threshold": 0.7, "hard_pixels": 20},
    "dice": {"edge": 0, "dice": 1},
    "edge": {"edge": 1},
    "jaccard": {"edge": 0, "jaccard": 1},
}


def gradient(rank, world, weighted=False, **options):
    """Of one layer, for the share of four pictures that one of `world` processes has."""
    torch.manual_seed(0)
    pictures, labels = torch.randn(4, 3, 8, 8, dtype=torch.float64), torch.randint(0, 3, (4, 8, 8))
    labels[0], labels[1, :5], labels[3] = 255, 255, 2
    edge = torch.randint(0, 2, (4, 8, 8))
    edge[:2, :6] = 255
    layer = torch.nn.Conv2d(3, 5, 1).double()
    mine = slice(rank * 4 // world, (rank + 1) * 4 // world)
    both = layer(pictures[mine])
    weights = torch.tensor([1.0, 5.0, 0.2], dtype=torch.float64) if weighted else None
    spec = LossSpec(consistency=0, **options)
    losses = portrait_losses(Logits(both[:, :3], both[:, 3:]), None, labels[mine], edge[mine], spec, weights)
    losses.total.backward()
    return layer.weight.grad


alone = {name: gradient(0, 1, **options) for name, options in CASES.items()}
fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
rank = fabric.global_rank

apart = {}
for name, options in CASES.items():
    share = gradient(rank, fabric.world_size, **options)
    dist.all_reduce(share)  # as DDP does: the mean over processes
    apart[name] = float((share / fabric.world_size - alone[name]).abs().max() / alone[name].abs().max())

weights = torch.tensor([math.nan if rank == 1 else 1.0, 1.0])
trainer = tiny_trainer(tiny_network(), tiny_recipe(), fabric=fabric, class_weights=weights)
try:
    trainer.train_step(tiny_batch(name=f"rank{rank}.png"))
    message = "no error"
except InputError as error:
    message = str(error)


class Counted(Folder):
    reads = 0

    def read(self, index):
        self.reads += 1
        return super().read(index)


source = Counted(Path(sys.argv[1]))
scores = Validation(tiny_recipe(), {"discs": source})(tiny_network())
found = {"message": message, "reads": source.reads, "scores": scores, "apart": apart}
Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(found))
