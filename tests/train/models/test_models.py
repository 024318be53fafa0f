from dataclasses import replace

import pytest
import timm
import torch

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.checkpoint import load_checkpoint, save_checkpoint
from portraitnet.train.engine.weights import write_safetensors
from portraitnet.train.labelling.transfer import start_from
from portraitnet.train.losses import portrait_losses
from portraitnet.train.models import (
    ARCHITECTURES,
    AsppSpec,
    DeepLabV3PlusSpec,
    DeepLabV3Spec,
    ModelSpec,
    Normalize,
    OcrSpec,
    PortraitNetSpec,
    PspNetSpec,
    SelfieSpec,
    SepAsppSpec,
    build_model,
    check_size,
    complexity,
    without_training_heads,
)
from portraitnet.train.models.encoders import build_encoder
from portraitnet.train.models.ocr import ObjectContext
from portraitnet.train.parse import parse
from portraitnet.train.recipe import LossSpec

PAPER = PortraitNetSpec(paper_options=True, edge_head=False)


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
    spec = PortraitNetSpec(encoder=encoder, convolution=convolution, classes=("a", "b", "c"))
    model = build_model(spec).eval()
    with torch.inference_mode():
        logits = model(torch.rand(2, 3, 64, 96))
    assert logits.mask.shape == (2, 3, 64, 96)
    assert logits.edge.shape == (2, 2, 64, 96)


def test_upsampling_starts_as_bilinear_interpolation():
    layer = build_model(PortraitNetSpec()).upsamples[-1]
    x = torch.randn(1, layer.in_channels, 9, 7)
    wanted = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    inner = (..., slice(1, -1), slice(1, -1))  # at the border one pads with zeros, the other with the edge
    assert torch.allclose(layer(x)[inner], wanted[inner], atol=1e-6)


