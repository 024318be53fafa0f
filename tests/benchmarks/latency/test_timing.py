import pytest

from portraitnet.benchmarks.latency import timing
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


def test_times_are_milliseconds_of_the_right_contestant(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def takes(seconds):
        now[0] += seconds

    slow, fast = timing.interleave([lambda: takes(0.02), lambda: takes(0.001)], runs=5, warmup=1)
    assert slow.rounds == pytest.approx([20.0] * 5)
    assert fast.rounds == pytest.approx([1.0] * 5)


def test_summary_of_known_times():
    summary = summarize([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (summary.median_ms, summary.iqr_ms, summary.runs) == (3.0, 2.0, 5)
    assert summary.p90_ms == pytest.approx(4.6)
