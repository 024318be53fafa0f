"""The page's server: it gives its own files, whatever is asked for, and survives rude clients."""

import contextlib
import gzip
import http.client
import json
import socket
import ssl
import threading

import pytest

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.geometry import STRETCH
from portraitnet.runtime.shipped import default_weights
from portraitnet.runtime.web import server as server_module
from portraitnet.runtime.web.lan import own_address, qr_code, self_made_certificate
from portraitnet.runtime.web.server import PageServer, Resource, model_address, resources
from portraitnet.tests.serving import PATIENT, connect, is_hung_up, serving, watches_of


def built_page(folder):
    """A small stand-in for what `make web` builds."""
    texts = {
        "app/index.html": "<!doctype html><title>page</title>",
        "app/app-AB12CD34.js": "// the page\n" * 1000,
        "app/sw.js": "// worker",
        "app/icon.svg": "<svg/>",
        "app/.secret.js": "no",
        "app/notes.txt": "no",
        "shared/worker-AB12CD34.js": "// worker",
        "shared/engine.js": "// engine",
        "shared/litert-0123456789/litert.wasm": "wasm",
        "other/index.html": "another page",
    }
    for name, text in texts.items():
        path = folder / "dist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "dist"


@pytest.fixture
def serve(tmp_path):
    running = []

    def start(**options):
        site = resources([default_weights()], built_page(tmp_path))
        server = PageServer(site, **options)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join(PATIENT)


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENT)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_the_page_and_all_it_names_is_there(serve, tmp_path):
    server = serve()
    dist = tmp_path / "dist"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"
    answer, body = ask(server, "/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body == (dist / "app/index.html").read_bytes()
    for name in ("app-AB12CD34.js", "sw.js", "icon.svg", "shared/engine.js", "shared/litert-0123456789/litert.wasm"):
        assert ask(server, f"/{name}")[0].status == 200
    listed = json.loads(ask(server, "/models.json")[1])
    (model,) = listed
    assert (model["height"], model["width"], model["geometry"]) == (224, 224, STRETCH)
    assert model["bytes"] == default_weights().stat().st_size
    assert ask(server, f"/{model['url']}")[1] == default_weights().read_bytes()
    head, nothing = ask(server, "/app-AB12CD34.js", "HEAD")
    assert int(head.headers["Content-Length"]) == (dist / "app/app-AB12CD34.js").stat().st_size
    assert nothing == b""


def test_a_second_visit_sends_no_file_again(serve):
    server = serve()
    for path in ("/", "/sw.js", "/models.json", "/shared/engine.js"):
        first, _ = ask(server, path)
        assert first.headers["Cache-Control"] == "no-cache"  # asked for each time, and answered in a line
        again, body = ask(server, path, **{"If-None-Match": first.headers["ETag"]})
        assert (again.status, body) == (304, b"")
    model = json.loads(ask(server, "/models.json")[1])[0]["url"]
    for path in ("app-AB12CD34.js", "shared/worker-AB12CD34.js", "shared/litert-0123456789/litert.wasm", model):
        assert "immutable" in ask(server, f"/{path}")[0].headers["Cache-Control"]  # not even asked for
    assert ask(server, "/", **{"If-None-Match": '"another"'})[0].status == 200


def test_a_changed_file_has_another_address_or_tag(serve, tmp_path):
    model = tmp_path / "a.tflite"
    model.write_bytes(b"one")
    before = model_address(model)
    model.write_bytes(b"two")
    assert model_address(model) != before
    first = ask(serve(), "/")[0].headers["ETag"]
    index = tmp_path / "dist/app/index.html"
    index.write_text("new")
    site = {"index.html": Resource("text/html", index), "": Resource("text/html", index)}
    assert site[""].tag != first


def test_what_shrinks_is_sent_compressed(serve, tmp_path):
    server = serve()
    plain = (tmp_path / "dist/app/app-AB12CD34.js").read_bytes()
    answer, body = ask(server, "/app-AB12CD34.js", **{"Accept-Encoding": "br, gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert len(body) == int(answer.headers["Content-Length"]) < len(plain) / 10
    assert gzip.decompress(body) == plain
    answer, body = ask(server, "/app-AB12CD34.js")
    assert answer.headers["Content-Encoding"] is None
    assert body == plain
    tiny, _ = ask(server, "/shared/litert-0123456789/litert.wasm", **{"Accept-Encoding": "gzip"})
    assert tiny.headers["Content-Encoding"] is None  # it would grow


def test_every_answer_isolates_the_page_and_forbids_what_it_does_not_need(serve):
    server = serve()
    for path in ("/", "/nowhere", "/models.json"):
        headers = ask(server, path)[0].headers
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/%2e%2e/pyproject.toml",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/shared/../../../../etc/passwd",
        "/package.json",
        "/.secret.js",
        "/notes.txt",
        "/app/index.html",
        "/other/index.html",
        "/models/",
        "/shared",
        "/index.html/",
        "/\\..\\server.py",
        "http://elsewhere/",
        "*",
    ],
)
def test_nothing_else_is_given(serve, path):
    answer, body = ask(serve(), path)
    assert answer.status == 404
    assert b"root:" not in body


@pytest.mark.parametrize(
    ("method", "status"), [("POST", 404), ("PUT", 501), ("DELETE", 501), ("OPTIONS", 501), ("TRACE", 501)]
)
def test_nothing_is_taken(serve, method, status):
    assert ask(serve(), "/", method)[0].status == status


@pytest.mark.parametrize(
    "value", ["bytes=0-3", "bytes=-1", "bytes=9-3", "bytes=a-b", "lines=1", "bytes=0-99999999999999"]
)
def test_ranges_are_not_served_in_part(serve, value):
    """The whole file is a right answer to any range, and a wrong one cannot break it."""
    answer, body = ask(serve(), "/shared/engine.js", Range=value)
    assert answer.status == 200
    assert body == b"// engine"


def test_the_secret_word_is_needed(serve):
    server = serve(token="abc-123")
    assert server.url.endswith("/abc-123/")
    assert ask(server, "/abc-123/")[0].status == 200
    assert ask(server, "/abc-123/models.json")[0].status == 200
    for path in ("/", "/models.json", "/abc-123", "/abc-124/", "/abc-123x/"):
        assert ask(server, path)[0].status == 404


def raw(server, content):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENT) as client:
        client.sendall(content)
        client.settimeout(PATIENT)
        try:
            return client.recv(200)
        except ConnectionResetError:
            return b"reset"


