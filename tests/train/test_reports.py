"""The recipes of the published reports have the reports' own settings."""

import pytest

from portraitnet.train.models import build_model
from portraitnet.train.recipe import AUGMENTATIONS, AugmentSpec, load_recipe, with_steps

NOTHING = load_recipe("demo", ["data.augment={like: none}"]).data.augment


@pytest.mark.parametrize(
    ("name", "encoder", "batch", "epochs", "score"),
    [
        ("portraitnet_resnet50_eg1800", "resnet50", 64, 30, "93.52"),
        ("portraitnet_resnet50_aisegment", "resnet50", 48, 20, "95.90"),
        ("portraitnet_resnet34_aisegment", "resnet34", 48, 20, "95.85"),
        ("portraitnet_resnet50_easyportrait", "resnet50", 48, 12, "72.2"),
    ],
)
def test_three_data_sets(name, encoder, batch, epochs, score):
    recipe = load_recipe(name)
    assert (recipe.model.encoder, recipe.run.batch, recipe.run.epochs) == (encoder, batch, epochs)
    assert recipe.model.convolution == "plain"
    assert (recipe.optimizer.name, recipe.optimizer.learning_rate, recipe.optimizer.schedule) == (
        "adam",
        1e-3,
        "cosine",
    )
    assert recipe.data.augment == NOTHING
    assert score in header(name)
    if "aisegment" in name:
        assert recipe.data.train[0].limit == 14_000
    if "eg1800" in name:
        assert with_steps(recipe, 1447).run.steps == 679  # 30 x 1447 / 64
        assert with_steps(recipe, 1447).run.evaluate_every == 23


def header(name):
    from portraitnet.train.recipe import RECIPES

    return (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")


def test_face_parsing():
    recipe = load_recipe("faceparse_deeplabv3plus_resnet50_celebamask", ["model.encoder_weights=none"])
    assert sum(p.numel() for p in build_model(recipe.model).parameters()) == 43_589_878
    assert (len(recipe.model.classes), recipe.data.size, recipe.run.batch, recipe.run.steps) == (
        19,
        (512, 512),
        4,
        30_000,
    )
    loss, optimizer = recipe.loss, recipe.optimizer
    assert len(loss.class_weights) == 19
    assert (loss.class_weights[3], loss.class_weights[16]) == (1.14, 1.5)
    assert (loss.hard_threshold, loss.hard_pixels) == (0.7, 100_000)
    assert (optimizer.name, optimizer.learning_rate, optimizer.momentum, optimizer.weight_decay) == (
        "sgd",
        0.01,
        0.9,
        1e-4,
    )
    assert (optimizer.schedule, optimizer.cyclic_rate, optimizer.cyclic_up) == ("cyclic", (10, 1e-4), 0.4)
    assert optimizer.cyclic_momentum == pytest.approx((0.85 / 0.95, 1))


def test_portraitnet_in_paddle():
    recipe = load_recipe("portraitnet_paddle_eg1800")
    assert (recipe.run.batch, recipe.run.epochs, recipe.optimizer.learning_rate) == (32, 60, 1e-3)
    assert (recipe.loss.kl_mean, recipe.loss.focal_weight) == ("pixels", "differentiable")
    assert (recipe.model.stem_activation, recipe.model.initialisation) == ("relu", "plain")
    report = {k: tuple(v) if isinstance(v, list) else v for k, v in AUGMENTATIONS["report"].items()}
    assert recipe.data.augment == AugmentSpec(**report)
    assert load_recipe("portraitnet_mobilenetv2_eg1800").data.augment == AugmentSpec()  # the paper's code


def test_voc():
    recipe = load_recipe("deeplabv3plus_resnet50_voc")
    assert (recipe.run.steps, recipe.run.batch, recipe.model.output_stride) == (5000, 8, 16)
    optimizer = recipe.optimizer
    assert (optimizer.encoder_factor, optimizer.step_every, optimizer.step_factor) == (0.1, 1000, 0.9)
    assert "60.6" in recipe.about
    assert "homework" in recipe.about
    assert "60.6" not in load_recipe("deeplabv3_resnet50_voc").about


@pytest.mark.parametrize(
    ("name", "architecture", "dilation", "score"),
    [
        ("pspnet_resnet18_cityscapes", "pspnet", "every_block", "62.89 / 71.05 / 93.36"),
        ("pspnet_resnet50_cityscapes", "pspnet", "every_block", "68.97 / 76.67 / 94.52"),
        ("pspnet_resnet101_cityscapes", "pspnet", "every_block", "71.07"),
        ("pspnet_mobilenetv2_cityscapes", "pspnet", "graded", "59.25"),
        ("pspnet_mobilenetv3_cityscapes", "pspnet", "graded", "56.82"),
        ("aspp_resnet18_cityscapes", "aspp", "every_block", "62.09 / 71.08 / 93.34"),
        ("ocr_resnet18_cityscapes", "ocr", "every_block", "61.86 / 70.87 / 93.31"),
    ],
)
def test_cityscapes(name, architecture, dilation, score):
    recipe = load_recipe(name)
    assert (recipe.model.architecture, recipe.model.dilation, recipe.model.output_stride) == (architecture, dilation, 8)
    assert score in recipe.about
    assert recipe.model.auxiliary_head
    if architecture == "aspp":
        assert (recipe.model.rates, recipe.model.image_pooling) == ((1, 2, 3, 6), False)
