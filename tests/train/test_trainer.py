"""One step at a time: what the optimizer does, what is averaged, saved and resumed."""

import copy
import math

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.weights import read_safetensors
from portraitnet.train.models import Normalize, PortraitNetSpec, build_model
from portraitnet.train.trainer import batch_losses

from .tiny import tiny_batch, tiny_network, tiny_recipe, tiny_trainer


def gradients(network, batch, recipe):
    copied = copy.deepcopy(network)
    batch_losses(copied, Normalize(), batch, recipe).total.backward()
    return {name: p.grad for name, p in copied.named_parameters()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_decay": 0.1},
        {"encoder_factor": 0.25},
        {"gradient_clip": 0.01},
        {"weight_decay": 0.1, "encoder_factor": 0.25, "gradient_clip": 0.01},
    ],
)
def test_a_step_is_gradient_descent_with_clipping_decay_and_a_slower_encoder(options):
    recipe = tiny_recipe(optimizer={"learning_rate": 0.5, **options})
    network, batch = tiny_network(), tiny_batch()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    grads = gradients(network, batch, recipe)
    norm = math.sqrt(sum(float(g.square().sum()) for g in grads.values()))
    assert norm > 0.1  # so that the clip below takes effect
    clip = options.get("gradient_clip", 0)
    share = min(1, clip / norm) if clip else 1
    trainer = tiny_trainer(network, recipe)
    assert trainer.learning_rate == 0.5
    trainer.train_step(batch)
    for name, p in network.named_parameters():
        rate = 0.5 * (options.get("encoder_factor", 1) if name.startswith("encoder.") else 1)
        expected = before[name] - rate * (share * grads[name] + options.get("weight_decay", 0) * before[name])
        torch.testing.assert_close(p.detach(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("encoder", "count", "last", "next_one"),
    [
        ("mobilenetv2_035", 2, "blocks.1.", "blocks.2."),
        ("resnet18", 1, "bn1.", "layer1."),
        ("resnet18", 0, "", "conv1."),
    ],
)
def test_frozen_stages_keep_weights_and_statistics_and_the_others_learn(encoder, count, last, next_one):
    torch.manual_seed(0)
    network = build_model(PortraitNetSpec(encoder=encoder))
    before = copy.deepcopy(network.encoder.state_dict())
    recipe = tiny_recipe(optimizer={"learning_rate": 0.1, "frozen_stages": count})
    trainer = tiny_trainer(network, recipe)
    trainer.train_step(tiny_batch(side=64))
    after = network.encoder.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    kept = [name for name in before if name not in changed]
    names = list(before)
    border = next(place for place, name in enumerate(names) if name.startswith(next_one))
    assert kept[:border] == names[:border]
    assert not count or names[border - 1].startswith(last)
    assert any(name.startswith(next_one) for name in changed)
    assert any(name.endswith("running_mean") for name in changed)


def test_stages_of_no_encoder_are_not_frozen():
    recipe = tiny_recipe(optimizer={"frozen_stages": 1})
    with pytest.raises(InputError, match=r"optimizer\.frozen_stages needs a network with an encoder of timm's"):
        tiny_trainer(tiny_network(), recipe)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_takes_the_recipes_decay_and_momentum(name):
    recipe = tiny_recipe(optimizer={"name": name, "weight_decay": 0.3, "momentum": 0.7, "encoder_factor": 0.1})
    optimizer = tiny_trainer(tiny_network(), recipe).optimizer
    assert type(optimizer) is {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-4, 1e-3])
    assert all(group["weight_decay"] == 0.3 for group in optimizer.param_groups)
    assert all(group["betas"] == (0.7, 0.999) for group in optimizer.param_groups)


@pytest.mark.parametrize("decay", [0, 0.15, 0.998])
def test_the_average_follows_its_decay_and_warms_up(decay):
    network = tiny_network(torch.nn.BatchNorm2d(4))
    trainer = tiny_trainer(network, tiny_recipe(run={"ema_decay": decay}, optimizer={"learning_rate": 0.5}))
    expected = {key: value.clone() for key, value in network.state_dict().items()}
    for step in range(4):
        trainer.train_step(tiny_batch(step))
        d = min(decay, (1 + step) / (10 + step))
        for key, value in network.state_dict().items():
            floats = value.is_floating_point()
            expected[key] = d * expected[key] + (1 - d) * value if floats else value.clone()
    for key, value in trainer.average.module.state_dict().items():
        torch.testing.assert_close(value, expected[key])
    differs = not torch.equal(trainer.average.module.mask_head.weight, network.mask_head.weight)
    assert differs == (decay > 0)