@pytest.mark.parametrize(
    "content",
    [
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: a\r\n" % i for i in range(300)) + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_malformed_requests_are_refused_and_the_next_is_served(serve, content):
    server = serve()
    answer = raw(server, content)
    assert not answer.startswith(b"HTTP/1.1 200")
    assert ask(server, "/")[0].status == 200


@pytest.fixture
def watches(monkeypatch):
    return watches_of(monkeypatch)


def test_slow_clients_lose_their_place(serve, watches):
    """However many bytes come meanwhile, the whole request must be there when the time is up."""
    server = serve()
    with connect(server) as client:
        client.sendall(b"G")
        watch = watches.get(timeout=PATIENT)
        assert watch.seconds == server_module._PATIENCE
        for _ in range(5):
            client.sendall(b"G")
        watch.time_is_up()
        assert is_hung_up(client)
    assert watches.empty()  # no byte has bought more time
    assert ask(server, "/")[0].status == 200


def test_who_has_asked_in_time_gets_the_whole_answer(serve, watches):
    server = serve()
    assert ask(server, "/")[0].status == 200
    assert watches.get(timeout=PATIENT).cancelled


def test_a_crowd_cannot_shut_out_the_owner_for_long(serve, watches):
    server = serve()
    places = server_module._CONNECTIONS
    with contextlib.ExitStack() as crowd:
        clients = [crowd.enter_context(connect(server)) for _ in range(places + 20)]
        held = [watches.get(timeout=PATIENT) for _ in range(places)]
        assert all(is_hung_up(client) for client in clients[places:])
        with connect(server) as owner:
            assert is_hung_up(owner)  # for now
        for watch in held:
            watch.time_is_up()
        assert all(is_hung_up(client) for client in clients[:places])
        for _ in range(places):  # all threads end, which gives their places back
            assert server._places.acquire(timeout=PATIENT)
        server._places.release(places)
        assert ask(server, "/")[0].status == 200


def test_https_with_a_certificate_of_its_own(serve, tmp_path):
    pytest.importorskip("cryptography", reason="the serve extra is not installed")
    certificate = self_made_certificate("127.0.0.1", tmp_path)
    assert certificate[1].stat().st_mode & 0o077 == 0
    server = serve(certificate=certificate, token="word")
    assert server.url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    connection = http.client.HTTPSConnection("127.0.0.1", server.server_port, timeout=PATIENT, context=trusting)
    connection.request("GET", "/word/")
    assert connection.getresponse().status == 200
    connection.close()
    assert not raw(server, b"GET /word/ HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")  # plain http is not answered


def test_a_qr_code_of_the_address():
    pytest.importorskip("segno", reason="the serve extra is not installed")
    code = qr_code("https://192.168.1.20:8765/0123456789abcdef/")
    assert 15 < code.count("\n") < 40


def test_own_address_is_an_address_or_a_clear_error():
    try:
        assert own_address().count(".") == 3
    except InputError as error:
        assert "no network" in str(error)  # noqa: PT017 - either is right, by the machine


def test_what_cannot_be_served_says_so(tmp_path, serve):
    with pytest.raises(InputError, match="make web"):
        resources([default_weights()], tmp_path / "none")
    page = built_page(tmp_path)
    odd = tmp_path / "a b.tflite"
    odd.write_bytes(default_weights().read_bytes())
    (tmp_path / "text.tflite").write_text("no model")
    for model, message in ((odd, "letters, digits"), (tmp_path / "text.tflite", "text.tflite"), (page, "no .tflite")):
        with pytest.raises(InputError, match=message):
            resources([model], page)
    taken = serve()
    with pytest.raises(InputError, match="choose another --port"):
        PageServer({"index.html": Resource("text/html", None, b"")}, port=taken.server_port)


def test_a_closed_server_answers_no_kept_connection(tmp_path):
    with serving(PageServer(resources([default_weights()], built_page(tmp_path)))) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENT)
        connection.request("GET", "/")
        assert connection.getresponse().read()
    connection.auto_open = 0
    try:
        connection.request("GET", "/")
        answered = connection.getresponse().status
    except (http.client.HTTPException, OSError):
        answered = None
    assert answered is None
