import numpy as np
import pytest
from typer.testing import CliRunner

from portraitnet.benchmarks.reporting.compare import compare, comparison_rows
from portraitnet.benchmarks.reporting.table import name_of, write_csv
from portraitnet.cli.app import app
from portraitnet.runtime.errors import InputError


def row(model, times, **changes):
    low, median, high = np.percentile(times, [25, 50, 75])
    return {
        **{"model": model, "format": "tflite", "precision": "int8", "backend": "LiteRT/XNNPACK", "threads": 1},
        **{"height": 224, "width": 224, "median_ms": float(median), "iqr_ms": float(high - low), "runs": len(times)},
        **{"machine": "one", **changes},
    }


def run_of(path, times, rounds=True):
    """A latency CSV, with its rounds beside it, of {model: milliseconds of each round}."""
    rows = [row(model, values) for model, values in times.items()]
    write_csv(path, rows)
    if rounds:
        names = [name_of(one) for one in rows]
        write_csv(
            path.with_name(f"{path.stem}_rounds.csv"),
            [
                {"round": i, **{n: float(v[i]) for n, v in zip(names, times.values(), strict=True)}}
                for i in range(len(next(iter(times.values()))))
            ],
        )
    return path


def noisy(middle, seed, count=60, spread=0.05):
    return middle * np.random.default_rng(seed).lognormal(0, spread, count)


def test_noise_alone_is_no_difference_and_a_real_one_is_found(tmp_path):
    before = run_of(tmp_path / "a.csv", {"same": noisy(10, 1), "slow": noisy(20, 2), "fast": noisy(30, 3)})
    after = run_of(tmp_path / "b.csv", {"same": noisy(10, 4), "slow": noisy(24, 5), "fast": noisy(24, 6)})
    verdicts = {c.name.split()[0]: c.verdict(0.05) for c in compare(before, after).changes}
    assert verdicts == {"same": "same", "slow": "slower", "fast": "faster"}
    slow = next(c for c in compare(before, after).changes if c.name.startswith("slow"))
    assert slow.low < 1.2 < slow.high
    assert slow.ratio == pytest.approx(1.2, rel=0.05)


def test_intervals_hold_as_often_as_they_say(tmp_path):
    missed = 0
    for seed in range(40):
        before = run_of(tmp_path / "a.csv", {"net": noisy(10, 2 * seed)})
        after = run_of(tmp_path / "b.csv", {"net": noisy(10, 2 * seed + 1)})
        (change,) = compare(before, after).changes
        missed += not change.low <= 1 <= change.high
    assert missed <= 6  # 95 %: 2 of 40 on average


def test_a_reference_cancels_a_slower_machine(tmp_path):
    drift = 1 + 0.5 * np.linspace(0, 1, 60)  # the second run met a busy machine
    before = run_of(tmp_path / "a.csv", {"net": noisy(10, 1), "reference": noisy(40, 2)})
    after = run_of(tmp_path / "b.csv", {"net": drift * noisy(10, 3), "reference": drift * noisy(40, 4)})
    (plain,) = [c for c in compare(before, after).changes if c.name.startswith("net")]
    assert plain.verdict(0.05) == "slower"
    (paired,) = compare(before, after, reference="reference").changes
    assert paired.verdict(0.05) == "same"
    assert paired.ratio == pytest.approx(1, abs=0.05)


def test_without_rounds_the_quartiles_serve(tmp_path):
    before = run_of(tmp_path / "a.csv", {"net": noisy(10, 1)}, rounds=False)
    after = run_of(tmp_path / "b.csv", {"net": noisy(13, 2)}, rounds=False)
    (change,) = compare(before, after).changes
    assert change.low < 1.3 < change.high
    assert change.verdict(0.05) == "slower"
    with pytest.raises(InputError, match="needs the rounds of both runs"):
        compare(before, after, reference="net")


