"""`phone web`: what its server takes from pages, and the page itself in a phone-like browser."""

import functools
import http.client
import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from portraitnet.benchmarks.phone import web
from portraitnet.benchmarks.phone.readings import join
from portraitnet.benchmarks.phone.web import RESULTS, Collector, device_of, phone_site
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.shipped import default_weights
from portraitnet.runtime.web.server import DIST, PageServer, Resource, model_address
from portraitnet.tests.serving import PATIENT, connect, is_hung_up, serving, watches_of

MODEL = model_address(default_weights())
PIXEL = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile "
    "Safari/537.36"
)
built = pytest.mark.skipif(not (DIST / "phone").is_dir(), reason="the pages are not built: make web")


def told(**changes):
    timed = {"model": MODEL, "engine": "litert-wasm", "threads": 2, "rounds": [5.0, 6.0, 7.0], "firstMs": 80.5}
    return {"userAgent": PIXEL, "secure": True, "isolated": True, "cores": 8, "adapter": "", "timed": [timed | changes]}


@pytest.fixture
def collector(tmp_path):
    return Collector({MODEL: default_weights()}, lambda rows: join(tmp_path, rows))


def test_rounds_become_a_row_of_the_phone(collector, tmp_path):
    collector(json.dumps(told()).encode())
    (row,) = read_csv(tmp_path / "phones.csv")
    assert row["machine"] == "Pixel 8 (Android 14), Chrome 126"
    assert (row["backend"], row["threads"], row["runs"]) == ("LiteRT.js WASM", "2", "3")
    assert (float(row["median_ms"]), float(row["cold_start_ms"])) == (6.0, 80.5)
    assert (row["model"], row["precision"], row["macs"]) == ("portraitnet-mobile", "int8", "348392352")
    assert row["conditions"] == "secure; isolated; 8 cores"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'{"timed": []}',
        b'{"timed": {}}',
        json.dumps({**told(), "timed": [1]}).encode(),
        json.dumps({**told(), "timed": told()["timed"] * 65}).encode(),
        json.dumps(told(model="models/../../etc/passwd")).encode(),
        json.dumps(told(model=["x"])).encode(),
        json.dumps(told(engine="<script>")).encode(),
        json.dumps(told(engine={})).encode(),
        json.dumps(told(rounds=[])).encode(),
        json.dumps(told(rounds=[1] * 1001)).encode(),
        json.dumps(told(rounds=["NaN"])).encode(),
        json.dumps(told(rounds=[-1])).encode(),
        json.dumps(told(rounds=[0.0])).encode(),
        json.dumps(told(rounds=[True])).encode(),
        json.dumps(told(rounds=[1e300])).encode(),
        json.dumps(told(threads=10**9)).encode(),
        json.dumps(told(firstMs=None)).encode(),
        json.dumps({**told(), "userAgent": {"a": 1}}).encode(),
        json.dumps({**told(), "cores": "many"}).encode(),
    ],
)
def test_what_no_page_would_send_is_refused_whole(collector, tmp_path, body):
    with pytest.raises(InputError):
        collector(body)
    assert not (tmp_path / "phones.csv").exists()
    assert collector.submissions == 0


def test_a_hostile_name_stays_one_plain_cell(collector, tmp_path):
    agent = '=HYPERLINK("x")\n"a,b"\x00<script>alert(1)</script>' + "x" * 5000
    collector(json.dumps({**told(), "userAgent": agent, "adapter": "@SUM(A1)\r\n"}).encode())
    (row,) = read_csv(tmp_path / "phones.csv")
    assert len(row["machine"]) <= 160
    assert not row["machine"].startswith("=")
    assert "\n" not in "".join(row.values())


def test_submissions_are_counted_and_end(collector, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "MAX_SUBMISSIONS", 2)
    for _ in range(2):
        collector(json.dumps(told()).encode())
    with pytest.raises(InputError, match="start the server anew"):
        collector(json.dumps(told()).encode())
    assert len(read_csv(tmp_path / "phones.csv")) == 2


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.4 Mobile/15E148 Safari/604.1",
            "iPhone (OS 17.4), Safari 17",
        ),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/127.0.0.0 Mobile", "Android 10, Chrome 127"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0", "Mobile (Android 14), Firefox 128"),
        ("", "unknown device"),
        ("curl", "curl, browser"),
        (None, "unknown device"),
    ],
)
def test_devices_are_named_by_their_browser(agent, name):
    assert device_of(agent) == name


def test_what_chrome_says_when_asked_names_the_device():
    agent = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/127.0.0.0 Mobile"
    assert device_of(agent, "Pixel 8 (Android 14.0.0)") == "Pixel 8 (Android 14.0.0), Chrome 127"


@pytest.fixture
def server(collector):
    site = {"index.html": Resource("text/html", None, b"<p>page</p>")}
    with serving(PageServer(site, token="secret", receivers={RESULTS: collector})) as server:
        yield server


