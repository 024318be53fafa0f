"""The state that a run resumes from."""

import pytest
import torch

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.state import RunState, flatten_optimizer, load_state, restore_optimizer, save_state


def state(step):
    weights = {"w": torch.tensor([step])}
    return RunState(step, 0.5, weights, weights, {}, {"scale": 8.0})


def test_state_keeps_only_the_newest_and_ignores_half_written_ones(tmp_path):
    for step in (2, 4):
        save_state(tmp_path, state(step))
    (tmp_path / ".step-00000006.abc" / "new").mkdir(parents=True)
    assert load_state(tmp_path) == state(4)
    assert [p.name for p in tmp_path.glob("step-*")] == ["step-00000004"]


@pytest.mark.parametrize("name", ["model.safetensors", "average.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("content", [None, "", "{}", "[3]"])
def test_a_state_with_a_part_lost_or_damaged_is_refused(tmp_path, name, content):
    save_state(tmp_path, state(2))
    part = tmp_path / "step-00000002" / name
    part.unlink() if content is None else part.write_text(content)
    with pytest.raises(InputError, match=r"step-00000002 is damaged .* cannot be resumed"):
        load_state(tmp_path)


def test_optimizer_state_survives(tmp_path):
    parameters = [torch.nn.Parameter(torch.ones(3))]
    optimizer = torch.optim.AdamW(parameters, lr=0.1)
    parameters[0].grad = torch.arange(3.0)
    optimizer.step()
    flat = flatten_optimizer(optimizer)
    fresh = torch.optim.AdamW(parameters, lr=0.1)
    restore_optimizer(fresh, flat)
    for key, value in optimizer.state[parameters[0]].items():
        torch.testing.assert_close(fresh.state[parameters[0]][key], value, rtol=0, atol=0)
