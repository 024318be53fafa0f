import torch
from torch import nn

from portraitnet.train.engine.rounding import rounded_activations
from portraitnet.train.models import PortraitNetSpec, build_model
from portraitnet.train.pretrained.mediapipe import SPEC


def test_activations_take_256_values_within_and_any_without():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1))
    seen = {}
    for name, module in network.named_children():
        module.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))
    x = torch.randn(4, 3, 32, 32)
    with rounded_activations(network):
        rounded = network(x)
    assert len(seen["1"].unique()) > 256  # the bare filter's output is no activation: the norm behind it is its own
    for activation in (seen["2"], seen["3"], rounded):
        assert len(activation.unique()) <= 256
    plain = network(x)
    assert len(plain.unique()) > 256
    step = float(plain.detach().amax() - plain.detach().amin()) / 255
    assert float((rounded - plain).detach().abs().mean()) < 2 * step


def test_gradients_pass_and_nothing_is_left_behind():
    for spec in (SPEC, PortraitNetSpec(encoder="mobilenetv2_035", padding="tensorflow", open_border=True)):
        network = build_model(spec).train()
        keys = list(network.state_dict())
        with rounded_activations(network):
            network(torch.randn(2, 3, 64, 64)).mask.square().mean().backward()
        assert all(p.grad is not None for name, p in network.named_parameters() if not name.startswith("edge_head"))
        assert list(network.state_dict()) == keys
        assert not any(module._forward_hooks for module in network.modules())
