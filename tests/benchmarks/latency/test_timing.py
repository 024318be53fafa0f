import time

import pytest

from portraitnet.benchmarks.latency.timing import interleave, summarize


def test_contestants_take_turns_and_only_counted_rounds_count():
    calls = []
    timings = interleave([lambda: calls.append("a"), lambda: calls.append("b")], runs=4, warmup=2)
    assert len(calls) == 12
    # Each round holds each contestant once, in an order that changes.
    rounds = [tuple(calls[i : i + 2]) for i in range(0, 12, 2)]
    assert all(set(pair) == {"a", "b"} for pair in rounds)
    assert len(set(rounds)) == 2
    assert [t.runs for t in timings] == [4, 4]


def test_times_are_milliseconds_of_the_right_contestant():
    slow, fast = interleave([lambda: time.sleep(0.02), lambda: None], runs=5, warmup=1)
    assert slow.median_ms >= 20
    assert fast.median_ms < slow.median_ms


def test_summary_of_known_times():
    timing = summarize([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (timing.median_ms, timing.iqr_ms, timing.runs) == (3.0, 2.0, 5)
    assert timing.p90_ms == pytest.approx(4.6)