def test_every_parameter_learns():
    model = build_model(PortraitNetSpec())
    logits = model(torch.rand(2, 3, 64, 64))
    (logits.mask.square().mean() + logits.edge.square().mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


DETAIL = PortraitNetSpec(encoder="mobilenetv2_035", detail=True)


def test_a_network_that_gets_a_detail_head_is_at_first_the_network_that_it_was(tmp_path):
    torch.manual_seed(0)
    plain = build_model(replace(DETAIL, detail=False)).eval()
    save_checkpoint(tmp_path / "plain.safetensors", plain.state_dict(), replace(DETAIL, detail=False), (64, 64), {})
    detailed = build_model(DETAIL).eval()
    start_from(detailed, str(tmp_path / "plain.safetensors"))
    picture = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(plain(picture).mask, detailed(picture).mask)
        torch.nn.init.normal_(detailed.detail_head.up.weight)
        changed = detailed(picture).mask
    assert torch.equal(plain(picture).mask[:, 0], changed[:, 0])
    assert not torch.allclose(plain(picture).mask[:, 1], changed[:, 1])
    own = {key for key in detailed.state_dict() if key.startswith("detail_head.")}
    assert set(detailed.state_dict()) - own == set(plain.state_dict())

    save_checkpoint(tmp_path / "detailed.safetensors", detailed.state_dict(), DETAIL, (64, 64), {})
    again = load_checkpoint(tmp_path / "detailed.safetensors")
    assert again.spec.detail
    with torch.inference_mode():
        torch.testing.assert_close(without_training_heads(again.model)(picture).mask, changed)


def test_a_detail_head_sees_single_pixels_of_the_picture():
    """A map at half size that is only enlarged would move four pixels alike."""
    torch.manual_seed(0)
    head = build_model(DETAIL).detail_head
    torch.nn.init.normal_(head.up.weight)
    low, semantic, picture = torch.zeros(1, 8, 16, 16), torch.zeros(1, 8, 16, 16), torch.zeros(1, 3, 32, 32)
    outputs = []
    for row, column in ((16, 16), (16, 17)):
        spot = picture.clone()
        spot[:, :, row, column] = 3
        outputs.append(head(spot, low, semantic))
    assert outputs[0].shape == (1, 1, 32, 32)
    assert not torch.allclose(*outputs, atol=1e-3)


def test_every_parameter_of_a_detail_head_learns_from_the_second_step():
    torch.manual_seed(0)
    model = build_model(replace(DETAIL, edge_head=False, one_logit=True))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (model(torch.rand(2, 3, 64, 64)).mask[:, 1] - 3).square().mean().backward()
        optimizer.step()
    assert all(p.grad.abs().sum() > 0 for p in model.detail_head.parameters())


def test_a_detail_head_costs_less_than_a_tenth_and_needs_two_classes():
    spec = PortraitNetSpec(detail=True)
    (_, macs), (_, before) = (complexity(build_model(one), (64, 64)) for one in (spec, replace(spec, detail=False)))
    assert before < macs < 1.1 * before
    with pytest.raises(InputError, match=r"model\.detail needs two classes, not 3"):
        build_model(replace(spec, classes=("a", "b", "c")))


@pytest.mark.parametrize(("encoder", "output_stride"), [("resnet18", 8), ("mobilenetv2_100", 16)])
@pytest.mark.parametrize("architecture", [DeepLabV3Spec, DeepLabV3PlusSpec, PspNetSpec, OcrSpec])
def test_dilated_networks_train_save_load_and_deploy(architecture, encoder, output_stride, tmp_path):
    torch.manual_seed(0)
    spec = architecture(encoder=encoder, classes=("a", "b", "c"), output_stride=output_stride, auxiliary_head=True)
    model = build_model(spec)
    pictures, labels = torch.rand(2, 3, 32, 64), torch.randint(0, 3, (2, 32, 64))
    logits = model(pictures)
    assert logits.mask.shape == logits.auxiliary.shape == (2, 3, 32, 64)
    assert logits.edge is None
    losses = portrait_losses(logits, None, labels, labels, LossSpec(consistency=0, edge=0))
    losses.total.backward()
    torch.testing.assert_close(losses.total, losses.mask + 0.4 * losses.auxiliary)
    # timm starts a ResNet's residual branches at zero: what lies before them moves from the second step on.
    learns = {name: p.grad is not None and bool(p.grad.any()) for name, p in model.named_parameters()}
    assert all(moved for name, moved in learns.items() if encoder != "resnet18" or not name.startswith("encoder."))

    save_checkpoint(tmp_path / "m.safetensors", model.state_dict(), spec, (32, 64), {})
    again, deployed = load_checkpoint(tmp_path / "m.safetensors").model, without_training_heads(model).eval()
    with torch.inference_mode():
        expected = model.eval()(pictures)
        torch.testing.assert_close(again(pictures).mask, expected.mask)
        torch.testing.assert_close(deployed(pictures).mask, expected.mask)
    assert (deployed.auxiliary_head is None) == (architecture is not OcrSpec)  # whose regions are that head's
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
    donor = build_model(PortraitNetSpec()).encoder.state_dict()
    file = tmp_path / "encoder.safetensors"
    write_safetensors(file, {**donor, "classifier.weight": torch.zeros(2, 2)}, {})
    loaded = build_model(PortraitNetSpec(encoder_weights=str(file))).encoder.state_dict()
    assert all(torch.equal(loaded[key], donor[key]) for key in donor)
    with pytest.raises(InputError, match="does not fit this encoder"):
        build_model(PortraitNetSpec(encoder="resnet18", encoder_weights=str(file)))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"encoder": "mobilenetv9"}, "no encoder 'mobilenetv9'"),
        ({"architecture": "pspnett"}, "unknown architecture 'pspnett'; did you mean 'pspnet'"),
        ({"convolution": "round"}, "'round' is none of separable, plain"),
        ({"auxiliary_head": True}, "portraitnet has no such option \\(of deeplabv3, "),
        ({"architecture": "pspnet", "paper_options": True}, "pspnet has no such option \\(of portraitnet\\)"),
        ({"architecture": "pspnet", "output_stride": 4}, "4 is none of 8, 16"),
        ({"architecture": "pspnet", "encoder": "edgenext_small"}, "cannot be dilated"),
        ({"encoder": "resnet18", "paper_options": True}, "paper's MobileNetV2"),
        ({"encoder": "resnet18", "padding": "tensorflow"}, "leave model.padding at torch"),
        ({"padding": "valid"}, "'valid' is none of torch, tensorflow"),
        ({"architecture": "pspnet", "padding": "tensorflow"}, "no such option"),
        ({"one_logit": True, "classes": ["a", "b", "c"]}, "one_logit needs two classes, not 3"),
        ({"encoder_weights": "nowhere.safetensors"}, "does not exist"),
        ({"enkoder": "resnet18"}, "did you mean 'encoder'"),
    ],
)
def test_unusable_model_sections_say_why(section, message):
    with pytest.raises(InputError, match=message):
        build_model(parse(ModelSpec, section))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_section_with_every_architectures_defaults_is_read(architecture):
    """As checkpoints list them that were written before each architecture had its own."""
    flat = {
        "encoder_weights": "none",
        "paper_options": False,
        "padding": "torch",
        "open_border": False,
        "convolution": "separable",
        "edge_head": False,
        "one_logit": False,
        "output_stride": 8,
        "auxiliary_head": False,
        "classes": ["background", "person"],
    }
    spec = parse(ModelSpec, {"architecture": architecture, **flat})
    assert type(spec) is ARCHITECTURES[architecture]
    assert spec.architecture == architecture
    assert not getattr(spec, "edge_head", False)


