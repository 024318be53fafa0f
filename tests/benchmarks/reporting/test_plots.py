"""Axes that do not magnify small differences."""

import pytest

from portraitnet.benchmarks.reporting.plots import accuracy_limits


@pytest.mark.parametrize("accuracies", [(0.956, 0.958), (0.9999, 0.998), (0.3, 0.95), (0.5,)])
def test_accuracies_lie_inside_and_small_differences_look_small(accuracies):
    low, high = accuracy_limits(accuracies)
    assert low < min(accuracies)
    assert max(accuracies) < high < 1.1
    drawn = (max(accuracies) - min(accuracies)) / (high - low)
    assert drawn < 0.05 or max(accuracies) - min(accuracies) > 0.05
