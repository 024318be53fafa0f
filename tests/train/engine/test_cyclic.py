"""The cyclic schedule of report 1 (mmcv's), and the momentum that goes with one-cycle."""

import math

import pytest
import torch

from portraitnet.train.engine.optimizer import build_optimizer
from portraitnet.train.engine.schedule import make_scheduler
from portraitnet.train.recipe import OptimizerSpec


def history(spec, steps):
    """Rate and momentum of each step."""
    optimizer = build_optimizer(torch.nn.Linear(2, 2), spec)
    scheduler = make_scheduler(optimizer, spec, steps)
    rows = []
    for step in range(steps):
        group = optimizer.param_groups[-1]
        rows.append((group["lr"], group["momentum"] if "momentum" in group else group["betas"][0]))
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return rows


def mmcv(start, peak, end, step, steps, up):
    """Half cosines from `start` to `peak` at `up` of the run and on to `end`."""
    turn = up * steps
    first, last, share = (start, peak, step / turn) if step < turn else (peak, end, (step - turn) / (steps - turn))
    return last + 0.5 * (first - last) * (math.cos(math.pi * share) + 1)


def test_rate_and_momentum_are_the_reports():
    steps, spec = 3000, OptimizerSpec(name="sgd", learning_rate=0.01, momentum=0.9, schedule="cyclic")
    rows = history(spec, steps)
    assert rows[0] == pytest.approx((0.01, 0.9))
    assert max(rate for rate, _ in rows) == pytest.approx(0.1)  # ten times the rate
    assert min(momentum for _, momentum in rows) == pytest.approx(0.9 * 0.85 / 0.95)
    assert rows[-1] == pytest.approx((1e-6, 0.9))
    assert max(range(steps), key=lambda step: rows[step][0]) == pytest.approx(0.4 * steps, abs=1)
    for step in range(0, steps, 100):
        # torch reaches its turning points one step earlier than mmcv.
        assert rows[step][0] == pytest.approx(mmcv(0.01, 0.1, 1e-6, step, steps, 0.4), abs=2e-4)
        assert rows[step][1] == pytest.approx(mmcv(0.9, 0.9 * 0.85 / 0.95, 0.9, step, steps, 0.4), abs=2e-4)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_one_cycles_momentum_follows_the_recipes(name):
    for momentum in (0.9, 0.6):
        spec = OptimizerSpec(name=name, learning_rate=0.01, momentum=momentum, schedule="onecycle")
        found = [momentum for _, momentum in history(spec, 50)]
        assert (min(found), max(found)) == pytest.approx((momentum - 0.05, momentum + 0.05))
