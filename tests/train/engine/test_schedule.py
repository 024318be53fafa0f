import pytest
import torch

from portraitnet.train.engine.schedule import learning_rate, momentum
from portraitnet.train.recipe import OptimizerSpec


def test_one_cycle_is_torchs_own():
    steps = 50
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=steps)
    spec = OptimizerSpec(name="sgd", learning_rate=0.01, schedule="onecycle")
    for step in range(steps):
        (group,) = optimizer.param_groups
        assert learning_rate(spec, step, steps) == pytest.approx(group["lr"])
        assert momentum(spec, step, steps) == pytest.approx(group["momentum"])
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step", "poly", "onecycle"])
def test_every_schedule_stays_within_its_rate_and_the_momentum_within_one(schedule):
    spec = OptimizerSpec(learning_rate=0.5, schedule=schedule, warmup_steps=3, step_every=5, step_factor=0.5)
    rates = [learning_rate(spec, step, 20) for step in range(20)]
    assert all(0 <= rate <= 0.5 for rate in rates)
    assert rates[0] < max(rates) == pytest.approx(0.5)
    assert all(0.8 < momentum(spec, step, 20) < 1 for step in range(20))


def test_steps_warm_up_and_halve():
    spec = OptimizerSpec(learning_rate=1.0, schedule="step", warmup_steps=2, step_every=3, step_factor=0.5)
    assert [learning_rate(spec, step, 10) for step in range(8)] == [0.5, 1, 1, 1, 1, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_of_very_few_steps(steps):
    spec = OptimizerSpec(learning_rate=1.0, schedule="onecycle")
    assert all(0 <= learning_rate(spec, step, steps) <= 1 for step in range(steps))
