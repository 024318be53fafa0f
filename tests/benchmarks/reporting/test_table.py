import pytest

from portraitnet.benchmarks.reporting import plots
from portraitnet.benchmarks.reporting.table import latency_markdown, markdown, provenance, read_csv, write_csv
from portraitnet.runtime.errors import InputError


def latency_row(**changes):
    return {
        "model": "net",
        "format": "tflite",
        "precision": "int8",
        "backend": "LiteRT/XNNPACK",
        "threads": "1",
        "median_ms": "12.34",
        "p90_ms": "13.0",
        "bytes": "2500000",
        "parameters": "2079672",
        "macs": "348392352",
        "weights": "trained",
        "fg_iou_per_image": "0.9444",
        "residency": "83/83 in 1 partition",
        **changes,
    }


def test_csv_round_trip_with_columns_that_some_rows_lack(tmp_path):
    file = tmp_path / "deep" / "x.csv"
    write_csv(file, [{"a": 1, "b": 0.123456}, {"a": 2, "c": "x, y"}])
    assert read_csv(file) == [{"a": "1", "b": "0.1235", "c": ""}, {"a": "2", "b": "", "c": "x, y"}]
    with pytest.raises(InputError, match="measure it first"):
        read_csv(tmp_path / "none.csv")


def test_markdown_sets_numbers_to_the_right():
    table = markdown([{"n": "a", "v": 1}, {"n": "b", "v": 2.5}], {"n": "name", "v": "value"})
    assert table.splitlines() == ["| name | value |", "| --- | ---: |", "| a | 1 |", "| b | 2.5 |"]


def test_latency_table_marks_random_weights_and_sorts_by_time():
    rows = [latency_row(), latency_row(precision="fp32", median_ms="9.0", weights="random", fg_iou_per_image="")]
    lines = latency_markdown(rows).splitlines()
    assert lines[2].startswith("| net * | tflite fp32 | LiteRT/XNNPACK | 1 | 9.0 |")
    assert lines[3].startswith(
        "| net | tflite int8 | LiteRT/XNNPACK | 1 | 12.3 | 13.0 | 2.5 | 2.08 | 348 | 0.9444 | 83/83"
    )


def test_plots_are_pictures(tmp_path):
    rows = [latency_row(), latency_row(format="onnx", precision="fp32", median_ms="20", fg_iou_per_image="0.95")]
    plots.plot_latency(tmp_path / "bars.png", rows)
    plots.plot_pareto(tmp_path / "pareto.png", rows)
    plots.plot_training(tmp_path / "t.png", [{"step": 0, "loss": 1.0}], [{"step": 1, "a/fg_iou_per_image": 0.5}])
    for name in ("bars", "pareto", "t"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_provenance_names_machine_and_versions():
    facts = provenance()
    assert facts["machine"]
    assert "onnxruntime " in facts["versions"]
