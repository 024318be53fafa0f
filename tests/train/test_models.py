import pytest
import timm
import torch

from portraitnet.runtime.errors import InputError
from portraitnet.train.models import ModelSpec, Normalize, build_model, complexity
from portraitnet.train.models.encoders import build_encoder
from portraitnet.train.weights import write_safetensors

PAPER = ModelSpec(paper_options=True, edge_head=False)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_paper_network_has_the_published_parameter_count():
    assert parameters(build_model(PAPER)) == 2_080_760


def test_paper_encoder_uses_relu_and_keeps_the_first_expansion():
    encoder = build_model(PAPER).encoder
    assert not any(isinstance(m, torch.nn.ReLU6) for m in encoder.modules())
    assert encoder.blocks[0][0].conv_pw.weight.shape == (32, 32, 1, 1)


def test_identity_expansion_leaves_a_loaded_encoder_unchanged():
    """In eval mode with fresh statistics, the expansion of non-negative features is the identity."""
    torch.manual_seed(0)
    plain = timm.create_model("mobilenetv2_100", features_only=True, act_layer=torch.nn.ReLU).eval()
    torch.manual_seed(0)
    paper = build_encoder("mobilenetv2_100", paper_options=True).eval()
    x = torch.rand(1, 3, 64, 64)
    for a, b in zip(paper(x), plain(x), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("encoder", ["mobilenetv2_100", "resnet18", "resnet50", "mobilenetv3_small_100"])
@pytest.mark.parametrize("convolution", ["separable", "plain"])
def test_any_encoder_gives_logits_of_the_input_size(encoder, convolution):
    spec = ModelSpec(encoder=encoder, convolution=convolution, classes=("a", "b", "c"))
    model = build_model(spec).eval()
    with torch.inference_mode():
        logits = model(torch.rand(2, 3, 64, 96))
    assert logits.mask.shape == (2, 3, 64, 96)
    assert logits.edge.shape == (2, 2, 64, 96)


def test_upsampling_starts_as_bilinear_interpolation():
    layer = build_model(ModelSpec()).upsamples[-1]
    x = torch.randn(1, layer.in_channels, 9, 7)
    wanted = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    inner = (..., slice(1, -1), slice(1, -1))  # at the border one pads with zeros, the other with the edge
    assert torch.allclose(layer(x)[inner], wanted[inner], atol=1e-6)


def test_every_parameter_learns():
    model = build_model(ModelSpec())
    logits = model(torch.rand(2, 3, 64, 64))
    (logits.mask.square().mean() + logits.edge.square().mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_normalize_maps_the_imagenet_mean_to_zero():
    mean = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
    torch.testing.assert_close(Normalize()(mean), torch.zeros_like(mean), atol=1e-5, rtol=0)


def test_encoder_weights_from_a_file(tmp_path):
    torch.manual_seed(1)
    donor = build_model(ModelSpec()).encoder.state_dict()
    file = tmp_path / "encoder.safetensors"
    write_safetensors(file, {**donor, "classifier.weight": torch.zeros(2, 2)}, {})
    loaded = build_model(ModelSpec(encoder_weights=str(file))).encoder.state_dict()
    assert all(torch.equal(loaded[key], donor[key]) for key in donor)
    with pytest.raises(InputError, match="does not fit this encoder"):
        build_model(ModelSpec(encoder="resnet18", encoder_weights=str(file)))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ModelSpec(encoder="mobilenetv9"), "no encoder 'mobilenetv9'"),
        (ModelSpec(architecture="unet"), "unknown architecture"),
        (ModelSpec(convolution="round"), "separable or plain"),
        (ModelSpec(encoder="resnet18", paper_options=True), "paper's MobileNetV2"),
        (ModelSpec(encoder_weights="nowhere.safetensors"), "does not exist"),
    ],
)
def test_unusable_specs_say_why(spec, message):
    with pytest.raises(InputError, match=message):
        build_model(spec)


def test_complexity_is_that_of_the_deployed_network():
    parameters_, macs = complexity(build_model(ModelSpec()), (224, 224))
    assert parameters_ == parameters(build_model(ModelSpec(edge_head=False)))
    assert 340e6 < macs < 380e6