def post(server, path="/secret/results", body=b"{}", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("POST", path, body, {"Origin": server.origin, **headers})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_page_may_post_and_others_may_not(server, tmp_path):
    good = json.dumps(told()).encode()
    assert post(server, body=good) == (200, "thank you")
    assert post(server, path="/results", body=good)[0] == 404  # without the secret
    assert post(server, path="/secret/index.html", body=good)[0] == 404
    assert post(server, path="/secret/../secret/results", body=good)[0] == 404
    assert post(server, body=good, Origin="https://elsewhere.example")[0] == 403
    assert post(server, body=good, Origin="null")[0] == 403
    assert post(server, body=b"{}") == (400, "expected an object with a list `timed`")
    assert len(read_csv(tmp_path / "phones.csv")) == 1


def test_an_origin_leaves_the_usual_port_out_as_browsers_do(server, monkeypatch):
    assert server.origin == f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(server, "server_port", 80)
    assert server.origin == "http://127.0.0.1"


@pytest.mark.parametrize("length", [str(300 << 10), "-1", "1e3", "99999999999999"])
def test_large_and_endless_bodies_are_refused_before_they_come(server, tmp_path, length):
    with connect(server) as client:  # nothing of the body is ever sent
        client.sendall(posted(server, length))
        assert client.recv(13) in (b"HTTP/1.1 411 ", b"HTTP/1.1 413 ")
    assert not (tmp_path / "phones.csv").exists()


def test_half_a_body_does_not_hold_a_place(server, monkeypatch, tmp_path):
    watches = watches_of(monkeypatch)
    with connect(server) as client:
        client.sendall(posted(server, "1000") + b"{")
        watches.get(timeout=PATIENT).time_is_up()
        assert is_hung_up(client)
    assert not (tmp_path / "phones.csv").exists()


def posted(server, length):
    """The head of a post from the server's own page."""
    lines = "POST /secret/results HTTP/1.1", "Host: x", f"Origin: {server.origin}", f"Content-Length: {length}", "", ""
    return "\r\n".join(lines).encode()


@built
def test_only_what_the_page_needs_is_served(tmp_path):
    models = [default_weights(), default_weights().with_suffix(".onnx")]
    site, served = phone_site(models, 10)
    assert served == {model_address(path): path for path in models}
    assert {re.sub("-[0-9A-Z]{8}", "", name) for name in site} >= {"", "index.html", "phone.js", "phone.css"}
    assert not {"sw.js", "package.json", "models.json"} & set(site)
    assert sum(name.startswith("shared/ort-") for name in site) == 3
    plan = json.loads(site["plan.json"].content)
    assert plan["runs"] == 10
    assert [model["format"] for model in plan["models"]] == ["tflite", "onnx"]
    with pytest.raises(InputError, match=r"neither \.tflite nor \.onnx"):
        phone_site([default_weights().with_suffix(".safetensors")], 10)
    with pytest.raises(InputError, match="same file name"):
        phone_site([default_weights(), default_weights()], 10)


@built
def test_every_engine_times_shows_and_sends(engine, tmp_path):
    """Through to the posted result, in the engines of all phones."""
    half = default_weights().with_name("portraitnet-nano.tflite")  # fp16 weights, which the page makes float32
    models = [default_weights(), default_weights().with_suffix(".onnx"), half]
    site, served = phone_site(models, runs=3)
    collector = Collector(served, lambda rows: join(tmp_path, rows))
    browser = engine()
    with serving(PageServer(site, token="secret", receivers={RESULTS: collector})) as server:
        browser.resize(390, 844)
        browser.open(server.url)
        browser.wait("!document.getElementById('start').disabled")
        boxes = browser.evaluate("document.querySelectorAll('#plan input').length")
        assert boxes >= 2
        assert browser.evaluate("document.documentElement.scrollWidth") <= browser.evaluate("innerWidth")
        browser.click("#start")
        browser.wait("document.getElementById('status').textContent.startsWith('Done, and sent')", seconds=120)
        assert browser.evaluate("document.querySelectorAll('#results tr').length") == boxes
        assert browser.evaluate("document.documentElement.scrollWidth") <= browser.evaluate("innerWidth")
        browser.open("about:blank")
    rows = read_csv(tmp_path / "phones.csv")
    assert len(rows) == boxes
    assert {row["backend"] for row in rows} == {"LiteRT.js WASM", "onnxruntime-web WASM"}
    assert all(row["runs"] == "3" and 0.1 < float(row["median_ms"]) < 60_000 for row in rows)
    assert all("isolated" in row["conditions"] for row in rows)
    litert = {row["threads"] for row in rows if row["backend"] == "LiteRT.js WASM"}
    assert litert == ({"1"} if browser.name == "webkit" else {"1", "2"})


@built
def test_the_command_serves_behind_its_secret_until_ctrl_c(tmp_path):
    command = [sys.executable, "-m", "portraitnet", "phone", "web", "--no-lan", "--port", "0", "--out", str(tmp_path)]
    # A shell's background job ignores Ctrl-C, and so would what it starts.
    heeds = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeds)
    try:
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert len(address.rstrip("/").rpartition("/")[2]) >= 16
        with urllib.request.urlopen(address + "plan.json", timeout=20) as answer:
            assert len(json.load(answer)["models"]) == 2
    finally:
        server.send_signal(signal.SIGINT)
        try:
            said, wrong = server.communicate(timeout=60)
        finally:
            server.kill()  # nothing where it has ended
    assert "stopped" in said
    assert "Traceback" not in wrong