def test_what_cannot_be_compared_is_said(tmp_path):
    before = run_of(tmp_path / "a.csv", {"one": noisy(10, 1)})
    with pytest.raises(InputError, match="no contestant in common"):
        compare(before, run_of(tmp_path / "b.csv", {"other": noisy(10, 1)}))
    write_csv(tmp_path / "c.csv", [{"x": 1}])
    with pytest.raises(InputError, match=r"c\.csv is no latency CSV"):
        compare(before, tmp_path / "c.csv")
    two = run_of(tmp_path / "d.csv", {"one": noisy(10, 1), "one and more": noisy(10, 2)})
    with pytest.raises(InputError, match="fits 2 contestants"):
        compare(two, two, reference="one")


def test_phones_of_one_file_are_told_apart(tmp_path):
    write_csv(tmp_path / "a.csv", [row("net", [10.0, 11], machine="A"), row("net", [20.0, 21], machine="B")])
    write_csv(tmp_path / "b.csv", [row("net", [10.0, 11], machine="A"), row("net", [40.0, 41], machine="B")])
    ratios = {c.name.split()[-1]: round(c.ratio, 1) for c in compare(tmp_path / "a.csv", tmp_path / "b.csv").changes}
    assert ratios == {"A": 1.0, "B": 2.0}


def test_the_command_fails_on_a_regression_alone(tmp_path):
    before = run_of(tmp_path / "a.csv", {"net": noisy(10, 1), "gone": noisy(5, 2)})
    after = run_of(tmp_path / "b.csv", {"net": noisy(13, 3), "new": noisy(5, 4)})
    runner = CliRunner()
    worse = runner.invoke(app, ["benchmark", "compare", str(before), str(after)])
    assert worse.exit_code == 1
    assert "slower by more than 5 %: net tflite int8" in worse.output
    assert "only in" in worse.output
    assert runner.invoke(app, ["benchmark", "compare", str(after), str(before)]).exit_code == 0
    assert runner.invoke(app, ["benchmark", "compare", str(before), str(after), "--threshold", "60"]).exit_code == 0


@pytest.mark.parametrize("rounds", [True, False])
def test_one_round_proves_nothing(tmp_path, rounds):
    before = run_of(tmp_path / "a.csv", {"net": np.array([10.0])}, rounds)
    after = run_of(tmp_path / "b.csv", {"net": np.array([15.0])}, rounds)
    comparison = compare(before, after)
    (change,) = comparison.changes
    assert change.verdict(0.05) == "too few rounds"
    assert change.ratio == pytest.approx(1.5)
    assert comparison.regressions(0.05) == []
    assert comparison_rows(comparison, 0.05)[0]["95 % interval"] == "unknown"


@pytest.mark.parametrize(
    "content",
    [
        "model,median_ms\nné,1\n".encode("latin-1"),
        "model,median_ms\nnet,1\n".encode("utf-16"),
        b"\x89PNG\r\n\x1a\n\0\0",
    ],
)
def test_files_that_are_no_text_in_utf_8_are_named(tmp_path, content):
    (tmp_path / "odd.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"odd\.csv is not a results file: it must be text in UTF-8"):
        compare(tmp_path / "odd.csv", tmp_path / "odd.csv")


def test_a_mark_that_excel_writes_is_no_part_of_a_name(tmp_path):
    before = run_of(tmp_path / "a.csv", {"net": noisy(10, 1)}, rounds=False)
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + before.read_bytes())
    assert [change.ratio for change in compare(before, tmp_path / "b.csv").changes] == [1.0]


@pytest.mark.parametrize("bad", ["0", "-3", "nan", "inf", "fast"])
def test_times_that_are_none_are_refused(tmp_path, bad):
    good = run_of(tmp_path / "a.csv", {"net": noisy(10, 1)}, rounds=False)
    write_csv(tmp_path / "b.csv", [{**row("net", [10.0, 11]), "median_ms": bad}])
    with pytest.raises(InputError, match=r"b\.csv is no latency CSV"):
        compare(good, tmp_path / "b.csv")
    damaged = run_of(tmp_path / "c.csv", {"net": noisy(10, 1)})
    rounds = tmp_path / "c_rounds.csv"
    lines = rounds.read_text().splitlines()
    rounds.write_text("\n".join([*lines[:3], f"3,{bad}"]))
    with pytest.raises(InputError, match=r"c_rounds\.csv is damaged"):
        compare(damaged, damaged)
