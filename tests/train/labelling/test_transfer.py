import csv
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from portraitnet.runtime.errors import InputError
from portraitnet.train.datasets.base import mirrored_classes
from portraitnet.train.engine.checkpoint import load_checkpoint, save_checkpoint
from portraitnet.train.labelling import transfer
from portraitnet.train.labelling.transfer import Teachers, open_teachers, start_from
from portraitnet.train.loop import train
from portraitnet.train.models import Logits, PortraitNetSpec, build_model

from ..conftest import small_recipe

SPEC = PortraitNetSpec(encoder="mobilenetv3_small_100")
OTHER = PortraitNetSpec(encoder="mobilenetv2_035")


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(5)
    path = tmp_path / "before.safetensors"
    save_checkpoint(path, build_model(SPEC).state_dict(), SPEC, (64, 64), {})
    return str(path)


def test_a_run_starts_from_a_checkpoints_weights(checkpoint):
    network = build_model(SPEC)
    start_from(network, checkpoint)
    before = load_checkpoint(checkpoint).model.state_dict()
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, before[key])


def test_another_number_of_classes_keeps_its_own_head(checkpoint):
    network = build_model(PortraitNetSpec(encoder=SPEC.encoder, classes=("background", "hair", "skin")))
    head = network.mask_head.weight.clone()
    start_from(network, checkpoint)
    torch.testing.assert_close(network.mask_head.weight, head)
    torch.testing.assert_close(
        network.encoder.state_dict()["conv_stem.weight"],
        load_checkpoint(checkpoint).model.encoder.state_dict()["conv_stem.weight"],
    )


def test_a_checkpoint_of_another_encoder_is_refused(checkpoint):
    with pytest.raises(InputError, match=r"cannot start this network: .* the model section"):
        start_from(build_model(OTHER), checkpoint)


def test_a_teacher_of_other_classes_is_refused(checkpoint):
    with pytest.raises(InputError, match="has the classes background, person, not background, hair"):
        open_teachers([checkpoint], ("background", "hair"))


def test_teachers_are_asked_in_turn_at_their_own_size_and_then_in_the_mirror(tmp_path):
    paths, pixels, answers = [], torch.randn(1, 3, 64, 64), []
    for seed, size in enumerate([(64, 64), (96, 96)]):
        torch.manual_seed(seed)
        paths.append(str(tmp_path / f"{seed}.safetensors"))
        save_checkpoint(Path(paths[-1]), build_model(SPEC).state_dict(), SPEC, size, {})
        network = load_checkpoint(paths[-1]).model
        for seen in (pixels, pixels.flip(3)):
            with torch.no_grad():
                seen = functional.interpolate(seen, size, mode="bilinear", antialias=True)
                answers.append(functional.interpolate(network(seen).mask, (64, 64), mode="bilinear", antialias=True))
    teachers = open_teachers(paths, SPEC.classes)
    first, first_mirrored, second, second_mirrored = answers
    for turn, answer in enumerate([first, second, first_mirrored.flip(3), second_mirrored.flip(3), first]):
        torch.testing.assert_close(teachers(pixels, turn), answer)
    assert not any(parameter.requires_grad for parameter in teachers.parameters())


def test_a_teachers_left_is_right_in_the_mirror():
    class Sides(torch.nn.Module):
        """Says "left" where the picture's left half is, whatever it shows."""

        def forward(self, pixels):
            logits = torch.zeros(len(pixels), 3, *pixels.shape[2:])
            logits[:, 1, :, : pixels.shape[3] // 2] = logits[:, 2, :, pixels.shape[3] // 2 :] = 1.0
            return Logits(logits)

    mirrored = mirrored_classes(("background", "l_eye", "r_eye"))
    teachers = Teachers([Sides()], [(8, 8)], mirrored)
    pixels = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(teachers(pixels, 1), teachers(pixels, 0))  # turn 1 is in the mirror


def test_a_teachers_batch_normalisation_is_in_its_convolutions_and_its_answer_the_same(tmp_path):
    path = tmp_path / "teacher.safetensors"
    pixels = torch.randn(2, 3, 64, 64)
    network = build_model(SPEC).train()
    with torch.no_grad():
        network(pixels)  # statistics of its own
        expected = network.eval()(pixels).mask
    save_checkpoint(path, network.state_dict(), SPEC, (64, 64), {})
    teachers = open_teachers([str(path)], SPEC.classes)
    assert not [m for m in teachers.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    torch.testing.assert_close(teachers(pixels, 0), expected, atol=1e-4, rtol=1e-4)


def test_a_teacher_that_folding_would_change_is_left_as_it_is(checkpoint, monkeypatch):
    """As where something else than its batch normalisation sees a convolution's output."""
    monkeypatch.setattr(transfer, "fold_batch_norms", lambda network, size: network.mask_head.weight.data.mul_(2))
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = load_checkpoint(checkpoint).model(pixels).mask
    torch.testing.assert_close(open_teachers([checkpoint], SPEC.classes)(pixels, 0), expected)


def test_a_student_comes_to_say_what_its_teacher_says(folder_set, checkpoint, tmp_path):
    recipe = small_recipe(
        folder_set,
        loss={"consistency": 0, "edge": 0, "teachers": [checkpoint], "distillation": 50.0},
        run={"steps": 12},
    )
    train(recipe, tmp_path / "run", accelerator="cpu")
    with (tmp_path / "run" / "steps.csv").open() as handle:
        distances = [float(row["distillation"]) for row in csv.DictReader(handle)]
    assert sum(distances[-3:]) < 0.5 * sum(distances[:3])


def test_a_teacher_of_another_size_answers_in_bfloat16_where_the_run_is(folder_set, tmp_path):
    torch.manual_seed(5)
    path, seen = tmp_path / "before.safetensors", []
    save_checkpoint(path, build_model(SPEC).state_dict(), SPEC, (96, 96), {})

    def watch(module, inputs, output):
        if not module.training and output.dtype not in seen:
            seen.append(output.dtype)

    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: watch(module, inputs, output) if isinstance(module, torch.nn.Conv2d) else None
    )
    loss = {"consistency": 0, "edge": 0, "teachers": [str(path)]}
    recipe = small_recipe(folder_set, loss=loss, run={"steps": 1, "precision": "bf16-mixed"})
    train(recipe, tmp_path / "run", accelerator="cpu")
    handle.remove()
    assert torch.bfloat16 in seen


def test_a_run_that_starts_from_a_checkpoint_wants_no_other_weights(folder_set, checkpoint, tmp_path, monkeypatch):
    def nothing_to_fetch(*_):
        raise AssertionError("weights were asked for")

    monkeypatch.setattr("timm.models._builder.load_pretrained", nothing_to_fetch)
    recipe = small_recipe(folder_set, model={"encoder_weights": "imagenet"}, run={"steps": 1, "start_from": checkpoint})
    assert train(recipe, tmp_path / "run", accelerator="cpu").is_file()