def test_the_best_weights_are_those_of_the_highest_score_and_the_last_the_newest(tmp_path):
    trainer = tiny_trainer(tiny_network(), tiny_recipe(optimizer={"learning_rate": 0.5}))
    for score in (math.nan, 0.2, 0.5, 0.4, math.nan, 0.5):
        trainer.train_step(tiny_batch())
        trainer.save_weights(tmp_path, {"selection": score})
        if score == 0.5 and trainer.step == 3:
            best = trainer.average.module.mask_head.weight.clone()
    weights, facts = read_safetensors(tmp_path / "best.safetensors")
    assert (facts["step"], facts["scores"]) == (3, {"selection": 0.5})
    assert torch.equal(weights["mask_head.weight"], best)
    weights, facts = read_safetensors(tmp_path / "last.safetensors")
    assert facts["step"] == 6
    assert torch.equal(weights["mask_head.weight"], trainer.network.mask_head.weight)
    assert trainer.best == 0.5


def half_fabric():
    """float16 with a gradient scaler, as on a GPU; Lightning itself takes bfloat16 on a CPU."""
    return Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu")])


@pytest.mark.parametrize("fabric", [lambda: None, half_fabric], ids=["float32", "float16"])
def test_a_resumed_run_with_dropout_is_the_whole_one_bit_for_bit(fabric):
    recipe = tiny_recipe(
        run={"ema_decay": 0.9}, optimizer={"name": "adam", "schedule": "cosine", "learning_rate": 0.01}
    )
    layers = torch.nn.Dropout2d(0.5), torch.nn.BatchNorm2d(4)
    whole = tiny_trainer(tiny_network(*layers), recipe, fabric=fabric())
    losses = []
    for step in range(8):
        losses.append(whole.train_step(tiny_batch(step)))
        if step == 3:
            halfway = copy.deepcopy(whole.state())
    torch.manual_seed(12345)  # a new process knows nothing of the old one's random numbers
    resumed = tiny_trainer(tiny_network(*map(copy.deepcopy, layers)), recipe, state=halfway, fabric=fabric())
    assert resumed.step == 4
    assert [resumed.train_step(tiny_batch(step)) for step in range(4, 8)] == losses[4:]
    for key, value in whole.state().average.items():
        assert torch.equal(resumed.state().average[key], value)
    assert resumed.state().scaler == whole.state().scaler
    assert bool(whole.state().scaler) == (fabric is half_fabric)


def test_dropout_differs_from_step_to_step_and_from_seed_to_seed():
    losses = set()
    for seed in (1, 2):
        recipe = tiny_recipe(run={"seed": seed}, optimizer={"learning_rate": 0})
        trainer = tiny_trainer(tiny_network(torch.nn.Dropout(0.5)), recipe)
        losses |= {trainer.train_step(tiny_batch())["loss"] for _ in range(3)}
    assert len(losses) == 6


def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_pictures():
    trainer = tiny_trainer(tiny_network(), tiny_recipe(), class_weights=torch.tensor([math.nan, 1.0]))
    with pytest.raises(InputError, match=r"loss is nan at step 0; its pictures were: bad.png, bad.png"):
        trainer.train_step(tiny_batch(name="bad.png"))
    assert trainer.step == 0


@pytest.mark.parametrize(("factor", "lost"), [(10.0, False), (1e6, True)])
def test_a_loss_a_thousand_times_the_usual_ends_the_run(factor, lost):
    """As of a network whose one huge step no later one mends: it would train on to its end for nothing."""
    network = tiny_network()
    trainer = tiny_trainer(network, tiny_recipe(optimizer={"learning_rate": 0}))
    assert trainer.train_step(tiny_batch())["loss"] < 2
    with torch.no_grad():
        network.mask_head.weight.mul_(factor)
    if lost:
        with pytest.raises(InputError, match=r"loss is \d\S+ at step 1; its pictures.*gradient_clip=1"):
            trainer.train_step(tiny_batch())
    else:
        trainer.train_step(tiny_batch())
    assert trainer.step == 2 - lost


def test_a_run_whose_losses_are_large_from_the_start_goes_on():
    """As of a recipe with large weights: a thousand is no loss too many, a thousand times the usual is."""
    network = tiny_network()
    trainer = tiny_trainer(network, tiny_recipe(optimizer={"learning_rate": 0}))
    with torch.no_grad():
        network.mask_head.weight.mul_(1e5)
    assert all(trainer.train_step(tiny_batch())["loss"] > 2000 for _ in range(3))


def test_a_state_of_another_network_is_refused():
    state = tiny_trainer(tiny_network(torch.nn.BatchNorm2d(4)), tiny_recipe()).state()
    with pytest.raises(InputError, match="does not fit this recipe's network"):
        tiny_trainer(tiny_network(), tiny_recipe(), state=state)
