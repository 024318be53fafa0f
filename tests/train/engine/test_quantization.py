import copy
import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.quantization import FakeQuantization, rounded_weight, takes_picture
from portraitnet.train.engine.state import load_state, save_state
from portraitnet.train.models import PortraitNetSpec, build_model
from portraitnet.train.models.padding import DEVIATION
from portraitnet.train.pretrained.mediapipe import SPEC
from portraitnet.train.recipe import RunSpec

from ..tiny import tiny_batch, tiny_network, tiny_recipe, tiny_trainer


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1), nn.Tanh())


class Gated(nn.Module):
    """Int8 inference stores the convolution, its mean, the gate, the product and the sum; resizing keeps the steps."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = self.first(x)
        gated = x * torch.sigmoid(x.mean((2, 3), keepdim=True)) + x
        return self.last(functional.interpolate(gated, scale_factor=2.0, mode="bilinear"))


def in_256_steps(x, low, high):
    scale = (high - low) / 255
    return ((x / scale).round().clamp((low / scale).round(), (low / scale).round() + 255)) * scale


def test_activations_take_256_values_within_and_any_without():
    network, x = small_network().eval(), torch.randn(4, 4, 32, 32)
    fake = FakeQuantization(network)
    with fake.applied():
        rounded = network(x)
    # Neither the bare filter's output nor its norm's: filter, norm and ReLU are one operator. Nor the network's output.
    assert fake.ranges.shape == (2, 2)
    first, norm, clip, second, last = copy.deepcopy(network)
    first.weight.data, second.weight.data = rounded_weight(first).detach(), rounded_weight(second).detach()
    stored = in_256_steps(clip(norm(first(x))), 0, fake.ranges[0, 1])
    stored = in_256_steps(second(stored), *fake.ranges[1])
    torch.testing.assert_close(rounded, last(stored), atol=1e-4, rtol=0)
    assert 0 < float((rounded - network(x)).detach().abs().mean()) < 2 * 2 / 255


def test_operators_that_are_no_modules_are_rounded_too():
    network, x = Gated(), torch.randn(2, 4, 8, 8)
    fake, seen = FakeQuantization(network), {}
    network.last.register_forward_hook(lambda module, given, output: seen.update(resized=given[0]))
    with fake.applied():
        network(x)
    first, mean, gate, product, total = fake.ranges.tolist()
    assert mean[1] < first[1]
    assert (gate[0], gate[1] < 1) == (0, True)
    assert product[1] < total[1]
    # The resized map reaches the last convolution unrounded; it takes it in the steps of the sum.
    assert len(fake.ranges) == 5
    assert float(seen["resized"].detach().max()) <= total[1] + 1e-5


def test_a_constant_is_part_of_the_bias_and_hard_swish_is_written_out():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x):
            return self.last(functional.hardswish(self.first(x - 1) + torch.ones(1, 4, 1, 1)))

    network = Network()
    fake = FakeQuantization(network)
    with fake.applied():
        network(5 * torch.randn(2, 4, 8, 8))
    # The sum, RELU6(x + 3), their product, a sixth of it.
    assert len(fake.ranges) == 4
    assert fake.ranges[1].tolist() == [0, pytest.approx(min(6, float(fake.ranges[0, 1]) + 3), abs=1e-5)]
    torch.testing.assert_close(fake.ranges[3] * 6, fake.ranges[2], rtol=0.02, atol=0.05)


def test_no_activation_outlives_its_step():
    network, kept = nn.Sequential(nn.Conv2d(4, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1)), []
    network[1].register_forward_hook(lambda module, given, output: kept.append(weakref.ref(output)))
    gc.disable()  # a cycle would wait for it
    try:
        with FakeQuantization(network).applied():
            network(torch.randn(2, 4, 8, 8))
        assert kept[0]() is None
    finally:
        gc.enable()


def test_ranges_that_do_not_learn_stay():
    network = small_network()
    fake = FakeQuantization(network)
    with fake.applied():
        network(torch.randn(2, 4, 8, 8))
    before = fake.ranges.clone()
    with fake.applied(learn=False):
        network(9 * torch.randn(2, 4, 8, 8))
    assert torch.equal(fake.ranges, before)


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


def test_the_weights_that_take_the_picture_have_the_steps_of_raw_bytes():
    network = build_model(SPEC)
    stem = takes_picture(network)
    assert stem is network.encoder.conv_stem
    assert takes_picture(small_network()) is None  # takes four channels
    raw = rounded_weight(stem, picture=True).detach() / torch.tensor(DEVIATION).view(1, 3, 1, 1)
    steps = raw / (raw.abs().amax((1, 2, 3), keepdim=True) / 127)
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)


def test_ranges_follow_batches_slowly_and_one_strange_batch_changes_little():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Tanh())
    nn.init.ones_(network[0].weight)
    fake = FakeQuantization(network)
    with fake.applied():
        network(torch.full((2, 1, 2, 2), 0.5))
        first = fake.ranges.clone()
        network(torch.full((2, 1, 2, 2), -50.0))
    torch.testing.assert_close(first[0], torch.tensor([0.0, 0.5]), atol=3e-3, rtol=0)
    torch.testing.assert_close(fake.ranges[0], torch.tensor([-2.5, 0.475]), atol=3e-3, rtol=0)


def test_logits_are_not_rounded_since_export_gives_them_their_own_range():
    network = build_model(PortraitNetSpec(encoder="mobilenetv2_035", edge_head=False)).eval()
    fake = FakeQuantization(network)
    with fake.applied():
        logits = network(torch.randn(1, 3, 64, 64)).mask
    assert len(logits.unique()) > 1000
    assert len(fake.ranges) > 50


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
