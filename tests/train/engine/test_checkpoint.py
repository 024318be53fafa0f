import pickle

import pytest
import torch
from safetensors.torch import save_file

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.geometry import LETTERBOX, STRETCH
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.train.engine.checkpoint import load_checkpoint, save_checkpoint
from portraitnet.train.engine.weights import read_safetensors, write_safetensors
from portraitnet.train.models import PortraitNetSpec, build_model
from portraitnet.train.predict import TorchBackend

SPEC = PortraitNetSpec(encoder="mobilenetv3_small_100")


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = build_model(SPEC)
    file = tmp_path / "net.safetensors"
    save_checkpoint(file, model.state_dict(), SPEC, (64, 96), {"step": 3})
    return model, file


def test_a_checkpoint_rebuilds_its_model_from_the_file_alone(saved):
    model, file = saved
    loaded = load_checkpoint(file)
    assert (loaded.name, loaded.size, loaded.facts["step"]) == ("net", (64, 96), 3)
    assert not loaded.model.training
    for key, value in model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[key], value, rtol=0, atol=0)


def test_a_checkpoint_says_how_pictures_fill_its_input(saved, tmp_path):
    model, file = saved
    assert load_checkpoint(file).geometry == LETTERBOX
    stretched = tmp_path / "stretched.safetensors"
    save_checkpoint(stretched, model.state_dict(), SPEC, (64, 64), {}, geometry=STRETCH)
    backend = TorchBackend.of(load_checkpoint(stretched))
    assert backend.contract.geometry == STRETCH
    assert Segmenter(backend).place((40, 60)).height == 64
    for unknown in ("crop", ["stretch"]):
        save_checkpoint(stretched, model.state_dict(), SPEC, (64, 64), {}, geometry=unknown)
        with pytest.raises(InputError, match=r"geometry .* is not known"):
            load_checkpoint(stretched)


def test_older_files_may_name_choices_that_are_gone(saved, tmp_path):
    model, _ = saved
    old = tmp_path / "old.safetensors"
    facts = {"model": {"encoder": SPEC.encoder, "decoder": "paper", "expansion": 1.0}, "size": [64, 64]}
    write_safetensors(old, model.state_dict(), facts)
    assert load_checkpoint(old).spec == SPEC
    write_safetensors(old, model.state_dict(), {**facts, "model": {**facts["model"], "decoder": "light"}})
    with pytest.raises(InputError, match="decoder"):
        load_checkpoint(old)


def test_half_precision_halves_the_file(saved, tmp_path):
    model, file = saved
    small = tmp_path / "half.safetensors"
    save_checkpoint(small, model.state_dict(), SPEC, (64, 64), {}, half=True)
    assert small.stat().st_size < 0.6 * file.stat().st_size
    assert next(load_checkpoint(small).model.parameters()).dtype == torch.float32


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_is_never_opened(tmp_path, protocol):
    file = tmp_path / "model.safetensors"
    file.write_bytes(pickle.dumps(Bomb(), protocol=protocol))
    with pytest.raises(InputError, match=r"not a readable \.safetensors"):
        load_checkpoint(file)


def test_a_torch_file_is_recognised_as_a_pickle(tmp_path):
    file = tmp_path / "model.safetensors"
    torch.save({"weights": torch.zeros(2)}, file)
    with pytest.raises(InputError, match="holds a pickle"):
        load_checkpoint(file)


def test_another_architecture_and_foreign_files(saved, tmp_path):
    model, _ = saved
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, model.state_dict(), PortraitNetSpec(encoder="resnet18"), (64, 64), {})
    with pytest.raises(InputError, match="does not fit the architecture"):
        load_checkpoint(other)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(InputError, match="not a checkpoint of ours"):
        load_checkpoint(foreign)
    pointing = tmp_path / "pointing.safetensors"
    facts = {"model": {"encoder_weights": "/etc/passwd"}, "size": [64, 64]}
    write_safetensors(pointing, model.state_dict(), facts)
    with pytest.raises(InputError, match="must not point to other weights"):
        load_checkpoint(pointing)


def test_values_beyond_float16_stay_float32_in_a_half_precision_file(saved, tmp_path):
    model, _ = saved
    weights = dict(model.state_dict())
    name = next(key for key in weights if key.endswith("running_var"))
    weights[name] = torch.full_like(weights[name], 1e5)
    file = tmp_path / "half.safetensors"
    save_checkpoint(file, weights, SPEC, (64, 64), {}, half=True)
    stored, _ = read_safetensors(file)
    assert [key for key, value in stored.items() if value.dtype == torch.float32] == [name]
    assert torch.equal(load_checkpoint(file).model.state_dict()[name], weights[name])
