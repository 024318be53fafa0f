import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.quantization import FakeQuantization, rounded_weight, stored_modules
from portraitnet.train.engine.state import load_state, save_state
from portraitnet.train.models import PortraitNetSpec, build_model
from portraitnet.train.pretrained.mediapipe import SPEC
from portraitnet.train.recipe import RunSpec

from ..tiny import tiny_batch, tiny_network, tiny_recipe, tiny_trainer


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1), nn.Tanh(), nn.Flatten(0, 1)
    )


def test_activations_take_256_values_within_and_any_without():
    network, x = small_network(), torch.randn(4, 3, 32, 32)
    seen = {}
    for name, module in network.named_children():
        module.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))
    with FakeQuantization(network).applied():
        rounded = network(x)
    # The bare filter's output and its norm's are no activations of their own: ReLU, norm and filter are one operator.
    assert all(len(seen[name].unique()) > 256 for name in ("1", "2"))
    assert all(len(seen[name].unique()) <= 256 for name in ("3", "4", "5"))
    plain = network(x)
    assert len(plain.unique()) > 256
    assert 0 < float((rounded - plain).detach().abs().mean()) < 2 * 2 / 255


def test_weights_take_255_values_for_each_channel():
    weight = rounded_weight(nn.Conv2d(400, 8, 3))
    for channel in weight:
        assert 200 < len(channel.unique()) <= 255
    up = nn.ConvTranspose2d(400, 2, 4, stride=2)
    with torch.no_grad():
        up.weight[:, :, ::2] *= 100  # one row of phases; the others keep steps of their own
    rounded = rounded_weight(up)
    error, weight = (rounded - up.weight).detach()[:, :, 1::2].abs(), up.weight.detach()[:, :, 1::2].abs()
    assert float(error.max() / weight.max()) < 1 / 250


def test_rounding_before_and_after_batch_norm_is_folded_are_the_same():
    conv, norm = nn.Conv2d(6, 16, 3, bias=False), nn.BatchNorm2d(16)
    torch.manual_seed(1)
    with torch.no_grad():
        norm.weight.normal_()
        norm.running_var.uniform_(0.1, 4)
    facts = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
    folded = copy.deepcopy(conv)
    folded.weight, _ = fuse_conv_bn_weights(conv.weight, None, *facts)
    conv.weight = nn.Parameter(rounded_weight(conv).detach())
    torch.testing.assert_close(fuse_conv_bn_weights(conv.weight, None, *facts)[0], rounded_weight(folded))


def test_gradients_pass_and_nothing_is_left_behind():
    for spec in (SPEC, PortraitNetSpec(encoder="mobilenetv2_035", padding="tensorflow", open_border=True)):
        network = build_model(spec).train()
        keys, order = list(network.state_dict()), [id(p) for p in network.parameters()]
        with FakeQuantization(network).applied():
            network(torch.randn(2, 3, 64, 64)).mask.square().mean().backward()
        assert all(p.grad is not None for name, p in network.named_parameters() if not name.startswith("edge_head"))
        assert list(network.state_dict()) == keys
        assert [id(p) for p in network.parameters()] == order
        assert not any(m._forward_hooks or m._forward_pre_hooks or "weight" in m.__dict__ for m in network.modules())


def test_a_forward_pass_that_fails_leaves_the_weights_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(RuntimeError), FakeQuantization(network).applied():
        network(torch.zeros(1, 7, 8, 8))
    assert network[0].weight is network[0]._parameters["weight"]


def test_ranges_follow_batches_slowly_and_one_strange_batch_changes_little():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Tanh())
    nn.init.ones_(network[0].weight)
    fake = FakeQuantization(network)
    with fake.applied():
        network(torch.full((2, 1, 2, 2), 0.5))
        first = fake.ranges.clone()
        network(torch.full((2, 1, 2, 2), -50.0))
    torch.testing.assert_close(first[0], torch.tensor([0.0, 0.5]).tanh(), atol=3e-3, rtol=0)
    torch.testing.assert_close(fake.ranges[0], torch.tensor([-0.05, 0.95 * float(first[0, 1])]), atol=3e-3, rtol=0)


def test_heads_are_not_rounded_since_export_gives_logits_their_own_range():
    network = build_model(PortraitNetSpec(encoder="mobilenetv2_035"))
    names = {id(module): name for name, module in network.named_modules()}
    stored = [names[id(module)] for module in stored_modules(network)]
    assert "mask_head" not in stored
    assert "edge_head" not in stored
    assert len(stored) > 50


def test_a_resumed_run_goes_on_as_one_that_was_not_stopped(tmp_path):
    def trainer(state=None):
        torch.manual_seed(0)
        network = tiny_network(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        return tiny_trainer(network, tiny_recipe({"quantization": "w8a8"}), state)

    whole, torn = trainer(), trainer()
    for step in range(4):
        whole.train_step(tiny_batch(step))
    for step in range(2):
        torn.train_step(tiny_batch(step))
    save_state(tmp_path, torn.state())
    resumed = trainer(load_state(tmp_path))
    for step in range(2, 4):
        resumed.train_step(tiny_batch(step))
    torch.testing.assert_close(resumed.quantization.ranges, whole.quantization.ranges, rtol=0, atol=0, equal_nan=True)
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], value, rtol=0, atol=0)
    (tmp_path / "step-00000002" / "quantization.safetensors").unlink()
    with pytest.raises(InputError, match="step-00000002 is damaged"):
        load_state(tmp_path)


def test_compiling_is_refused():
    with pytest.raises(InputError, match=r"run\.compile does not go with run\.quantization=w8a8"):
        RunSpec(compile=True, quantization="w8a8")
