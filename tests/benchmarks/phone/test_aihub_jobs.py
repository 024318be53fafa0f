"""Jobs on AI Hub, against a stand-in that answers in the form of Qualcomm's client 0.56; where that is installed, also
against its own signatures and its own conversion of profiles."""

import inspect
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from portraitnet.benchmarks.phone import aihub_jobs
from portraitnet.benchmarks.phone.aihub_jobs import find_devices, open_client, time_on_hub
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.cli.app import app
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.shipped import find_model

requests = pytest.importorskip("requests")
S25, OLDER, PIXEL = (
    SimpleNamespace(name=name, os=os, attributes=[])
    for name, os in (("Samsung Galaxy S25", "15"), ("Samsung Galaxy S25", "9"), ("Google Pixel 9", "14"))
)
PROFILE = {
    "execution_summary": {
        "estimated_inference_time": 401,
        "estimated_inference_peak_memory": 3 << 20,
        "first_load_time": 250_000,
        "warm_load_time": 90_000,
        "all_inference_times": [400, 410, 420, 900],
    },
    "execution_detail": [
        {"name": f"{index}", "type": "Conv2D", "compute_unit": "NPU" if index else "CPU"} for index in range(10)
    ],
}


class Hub:
    """Answers of the client; `profiles` by device."""

    def __init__(self, profiles):
        self.profiles, self.submitted = profiles, []

    def get_devices(self, name="", os="", attributes=None):
        return [OLDER, S25, PIXEL]

    def submit_inference_job(
        self, model, device, inputs=None, name=None, options="", retry=True, profile=True, project=None
    ):
        self.submitted.append((model, device, options))
        status = SimpleNamespace(code="FAILED", message="Unsupported operator")
        return SimpleNamespace(
            download_profile=lambda filename=None: self.profiles.get(device.name, {}), get_status=lambda: status
        )


def test_a_row_tells_median_first_load_memory_and_who_ran_it():
    hub, told = Hub({S25.name: PROFILE}), []
    (row,) = time_on_hub(hub, [find_model("nano")], [S25, PIXEL], "npu", told.append)
    assert hub.submitted == [(str(find_model("nano")), device, "--compute_unit npu") for device in (S25, PIXEL)]
    assert (row["median_ms"], row["cold_start_ms"], row["peak_mb"], row["runs"]) == (0.415, 250, 3, 4)
    assert (row["backend"], row["residency"], row["machine"]) == ("tflite NPU", "9/10", "Samsung Galaxy S25")
    assert (row["model"], row["precision"], row["height"]) == ("portraitnet-nano", "fp16", 144)
    assert told == ["portraitnet-nano.tflite on Google Pixel 9: Unsupported operator"]


def test_a_profile_without_single_times_says_that_it_is_an_estimate():
    short = {"execution_summary": {"estimated_inference_time": 401, "first_load_time": -1}, "execution_detail": []}
    (row,) = time_on_hub(Hub({S25.name: short}), [find_model("nano")], [S25])
    assert (row["median_ms"], row["runs"], row["cold_start_ms"]) == (0.401, 1, "")
    assert "estimate" in str(row["conditions"])


def test_a_phone_is_found_in_its_newest_system_and_a_wrong_name_gets_near_ones():
    assert find_devices(Hub({}), ["samsung galaxy s25"]) == [S25]
    with pytest.raises(InputError, match=r"no device 'Samsung Galaxy S26'; near: Samsung Galaxy S25"):
        find_devices(Hub({}), ["Samsung Galaxy S26"])


def test_what_the_hub_does_not_take_is_refused_before_anything_is_uploaded(tmp_path):
    hub = Hub({})
    with pytest.raises(InputError, match="is none of all, cpu, gpu, npu"):
        list(time_on_hub(hub, [find_model("nano")], [S25], "tpu"))
    with pytest.raises(InputError, match=r"times \.tflite and \.onnx"):
        list(time_on_hub(hub, [tmp_path / "m.mlpackage"], [S25]))
    assert hub.submitted == []


def test_the_network_and_a_missing_token_are_one_line():
    def absent(*_, **__):
        raise FileNotFoundError("\n┌────┐\n| Your API token is missing. |\n└────┘")

    with pytest.raises(InputError, match=r"^AI Hub: Your API token is missing\. \(The token comes from"):
        find_devices(SimpleNamespace(get_devices=absent), ["x"])

    def unreachable(*_, **__):
        raise requests.ConnectionError("no route\nto host")

    with pytest.raises(InputError, match=r"^AI Hub: no route to host$"):
        find_devices(SimpleNamespace(get_devices=unreachable), ["x"])


def test_the_command_joins_the_table_and_fails_when_no_job_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(aihub_jobs, "open_client", lambda: Hub({S25.name: PROFILE}))
    arguments = ["phone", "aihub", "nano", "--out", str(tmp_path), "--devices"]
    done = CliRunner().invoke(app, [*arguments, "Samsung Galaxy S25,Google Pixel 9"])
    assert done.exit_code == 0, done.output
    assert "note: portraitnet-nano.tflite on Google Pixel 9: Unsupported operator" in done.output
    (row,) = read_csv(tmp_path / "phones.csv")
    assert (row["machine"], row["source"]) == ("Samsung Galaxy S25", "AI Hub")
    failed = CliRunner().invoke(app, [*arguments, "Google Pixel 9"])
    assert isinstance(failed.exception, InputError)


def test_without_the_client_its_extra_is_named(monkeypatch):
    monkeypatch.setattr(aihub_jobs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'portraitnet\[aihub\]'"):
        open_client()


def test_the_real_client_takes_these_calls():
    qai_hub = pytest.importorskip("qai_hub", reason="the aihub extra is not installed")
    for name in ("get_devices", "submit_inference_job"):
        real = inspect.signature(getattr(qai_hub.Client, name)).parameters
        assert list(inspect.signature(getattr(Hub, name)).parameters) == list(real)
    assert {"download_profile", "get_status"} <= set(dir(qai_hub.InferenceJob))
    from qai_hub import public_api_pb2
    from qai_hub.client import _profile_pb_to_python_dict

    told = public_api_pb2.ProfileDetail(major_version=1, minor_version=2, execution_time=401)
    told.all_execution_times.extend([400, 410])
    told.layer_details.add(name="conv", layer_type_name="Conv2D", compute_unit=public_api_pb2.COMPUTE_UNIT_NPU)
    profile = _profile_pb_to_python_dict(told)
    assert PROFILE["execution_summary"].keys() <= profile["execution_summary"].keys()
    row = aihub_jobs.row_of(profile, find_model("nano"), S25)
    assert (row["median_ms"], row["residency"]) == (0.405, "1/1")