def test_complexity_is_that_of_the_deployed_network():
    parameters_, macs = complexity(build_model(PortraitNetSpec()), (224, 224))
    assert parameters_ == parameters(build_model(PortraitNetSpec(edge_head=False)))
    assert 340e6 < macs < 380e6


def test_half_of_the_channels_start_for_the_person():
    model = build_model(PortraitNetSpec(encoder="mobilenetv2_035"))
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
    check_size(SelfieSpec(), (144, 256))
    check_size(PortraitNetSpec(), (224, 256))
    with pytest.raises(InputError, match="144x256: portraitnet needs multiples of 32"):
        check_size(PortraitNetSpec(), (144, 256))
    with pytest.raises(InputError, match="needs multiples of 16"):
        check_size(SelfieSpec(), (144, 250))


def test_the_face_parsing_network_has_the_reported_parameters_to_the_digit():
    """mmsegmentation's DeepLabV3+ of 512 channels on ResNet50-v1c: 43,589,878."""
    classes = tuple(map(str, range(19)))
    model = build_model(SepAsppSpec(encoder="resnet50c", classes=classes, auxiliary_head=True))
    parts = [parameters(part) for part in (model.encoder, model.auxiliary_head)]
    assert parts == [23_527_264, 2_364_691]
    assert parameters(model.head) + parameters(model.mask_head) == 17_697_923
    assert parameters(model) == 43_589_878


def test_a_pyramid_has_a_branch_for_each_rate():
    model = build_model(AsppSpec(encoder="resnet18", classes=("a", "b", "c")))
    dilations = [branch[0].dilation[0] for branch in model.head.pyramid.branches]
    assert dilations == [1, 2, 3, 6]
    assert [branch[0].kernel_size[0] for branch in model.head.pyramid.branches] == [1, 3, 3, 3]
    assert model.head.pyramid.pooled is None
    pooled = build_model(AsppSpec(encoder="resnet18", rates=(1, 12), image_pooling=True))
    assert pooled(torch.rand(1, 3, 64, 64)).mask.shape == (1, 2, 64, 64)  # a batch of one, in training
    assert pooled.head.pyramid.pooled.training
    with pytest.raises(InputError, match=r"model\.rates"):
        build_model(AsppSpec(rates=(0, 2)))


@pytest.mark.parametrize(("encoder", "dilated"), [("resnet18", "conv1"), ("resnet50", "conv2")])
def test_every_block_of_a_stage_is_dilated(encoder, dilated):
    """As in PSPNet's published code: 2 in layer3, 4 in layer4; of a basic block, the first convolution alone."""
    model = build_model(PspNetSpec(encoder=encoder, dilation="every_block"))
    for stage, dilation in (("layer1", 1), ("layer2", 1), ("layer3", 2), ("layer4", 4)):
        for block in getattr(model.encoder, stage):
            found = {n: m.dilation[0] for n, m in block.named_modules() if n in ("conv1", "conv2", "conv3")}
            assert found == {name: dilation if name == dilated else 1 for name in found}
    assert [f.shape[2] for f in model.encoder(torch.rand(1, 3, 64, 64))] == [32, 16, 8, 8, 8]
    graded = build_model(PspNetSpec(encoder=encoder))
    assert getattr(graded.encoder.layer4[0], dilated).dilation == (2, 2)
    with pytest.raises(InputError, match="for ResNets"):
        build_model(PspNetSpec(encoder="mobilenetv2_100", dilation="every_block"))


def test_the_stem_may_have_relu_where_the_blocks_have_relu6():
    encoder = build_model(PortraitNetSpec(stem_activation="relu")).encoder
    assert type(encoder.bn1.act) is torch.nn.ReLU
    assert type(encoder.blocks[1][0].bn1.act) is torch.nn.ReLU6
    assert type(build_model(PortraitNetSpec()).encoder.bn1.act) is torch.nn.ReLU6
    with pytest.raises(InputError, match="stem_activation"):
        build_model(PortraitNetSpec(encoder="resnet18", stem_activation="relu"))


def test_a_plain_start_is_that_of_torchs_layers():
    torch.manual_seed(0)
    plain = build_model(PortraitNetSpec(encoder="mobilenetv2_035", initialisation="plain"))
    kernel = plain.upsamples[0].weight
    assert kernel.abs().max() <= (1 / (kernel.shape[1] * 16)) ** 0.5 + 1e-6  # uniform in torch's bounds
    off_diagonal = ~torch.eye(kernel.shape[0], dtype=torch.bool)
    assert kernel[off_diagonal].abs().mean() > 1e-3  # bilinear mixes no channels
    background, person = plain.mask_head.weight.unbind(0)
    assert not torch.equal(person, -background)
