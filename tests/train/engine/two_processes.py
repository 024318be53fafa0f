"""What one of two processes finds, printed as a line of JSON: torchrun ... two_processes.py FOLDER."""

import json
import math
import sys
from pathlib import Path

import torch
from lightning.fabric import Fabric

from portraitnet.runtime.errors import InputError
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.validation import Validation

sys.path.insert(0, str(Path(__file__).parents[2]))
from train.tiny import tiny_batch, tiny_network, tiny_recipe, tiny_trainer

fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
rank = fabric.global_rank

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
Path(sys.argv[1], f"{rank}.json").write_text(json.dumps({"message": message, "reads": source.reads, "scores": scores}))
