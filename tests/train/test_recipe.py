import re

import pytest

from portraitnet.runtime.errors import InputError
from portraitnet.train.datasets.cityscapes import CITYSCAPES_CLASSES
from portraitnet.train.datasets.parsing import EASYPORTRAIT_CLASSES, FASSEG_CLASSES, CelebAMaskHq
from portraitnet.train.datasets.voc import VOC_CLASSES
from portraitnet.train.recipe import RECIPES, AugmentSpec, load_recipe, shipped_recipes, with_steps


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_load_and_say_what_to_expect(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert re.search(r"GPU|CPU|base of the recipes|pictures that judge", recipe.about), "about says on what it runs"
    if re.search(r"\d mIoU|score", recipe.about):
        assert re.search(r"[Oo]urs|[Pp]ublished|score: see|no score", recipe.about), "about says whose score it is"
    header = [line for line in (RECIPES / f"{name}.yaml").read_text().splitlines() if line.startswith("#")]
    assert any(f"portraitnet train {name}" in line or "portraitnet benchmark accuracy" in line for line in header)


CLASSES = {
    "voc": VOC_CLASSES,
    "easyportrait": EASYPORTRAIT_CLASSES,
    "celebamask": CelebAMaskHq.classes,
    "fasseg": FASSEG_CLASSES,
    "cityscapes": CITYSCAPES_CLASSES,
}


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_names_the_classes_of_its_data_and_its_held_out_part(name):
    recipe = load_recipe(name)
    for spec in (*recipe.data.train, *recipe.data.validate):
        if spec.kind == "folder" and len(recipe.model.classes) > 2:
            continue  # its labels are whatever the recipe says
        assert recipe.model.classes == CLASSES.get(spec.kind, ("background", "person"))
    assert {spec.split for spec in recipe.data.train} == {"train"}
    assert not {spec.split for spec in recipe.data.validate} & {"train", "all"}


def test_overrides_reach_nested_keys(tmp_path):
    recipe = load_recipe("demo", ["run.steps=7", "optimizer.learning_rate=2e-3", "data.size=[64, 96]"])
    assert (recipe.run.steps, recipe.optimizer.learning_rate, recipe.data.size) == (7, 2e-3, (64, 96))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.stepps=7", "did you mean 'steps'"),
        ("modle.encoder=resnet18", "did you mean 'model'"),
        ("run.steps=many", "expected int"),
        ("run.steps", "section.key=value"),
        ("optimizer.schedule=linear", "none of constant"),
        ("data.size=[64]", "expected 2 values"),
        ("data.train=[{kind: folder, pth: x}]", "did you mean 'path'"),
        ("data.train=folder", "expected a list"),
        ("run.steps=[", "not readable YAML"),
        ("data.geometry=crop", "one of letterbox-128-centred"),
    ],
)
def test_bad_overrides_say_what_to_do(override, message):
    with pytest.raises(InputError, match=message):
        load_recipe("demo", [override])


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'portraitnet_mobile'"):
        load_recipe("portraitnet_mobil")


@pytest.mark.parametrize("text", ["- a", "a: [", "\x00"])
def test_files_that_are_no_recipe(tmp_path, text):
    file = tmp_path / "r.yaml"
    file.write_text(text)
    with pytest.raises(InputError):
        load_recipe(file)


def test_yaml_cannot_run_code(tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(f"name: !!python/object/apply:os.system ['touch {tmp_path}/owned']")
    with pytest.raises(InputError):
        load_recipe(file)
    assert not (tmp_path / "owned").exists()


def test_a_recipe_is_laid_over_its_base(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("base: demo\nabout: mine\nrun: {steps: 7}\ndata: {size: [64, 64]}")
    mine, demo = load_recipe(file, ["optimizer.name=sgd"]), load_recipe("demo")
    assert (mine.name, mine.about, mine.run.steps, mine.run.batch) == ("mine", "mine", 7, demo.run.batch)
    assert (mine.data.size, mine.data.train, mine.optimizer.name) == ((64, 64), demo.data.train, "sgd")


@pytest.mark.parametrize("base", ["demos", "../demo", "/etc/passwd", "[demo]", "7"])
def test_a_base_must_be_a_shipped_recipe(tmp_path, base):
    file = tmp_path / "mine.yaml"
    file.write_text(f"base: {base}")
    with pytest.raises(InputError, match=r"mine\.yaml: base .* is not another shipped recipe"):
        load_recipe(file)


def test_augmentations_by_name_and_keys_beside_them(tmp_path):
    augment = load_recipe("demo", ["data.augment={like: report, noise: 3}"]).data.augment
    assert (augment.hue, augment.lightness, augment.saturation) == ((0.4, 1.7),) * 3
    assert (augment.contrast, augment.blur, augment.blur_kernel) == ((0.6, 1.5), (3, 5, 7, 9), "box")
    assert (augment.texture_probability, augment.colour, augment.noise) == (0.5, (1, 1), 3)
    assert (augment.rotation, augment.scale, augment.translation, augment.flip) == (45, (0.5, 1.5), 0.25, 0.5)
    assert load_recipe("demo", ["data.augment={like: paper}"]).data.augment == AugmentSpec()
    none = load_recipe("demo", ["data.augment={like: none}"]).data.augment
    assert (none.rotation, none.scale, none.flip, none.brightness, none.blur, none.noise) == (
        0,
        (1, 1),
        0,
        (1, 1),
        (),
        0,
    )
    beside = load_recipe("demo", ["data.augment.like=report"]).data.augment
    assert (beside.rotation, beside.blur_kernel) == (15, "box")  # the demo's own rotation
    with pytest.raises(InputError, match="did you mean 'report'"):
        load_recipe("demo", ["data.augment.like=reports"])


def test_epochs_become_steps():
    recipe = load_recipe("demo", ["run.epochs=60", "run.batch=32", "run.evaluate_every=0"])
    run = with_steps(recipe, 1447).run
    assert (run.steps, run.evaluate_every) == (2714, 46)  # 1,447 pictures are 45.2 batches
    assert with_steps(recipe, 5).run.steps == 10
    plain = load_recipe("demo")
    assert with_steps(plain, 1447) is plain
    shorter = load_recipe("portraitnet_resnet50_eg1800", ["run.steps=7", "run.evaluate_every=7"])
    assert with_steps(shorter, 1447).run.steps == 7  # asked for on the command line
    with pytest.raises(InputError, match=r"run\.epochs is not set"):
        load_recipe("demo", ["run.evaluate_every=0"])


def test_class_weights_are_a_name_or_a_list():
    assert load_recipe("demo", ["loss.class_weights=[0.8, 2]"]).loss.class_weights == (0.8, 2)
    assert load_recipe("demo", ["loss.class_weights=inverse_log"]).loss.class_weights == "inverse_log"
    for wrong, message in (("many", "none of none, inverse_log"), ("[-1, 2]", "out of range")):
        with pytest.raises(InputError, match=message):
            load_recipe("demo", [f"loss.class_weights={wrong}"])


@pytest.mark.parametrize("loss", ["jaccard", "edge"])
def test_losses_of_the_foreground_need_a_background(loss):
    streets = ["model.classes=[road, sky, car]", "loss.edge=0", "loss.jaccard=0"]
    load_recipe("demo", streets)
    with pytest.raises(InputError, match=f"loss.{loss} is of the foreground, but label 0 is 'road'"):
        load_recipe("demo", [*streets, f"loss.{loss}=0.1"])
    load_recipe("demo", ["model.classes=[background, sky, car]", f"loss.{loss}=0.1"])
