import pytest
import torch

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.checkpoint import load_checkpoint, save_checkpoint
from portraitnet.train.models import PortraitNetSpec, build_model
from portraitnet.train.pretrained import interpolate as command
from portraitnet.train.pretrained.interpolate import interpolate

SPEC = PortraitNetSpec(encoder="mobilenetv3_small_100")


def written(path, seed, spec=SPEC, facts=None):
    torch.manual_seed(seed)
    save_checkpoint(path, build_model(spec).state_dict(), spec, (64, 96), facts or {}, geometry="stretch")
    return path


def test_a_quarter_of_the_way(tmp_path):
    before = written(tmp_path / "before.safetensors", 0)
    after = written(tmp_path / "after.safetensors", 1, facts={"recipe": {"name": "r"}, "step": 7, "scores": {"iou": 1}})
    interpolate(before, after, 0.25, tmp_path / "out.safetensors")
    found = load_checkpoint(tmp_path / "out.safetensors")
    old, new = (load_checkpoint(path).model.state_dict() for path in (before, after))
    for key, value in found.model.state_dict().items():
        expected = 0.75 * old[key] + 0.25 * new[key] if value.is_floating_point() else new[key]
        torch.testing.assert_close(value, expected)
    assert (found.size, found.geometry) == ((64, 96), "stretch")
    assert found.facts["interpolated"] == {"from": "before.safetensors", "share": 0.25}
    assert found.facts["step"] == 7
    assert "scores" not in found.facts  # they are the run's


def test_a_run_without_the_boundary_head_may_start_from_one_with_it(tmp_path):
    before = written(tmp_path / "before.safetensors", 0)
    after = written(tmp_path / "after.safetensors", 1, PortraitNetSpec(encoder=SPEC.encoder, edge_head=False))
    interpolate(before, after, 0.0, tmp_path / "out.safetensors")
    old = load_checkpoint(before).model.state_dict()
    for key, value in load_checkpoint(tmp_path / "out.safetensors").model.state_dict().items():
        torch.testing.assert_close(value, old[key])


def test_other_networks_and_shares_are_refused(tmp_path, monkeypatch, capsys):
    before = written(tmp_path / "before.safetensors", 0)
    other = written(tmp_path / "other.safetensors", 1, PortraitNetSpec(encoder="mobilenetv2_035"))
    with pytest.raises(InputError, match="not the same network"):
        interpolate(before, other, 0.5, tmp_path / "out.safetensors")
    with pytest.raises(InputError, match=r"a share of 1\.5 is not between 0"):
        interpolate(before, before, 1.5, tmp_path / "out.safetensors")
    monkeypatch.setattr("sys.argv", ["interpolate", str(before), str(other), "0.5", str(tmp_path / "out.safetensors")])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 2
    assert "not the same network" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
