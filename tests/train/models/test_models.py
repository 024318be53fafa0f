import pytest
import timm
import torch

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.checkpoint import load_checkpoint, save_checkpoint
from portraitnet.train.engine.weights import write_safetensors
from portraitnet.train.losses import portrait_losses
from portraitnet.train.models import ModelSpec, Normalize, build_model, check_size, complexity, without_training_heads
from portraitnet.train.models.dilated import HEADS, ObjectContext
from portraitnet.train.models.encoders import build_encoder
from portraitnet.train.recipe import LossSpec

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


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("encoder", ["resnet18", "mobilenetv2_100"])
@pytest.mark.parametrize("architecture", HEADS)
def test_dilated_networks_train_save_load_and_deploy(architecture, encoder, output_stride, tmp_path):
    torch.manual_seed(0)
    spec = ModelSpec(architecture, encoder, classes=("a", "b", "c"), output_stride=output_stride, auxiliary_head=True)
    model = build_model(spec)
    pictures, labels = torch.rand(2, 3, 64, 96), torch.randint(0, 3, (2, 64, 96))
    logits = model(pictures)
    assert logits.mask.shape == logits.auxiliary.shape == (2, 3, 64, 96)
    assert logits.edge is None
    losses = portrait_losses(logits, None, labels, labels, LossSpec(consistency=0, edge=0))
    losses.total.backward()
    torch.testing.assert_close(losses.total, losses.mask + 0.4 * losses.auxiliary)
    # timm starts a ResNet's residual branches at zero: what lies before them moves from the second step on.
    learns = {name: p.grad is not None and bool(p.grad.any()) for name, p in model.named_parameters()}
    assert all(moved for name, moved in learns.items() if encoder != "resnet18" or not name.startswith("encoder."))

    save_checkpoint(tmp_path / "m.safetensors", model.state_dict(), spec, (64, 96), {})
    again, deployed = load_checkpoint(tmp_path / "m.safetensors").model, without_training_heads(model).eval()
    with torch.inference_mode():
        expected = model.eval()(pictures)
        torch.testing.assert_close(again(pictures).mask, expected.mask)
        torch.testing.assert_close(deployed(pictures).mask, expected.mask)
    assert (deployed.auxiliary_head is None) == (architecture != "ocr")  # whose regions are that head's
    assert parameters(deployed) <= parameters(model)


def test_object_context_mixes_in_the_mean_of_each_pixels_region():
    """With regions that are certain, the regions' features are the means of their pixels."""
    torch.manual_seed(0)
    head = ObjectContext(4, 8).eval()
    features, rough = torch.rand(1, 4, 4, 4), torch.full((1, 2, 4, 4), -100.0)
    rough[:, 0, :2] = rough[:, 1, 2:] = 100.0
    seen = []
    head.value.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.inference_mode():
        head(features, rough)
        pixels = head.pixels(features)
    expected = torch.stack([pixels[:, :, :2].mean((2, 3)), pixels[:, :, 2:].mean((2, 3))], 2)
    torch.testing.assert_close(seen[0].squeeze(3), expected)


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
        (ModelSpec(auxiliary_head=True), "portraitnet has edge_head"),
        (ModelSpec("pspnet", paper_options=True), "leave them out"),
        (ModelSpec("pspnet", output_stride=4), "must be 8 or 16"),
        (ModelSpec("pspnet", "edgenext_small"), "cannot be dilated"),
        (ModelSpec(encoder="resnet18", paper_options=True), "paper's MobileNetV2"),
        (ModelSpec(encoder="resnet18", padding="tensorflow"), "leave model.padding at torch"),
        (ModelSpec(padding="valid"), "torch or tensorflow"),
        (ModelSpec("pspnet", padding="tensorflow"), "leave them out"),
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


def test_half_of_the_channels_start_for_the_person():
    model = build_model(ModelSpec(encoder="mobilenetv2_035"))
    for head in (model.mask_head, model.edge_head):
        background, person = head.weight.unbind(0)
        towards = (person - background).sum((1, 2))
        assert (towards > 0).sum() == (towards < 0).sum() == 4


def test_a_black_border_is_a_row_and_a_column_of_black_pixels():
    torch.manual_seed(0)
    encoder = build_encoder("mobilenetv2_035", padding="tensorflow")
    rgb = torch.rand(1, 3, 32, 64) * 255
    with_border = torch.nn.functional.pad(rgb, (0, 1, 0, 1))
    weight = encoder.conv_stem.weight
    expected = torch.nn.functional.conv2d(Normalize()(with_border), weight, stride=2)
    torch.testing.assert_close(encoder.conv_stem(Normalize()(rgb)), expected, atol=1e-5, rtol=1e-5)


def test_tensorflows_padding_takes_the_same_weights_and_moves_the_grid_alone():
    torch.manual_seed(0)
    theirs = build_encoder("mobilenetv2_035").eval()
    ours = build_encoder("mobilenetv2_035", padding="tensorflow").eval()
    ours.load_state_dict(theirs.state_dict())
    picture = torch.randn(1, 3, 256, 256)
    for level, stride in enumerate((2, 4)):
        moved = torch.roll(picture, (stride - 1, stride - 1), (2, 3))
        with torch.no_grad():
            expected, found = theirs(picture)[level], ours(moved)[level]
        inside = (..., slice(12, -12), slice(12, -12))
        torch.testing.assert_close(found[inside], expected[inside], atol=1e-4, rtol=1e-4)


def test_each_network_says_which_sizes_it_takes():
    check_size(ModelSpec(architecture="selfie"), (144, 256))
    check_size(ModelSpec(), (224, 256))
    with pytest.raises(InputError, match="144x256: portraitnet needs multiples of 32"):
        check_size(ModelSpec(), (144, 256))
    with pytest.raises(InputError, match="needs multiples of 16"):
        check_size(ModelSpec(architecture="selfie"), (144, 250))
