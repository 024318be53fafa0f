import math

import pytest
import torch

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.schedule import make_scheduler
from portraitnet.train.recipe import OptimizerSpec


def schedule(spec, steps, first_step=0):
    """Rate of each parameter group, and momentum, of each step."""
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": parameters[:1], "lr": spec.learning_rate / 10}, {"params": parameters[1:]}]
    optimizer = torch.optim.SGD(groups, spec.learning_rate, momentum=spec.momentum)
    scheduler = make_scheduler(optimizer, spec, steps, first_step)
    rows = []
    for _ in range(first_step, steps):
        encoder, decoder = optimizer.param_groups
        assert encoder["lr"] == pytest.approx(decoder["lr"] / 10)
        rows.append((decoder["lr"], decoder["momentum"]))
        optimizer.step()
        scheduler.step()
    return rows


def formula(spec, step, steps):
    """The rate as the recipes' comments define it."""
    if step < spec.warmup_steps:
        return spec.learning_rate * (step + 1) / spec.warmup_steps
    after = step - spec.warmup_steps
    done = after / (steps - spec.warmup_steps)
    return (
        spec.learning_rate
        * {
            "constant": 1,
            "cosine": (1 + math.cos(math.pi * done)) / 2,
            "step": spec.step_factor ** (after // spec.step_every),
            "poly": (1 - done) ** spec.poly_power,
        }[spec.schedule]
    )


@pytest.mark.parametrize("warmup", [0, 1, 3])
@pytest.mark.parametrize("kind", ["constant", "cosine", "step", "poly"])
def test_rates_follow_the_formula(kind, warmup):
    spec = OptimizerSpec(learning_rate=0.5, schedule=kind, warmup_steps=warmup, step_every=5, step_factor=0.5)
    rates = [rate for rate, _ in schedule(spec, 20)]
    assert rates == pytest.approx([formula(spec, step, 20) for step in range(20)], rel=1e-9)
    assert {momentum for _, momentum in schedule(spec, 20)} == {spec.momentum}


def test_steps_warm_up_and_halve():
    spec = OptimizerSpec(learning_rate=1.0, schedule="step", warmup_steps=2, step_every=3, step_factor=0.5)
    assert [rate for rate, _ in schedule(spec, 8)] == pytest.approx([0.5, 1, 1, 1, 1, 0.5, 0.5, 0.5])


def test_one_cycle_peaks_at_three_tenths_where_the_momentum_is_lowest():
    rows = schedule(OptimizerSpec(learning_rate=0.01, schedule="onecycle"), 50)
    assert rows[0] == pytest.approx((0.01 / 25, 0.95))
    assert rows[14] == pytest.approx((0.01, 0.85))
    assert rows[-1] == pytest.approx((0.01 / 25e4, 0.95))
    assert [rate for rate, _ in rows] == pytest.approx(
        sorted(rate for rate, _ in rows[:15]) + sorted((rate for rate, _ in rows[15:]), reverse=True)
    )


@pytest.mark.parametrize("kind", ["constant", "cosine", "step", "poly", "onecycle"])
def test_a_resumed_schedule_is_the_whole_one_to_the_last_bit(kind):
    spec = OptimizerSpec(schedule=kind, warmup_steps=0 if kind == "onecycle" else 4, step_every=3)
    whole = schedule(spec, 20)
    for first_step in (2, 4, 11, 20):
        assert schedule(spec, 20, first_step) == whole[first_step:]


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("kind", ["constant", "cosine", "step", "poly", "onecycle"])
def test_very_short_runs(kind, steps):
    warmup = 0 if kind == "onecycle" else 2
    rows = schedule(OptimizerSpec(learning_rate=1.0, schedule=kind, warmup_steps=warmup), steps)
    assert all(0 < rate <= 1 for rate, _ in rows)


def test_one_cycle_takes_no_other_warm_up():
    with pytest.raises(InputError, match="warmup_steps must be 0"):
        schedule(OptimizerSpec(schedule="onecycle", warmup_steps=3), 10)
