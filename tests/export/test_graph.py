"""The rewrites of the deployed graph are exact."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPBlock
from torch import nn

from portraitnet.export.graph import ChannelsLast, DeployedGraph, PyramidBlock, SubPixelUpsample, check_same
from portraitnet.runtime.errors import InputError
from portraitnet.train.models import PortraitNetSpec, SelfieSpec, SelfieTransformerSpec, build_model


def random_statistics(model):
    """Batch-norm statistics of a fresh network are 0 and 1, which would hide a mistake in folding them."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) * 0.1)
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
    return model.eval()


@pytest.mark.parametrize(("kernel", "padding"), [(4, 1), (6, 2)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("phases_first", [False, True])
def test_sub_pixel_upsample_is_the_transposed_convolution(kernel, padding, bias, phases_first):
    torch.manual_seed(0)
    up = nn.ConvTranspose2d(5, 3, kernel, stride=2, padding=padding, bias=bias)
    x = torch.randn(2, 5, 7, 6)
    replacement = SubPixelUpsample(up)
    if phases_first:
        replacement.order_phases_first()
    with torch.inference_mode():
        torch.testing.assert_close(replacement(x), up(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "up",
    [
        nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, groups=4),
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1),
        nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, output_padding=1),
    ],
)
def test_other_transposed_convolutions_are_left_alone(up):
    assert not SubPixelUpsample.fits(up)


@pytest.mark.parametrize(
    "spec",
    [
        PortraitNetSpec(encoder="mobilenetv2_035"),
        PortraitNetSpec(encoder="mobilenetv2_100", paper_options=True),
        PortraitNetSpec(encoder="mobilenetv2_035", classes=("a", "b", "c"), edge_head=False),
        PortraitNetSpec(encoder="resnet18", convolution="plain"),
        PortraitNetSpec(encoder="mobilenetv2_035", open_border=True),
        PortraitNetSpec(encoder="mobilenetv2_035", open_border=True, classes=("a", "b", "c")),
        PortraitNetSpec(encoder="resnet18", convolution="plain", open_border=True, one_logit=True),
        PortraitNetSpec(encoder="mobilenetv2_035", padding="tensorflow", open_border=True),
        PortraitNetSpec(encoder="mobilenetv2_035", padding="tensorflow", paper_options=True),
        PortraitNetSpec(encoder="efficientnet_lite0", padding="tensorflow", convolution="plain"),  # 5x5 filters as well
        PortraitNetSpec(encoder="mobilenetv2_035", detail=True),
        PortraitNetSpec(encoder="mobilenetv2_035", padding="tensorflow", open_border=True, detail=True),
        PortraitNetSpec(encoder="resnet18", convolution="plain", one_logit=True, detail=True),
        SelfieSpec(),
        SelfieSpec(classes=("a", "b", "c")),
        SelfieTransformerSpec(),
    ],
    ids=lambda spec: f"{type(spec).__name__}-{spec.encoder}-{len(spec.classes)}",
)
def test_deployed_graph_equals_the_trained_network(spec):
    torch.manual_seed(1)
    model = random_statistics(build_model(spec))
    if isinstance(spec, PortraitNetSpec) and spec.detail:
        nn.init.normal_(model.detail_head.up.weight)  # which starts at zero
    before = {key: value.clone() for key, value in model.state_dict().items()}
    graph = DeployedGraph(model)
    assert check_same(model, graph, (64, 128)) < 5e-5
    kinds = {type(module).__name__ for module in graph.modules()}
    assert not kinds & {"BatchNorm2d", "BatchNormAct2d"}
    assert ("ConvTranspose2d" in kinds) == spec.architecture.startswith("selfie")  # whose kernel of 2 has no overlap
    assert getattr(graph.model, "edge_head", None) is None
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())

    rgb = torch.rand(1, 3, 64, 128) * 255
    with torch.inference_mode():
        expected = graph(rgb).permute(0, 2, 3, 1)
        assert expected.shape[-1] == (1 if len(spec.classes) == 2 else 3)
        for inside in (False, True):
            found = ChannelsLast(graph, inside)(rgb.permute(0, 2, 3, 1))
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_an_open_border_changes_the_outermost_pixels_alone():
    torch.manual_seed(0)
    spec = PortraitNetSpec(encoder="mobilenetv2_035")
    paper = random_statistics(build_model(spec))
    opened = build_model(replace(spec, open_border=True)).eval()
    opened.load_state_dict(paper.state_dict())
    picture = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        one, other = paper(picture), opened(picture)
    for mine, theirs in ((one.mask, other.mask), (one.edge, other.edge)):
        torch.testing.assert_close(mine[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1])
        assert not torch.allclose(mine, theirs)


def test_an_open_border_leaves_one_convolution_after_the_last_block():
    graph = DeployedGraph(build_model(PortraitNetSpec(encoder="mobilenetv2_035", open_border=True)))
    assert isinstance(graph.model.upsamples[-1], nn.Identity)
    assert graph.model.mask_head.conv.out_channels == 4


def test_a_rewrite_that_does_not_hold_is_refused():
    model = random_statistics(build_model(PortraitNetSpec(encoder="mobilenetv2_035")))
    graph = DeployedGraph(model)
    graph.model.mask_head.weight.data *= 50
    with pytest.raises(InputError, match="differs from the trained network"):
        check_same(model, graph, (64, 64))


@pytest.mark.parametrize("bins", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(28, 28), (7, 10), (6, 4)])
def test_a_pyramid_level_is_a_product_with_fixed_matrices(bins, size):
    """Bins that do not divide the map overlap, and there may be more bins than rows."""
    block = PSPBlock(8, 4, bins).eval()
    x = torch.randn(2, 8, *size)
    with torch.inference_mode():
        torch.testing.assert_close(PyramidBlock(block)(x), block(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("convolution", ["plain", "separable"])
def test_one_logit_is_deployed_as_it_is(convolution):
    torch.manual_seed(0)
    spec = PortraitNetSpec(encoder="resnet18", convolution=convolution, one_logit=True, edge_head=False)
    model = random_statistics(build_model(spec))
    graph = DeployedGraph(model)
    assert graph.single
    assert check_same(model, graph, (64, 64)) < 1e-4
    assert model.one_logit  # the trained model is left alone
