"""What `portraitnet demo` says while it works."""

import io

from rich.console import Console

from portraitnet.benchmarks.demo import Steps, _without_empty, spoken


def test_each_step_says_what_it_usually_takes_and_what_it_took():
    out = io.StringIO()
    steps = Steps(2, Console(file=out, width=100))
    with steps.step("train", "3 minutes"):
        pass
    with steps.step("export", "10 seconds"):
        pass
    lines = out.getvalue().splitlines()
    assert "1/2  train (about 3 minutes)" in lines[0]
    assert lines[1] == "train: done in 0 s"
    assert "2/2  export (about 10 seconds)" in lines[2]
    assert list(steps.seconds) == ["train", "export"]


def test_columns_in_which_nothing_is_said_are_left_out():
    rows = [
        {"artefact": "a", "XNNPACK": "–", "accuracy lost": "–"},
        {"artefact": "b", "XNNPACK": "1", "accuracy lost": "–"},
    ]
    assert _without_empty(rows) == [{"artefact": "a", "XNNPACK": "–"}, {"artefact": "b", "XNNPACK": "1"}]


def test_durations_are_for_people():
    assert [spoken(seconds) for seconds in (0.4, 47.6, 59.6, 185)] == ["0 s", "48 s", "1 min 0 s", "3 min 5 s"]
