import json

import pytest
from typer.testing import CliRunner

from portraitnet.benchmarks.phone.imports import read_results, read_sustained
from portraitnet.benchmarks.phone.readings import checked_row, join, plain_text
from portraitnet.benchmarks.reporting.table import LATENCY_COLUMNS, read_csv, write_csv
from portraitnet.cli.app import app
from portraitnet.runtime.errors import InputError

ROW = {
    **dict.fromkeys(LATENCY_COLUMNS, ""),
    **{"model": "net", "format": "tflite", "precision": "int8", "backend": "GPU", "threads": 1, "median_ms": 4.5},
    **{"p90_ms": 5.0, "iqr_ms": 0.2, "runs": 50, "machine": "Pixel 8", "versions": "Android 14"},
}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_apps_json_joins_the_table(tmp_path):
    told = {"experiment": "latency", "heat_before": "none", "heat_after": "moderate", "rows": [ROW]}
    file = write(tmp_path / "app.json", told)
    done = CliRunner().invoke(app, ["phone", "import", str(file), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (row,) = read_csv(tmp_path / "phones.csv")
    assert (row["machine"], float(row["median_ms"]), row["heat_after"]) == ("Pixel 8", 4.5, "moderate")
    assert row["source"] == "Android app"
    CliRunner().invoke(app, ["phone", "import", str(file), "--out", str(tmp_path)])
    assert len(read_csv(tmp_path / "phones.csv")) == 2


def test_the_apps_sustained_run_has_a_table_of_its_own(tmp_path):
    stretches = [
        {"second": 10, "per_second": 200.0, "median_ms": 5.0, "headroom": 0.7},
        {"second": 20, "per_second": 150.0, "median_ms": 6.5, "headroom": None},
    ]
    file = write(tmp_path / "app.json", {"experiment": "latency", "rows": [ROW], "sustained": stretches})
    done = CliRunner().invoke(app, ["phone", "import", str(file), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    one, two = read_csv(tmp_path / "phones_sustained.csv")
    assert (one["machine"], one["model"], float(one["per_second"]), float(one["headroom"])) == (
        "Pixel 8",
        "net",
        200,
        0.7,
    )
    assert (two["second"], two["headroom"], two["source"]) == ("20.0000", "", "Android app")
    broken = write(tmp_path / "broken.json", {"rows": [ROW], "sustained": [{"second": "soon", "per_second": 1}]})
    with pytest.raises(InputError, match="second is 'soon'"):
        read_sustained(broken)


NEWER = """
precisions:
  float:
    components:
      MediaPipe-Selfie-Segmentation:
        performance_metrics:
          Samsung Galaxy S25:
            tflite:
              job_id: jp0r00k6p
              job_status: Passed
              inference_time_milliseconds: 0.363
              estimated_peak_memory_range_mb: {min: 0, max: 123}
              primary_compute_unit: NPU
              layer_counts: {total: 118, npu: 118}
            onnx:
              job_status: Failed
  w8a8:
    components:
      MediaPipe-Selfie-Segmentation:
        performance_metrics:
          Samsung Galaxy S25:
            qnn_dlc: {inference_time_milliseconds: 0.15, primary_compute_unit: NPU}
"""
OLDER = """
models:
- name: MediaPipe-Selfie-Segmentation
  performance_metrics:
  - torchscript_onnx_tflite:
      inference_time: 703.0
      primary_compute_unit: NPU
      precision: fp16
      layer_info: {layers_on_npu: 110, layers_on_gpu: 0, layers_on_cpu: 8, total_layers: 118}
      job_status: Passed
    torchscript_onnx_qnn: {inference_time: 'null', job_status: Skipped}
    reference_device_info: {name: Samsung Galaxy S23, os: '13'}
"""


def test_perf_yaml_of_ai_hub_in_both_layouts(tmp_path):
    first, second = read_results(write(tmp_path / "perf.yaml", NEWER))
    assert (first["machine"], first["backend"], first["median_ms"]) == ("Samsung Galaxy S25", "tflite NPU", 0.363)
    assert (first["residency"], first["peak_mb"], first["source"]) == ("118/118", 123, "AI Hub")
    assert (second["precision"], second["format"], second["median_ms"]) == ("int8", "qnn", 0.15)
    (row,) = read_results(write(tmp_path / "older.yaml", OLDER))
    assert (row["machine"], row["median_ms"], row["residency"]) == ("Samsung Galaxy S23", 0.703, "110/118")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "not readable YAML"),
        ("!!python/object/apply:os.system [id]", "not readable YAML"),
        ("a: 1", "no perf.yaml"),
        ("precisions: {float: 3}", "no time of a job that passed"),
        ("models: [{name: x, performance_metrics: [{tflite: {inference_time: 5}}]}]", "lacks machine"),
    ],
)
def test_other_yaml_is_one_line(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_results(write(tmp_path / "perf.yaml", content))


def test_a_latency_csv_of_another_computer(tmp_path):
    write_csv(tmp_path / "mac.csv", [ROW | {"machine": "Apple M2", "backend": "CoreML", "end_to_end_ms": 7}])
    (row,) = read_results(tmp_path / "mac.csv")
    assert (row["machine"], row["backend"], row["source"]) == ("Apple M2", "CoreML", "computer")
    assert read_results(tmp_path / "mac.csv", device="my Mac")[0]["machine"] == "my Mac"


@pytest.mark.parametrize(
    "told",
    [
        {"device": {"name": "iPhone 15"}, "modelName": "net", "prediction": {"median": 1.9, "unit": "ms"}},
        {"deviceName": "iPhone 15", "model": "net", "predictionMetrics": {"medianTimeInNanoseconds": 1.9e6}},
        {"deviceName": "iPhone 15", "model": "net", "results": [{"prediction": {"median_s": 0.0019}}]},
    ],
)
def test_medians_of_a_report_from_xcode_with_their_units(tmp_path, told):
    (row,) = read_results(write(tmp_path / "report.json", told))
    assert row["median_ms"] == pytest.approx(1.9)
    assert (row["machine"], row["model"], row["format"]) == ("iPhone 15", "net", "coreml")


def test_reports_that_tell_too_little_ask_for_it(tmp_path):
    file = write(tmp_path / "r.json", {"prediction": {"median": 2.0, "unit": "ms"}})
    with pytest.raises(InputError, match="add --device and --model"):
        read_results(file)
    assert read_results(file, "iPhone 15", "net")[0]["median_ms"] == 2.0
    with pytest.raises(InputError, match="no median prediction time that we find"):
        read_results(write(tmp_path / "r.json", {"prediction": {"median": 2.0}}), "a", "b")  # of which unit?


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", "{", "neither JSON nor a CSV"),
        ("x.json", "[" * 100_000, "neither JSON nor a CSV"),
        ("x.json", {"rows": [1]}, "not a list of results"),
        ("x.json", {"rows": [{**ROW, "median_ms": -1}]}, "median_ms is '-1'"),
        ("x.json", {"rows": [{**ROW, "median_ms": "NaN"}]}, "median_ms is 'NaN'"),
        ("x.json", {"rows": [{**ROW, "model": ["a"]}]}, "expected text, got list"),
        ("x.json", {"rows": [{**ROW, "machine": ""}]}, "lacks machine"),
        ("x.csv", "a,b\n1,2\n", "lacks model"),
        ("x.json", "1" * (5 << 20), "larger than 4 MiB"),
    ],
)
def test_other_files_are_one_line_and_leave_the_table_alone(tmp_path, name, content, message):
    with pytest.raises(InputError, match=message):
        read_results(write(tmp_path / name, content))
    done = CliRunner().invoke(app, ["phone", "import", str(tmp_path / name), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, InputError)
    assert not (tmp_path / "out").exists()


def test_text_is_one_plain_line_that_is_no_formula():
    assert plain_text("=cmd|' /C calc'!A0") == "cmd|' /C calc'!A0"
    assert plain_text("a\nb\x1b[31m\u202ec\x00") == "a b [31m c"
    assert len(plain_text("x" * 10_000)) == 160
    assert plain_text(None) == ""


def test_unknown_columns_do_not_reach_the_file():
    assert "evil" not in checked_row({**ROW, "evil": "x"})


def test_the_table_does_not_grow_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("portraitnet.benchmarks.phone.readings.MAX_ROWS", 2)
    join(tmp_path, [checked_row(ROW), checked_row(ROW)])
    with pytest.raises(InputError, match="holds 2 results; move it away"):
        join(tmp_path, [checked_row(ROW)])
    assert len(read_csv(tmp_path / "phones.csv")) == 2


SUMMARY = """INFO: Replacing 122 out of 124 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions
INFO: [./litert/tools/benchmark_litert_model.h:72]
========== BENCHMARK RESULTS ==========
INFO: [./litert/tools/benchmark_litert_model.h:73] Model initialization: 5.76 ms
INFO: [./litert/tools/benchmark_litert_model.h:73] Warmup (first):       1.90 ms
INFO: [./litert/tools/benchmark_litert_model.h:73] Warmup (avg):         0.95 ms (526 runs)
INFO: [./litert/tools/benchmark_litert_model.h:73] Inference (avg):      0.94 ms (50 runs)
"""
WHOLE = SUMMARY + "INFO: count=9 first=1 avg=9 std=1 median=9\nINFO: count=50 first=1 avg=940 std=12 median=930\n"


def test_a_log_of_litert_cli_whole_or_shortened_to_its_summary(tmp_path):
    log = write(tmp_path / "bench.log", SUMMARY)
    arguments = ["phone", "import", str(log), "--out", str(tmp_path), "--device", "Pixel 9", "--model", "nano"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    (row,) = read_csv(tmp_path / "phones.csv")
    assert (float(row["median_ms"]), row["conditions"]) == (0.94, "the average, not the median")
    assert (row["backend"], row["residency"], row["runs"], row["source"]) == ("CPU", "122/124 in 1", "50", "LiteRT-CLI")
    (row,) = read_results(write(tmp_path / "whole.txt", WHOLE), "Pixel 9", "nano")
    assert (row["median_ms"], row["conditions"], row["cold_start_ms"]) == (0.93, "", pytest.approx(7.66))


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        (SUMMARY, ("", ""), "add --device and --model"),
        (SUMMARY.partition("\n")[2], ("Pixel 9", "nano"), "does not say which processor ran"),
        (SUMMARY.partition("\n")[0], ("Pixel 9", "nano"), "Replacing"),
        ("nothing\n", ("Pixel 9", "nano"), "does not say which processor ran"),
    ],
)
def test_a_log_that_tells_too_little_gives_no_figure(tmp_path, text, names, message):
    with pytest.raises(InputError, match=message):
        read_results(write(tmp_path / "bench.log", text), *names)


def test_a_gpu_in_a_log_is_named_by_its_delegate(tmp_path):
    text = SUMMARY.replace("TfLiteXNNPackDelegate", "LiteRt GPU accelerator")
    (row,) = read_results(write(tmp_path / "bench.log", text), "Pixel 9", "nano")
    assert row["backend"] == "GPU"
