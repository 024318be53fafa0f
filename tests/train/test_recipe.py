import pytest

from portraitnet.runtime.errors import InputError
from portraitnet.train.recipe import load_recipe, shipped_recipes


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_load_and_say_what_to_expect(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert len(recipe.about) > 40


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
