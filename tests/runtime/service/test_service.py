"""The HTTP service, spoken to as a client does, with a real small model behind it."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.runtime.service.batching import BatchingBackend
from portraitnet.runtime.service.limits import Limits

TestClient = pytest.importorskip("fastapi.testclient", reason="the service needs the extra `api`").TestClient


def png(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def picture_of(answer):
    assert answer.status_code == 200, answer.text
    return np.array(Image.open(io.BytesIO(answer.content)))


def open_client(segmenter, **limits):
    from portraitnet.runtime.service.app import create_app

    return TestClient(create_app(segmenter.backend, Limits(**limits)))


@pytest.fixture
def client(segmenter):
    with open_client(segmenter) as client:
        yield client


def test_a_mask_is_the_alpha_that_python_gives(client, segmenter, person):
    answer = client.post("/segment?output=mask", content=png(person[0]))
    np.testing.assert_array_equal(picture_of(answer), segmenter.alpha_bytes(person[0]))
    assert answer.headers["content-type"] == "image/png"


def test_a_cutout_is_transparent_where_nobody_is(client, person):
    image, mask = person
    cutout = picture_of(client.post("/segment", content=png(image)))
    assert cutout.shape == (*mask.shape, 4)
    assert cutout[..., 3][~mask].mean() < 20 < 235 < cutout[..., 3][mask].mean()


def test_a_form_may_bring_the_background(client, person):
    image, mask = person
    red = np.full((40, 30, 3), (200, 10, 20), np.uint8)
    files = {"file": ("x.png", png(image)), "background_image": ("y.png", png(red))}
    result = picture_of(client.post("/segment?output=composite", files=files))
    far = np.abs(result.astype(int) - (200, 10, 20)).max(2) < 8
    assert far[~mask].mean() > 0.9
    assert far[mask].mean() < 0.1


@pytest.mark.parametrize("background", ["/etc/hostname", "beach.jpg", "clip.mp4", "none", "blur:900", "..\\x.png"])
def test_a_background_never_opens_a_file_of_the_server(client, person, background, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(person[0]).save("beach.jpg")
    answer = client.post("/segment", params={"output": "composite", "background": background}, content=png(person[0]))
    assert answer.status_code == 422
    assert "blur" in answer.json()["error"]


@pytest.mark.parametrize(
    ("query", "body", "message"),
    [
        ("", b"", "holds no picture"),
        ("", b"not a picture", "the picture is not a picture"),
        ("?format=jpeg", png(np.zeros((8, 8, 3), np.uint8)), "no transparency"),
    ],
)
def test_bad_input_is_one_line_without_paths(client, query, body, message):
    answer = client.post(f"/segment{query}", content=body)
    assert answer.status_code == 422
    assert message in answer.json()["error"]
    assert "/tmp" not in answer.text
    assert client.get("/health").json()["status"] == "ok"


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(segmenter):
    with open_client(segmenter, megapixels=0.01) as client:
        answer = client.post("/segment", content=png(np.zeros((200, 200, 3), np.uint8)))
    assert answer.status_code == 422
    assert "0.01 megapixels" in answer.json()["error"]


def test_a_body_over_the_limit_is_refused_whether_its_length_is_declared_or_not(segmenter):
    with open_client(segmenter, megabytes=0.001) as client:
        assert client.post("/segment", content=b"x" * 2000).status_code == 413
        assert client.post("/segment", content=(b"x" * 500 for _ in range(4))).status_code == 413
        assert client.post("/segment", files={"file": b"x" * 2000}).status_code == 413


def test_more_requests_than_allowed_are_told_to_come_back(segmenter, person):
    entered, release = threading.Event(), threading.Event()
    backend = segmenter.backend

    class Slow:
        contract = backend.contract

        def run(self, batch):
            entered.set()
            assert release.wait(20)
            return backend.run(batch)

    answers = []
    with open_client(Segmenter(Slow()), under_way=1) as client:
        first = threading.Thread(target=lambda: answers.append(client.post("/segment", content=png(person[0]))))
        first.start()
        assert entered.wait(20)
        busy = client.post("/segment", content=png(person[0]))
        assert client.get("/health").status_code == 200
        release.set()
        first.join()
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
    assert answers[0].status_code == 200


def test_metrics_count_requests_pixels_and_batches(client, person):
    client.post("/segment?output=mask", content=png(person[0]))
    client.post("/segment?output=mask", content=b"")
    text = client.get("/metrics").text
    assert 'portraitnet_requests_total{output="mask",status="200"} 1.0' in text
    assert 'portraitnet_requests_total{output="mask",status="422"} 1.0' in text
    assert f"portraitnet_pixels_total {float(person[1].size)}" in text
    assert 'portraitnet_batches_total{size="1"} 1.0' in text


class Doubling:
    """Remembers its batches; the first waits until it is released."""

    def __init__(self, contract):
        self.contract, self.batches, self.release = contract, [], threading.Event()

    def run(self, batch):
        self.batches.append(len(batch))
        assert self.release.wait(20)
        if batch.max() == 99:
            raise RuntimeError("cannot run 99")
        return batch[..., :1].astype(np.float32) * 2


def ask(backend, value, into):
    try:
        into[value] = backend.run(np.full((1, 2, 2, 3), value, np.uint8))[0, 0, 0, 0]
    except RuntimeError as error:
        into[value] = str(error)


def test_pictures_that_wait_together_run_as_one_batch(contract):
    model, found = Doubling(contract), {}
    backend = BatchingBackend(model, largest=3)
    threads = [threading.Thread(target=ask, args=(backend, value, found)) for value in range(6)]
    threads[0].start()
    while not model.batches:  # the first is under way, alone
        pass
    for thread in threads[1:]:
        thread.start()
    while len(backend._waiting) < 5:
        pass
    model.release.set()
    for thread in threads:
        thread.join(20)
    backend.close()
    assert model.batches == [1, 3, 2]
    assert backend.sizes == {1: 1, 3: 1, 2: 1}
    assert found == {value: value * 2.0 for value in range(6)}


def test_an_error_reaches_who_asked_and_the_next_batch_runs(contract):
    model, found = Doubling(contract), {}
    model.release.set()
    backend = BatchingBackend(model)
    ask(backend, 99, found)
    ask(backend, 4, found)
    backend.close()
    assert found == {99: "cannot run 99", 4: 8.0}
    with pytest.raises(RuntimeError, match="closed"):
        backend.run(np.zeros((1, 2, 2, 3), np.uint8))


def test_a_model_of_many_classes_is_refused(contract):
    import dataclasses

    from portraitnet.runtime.service.app import create_app

    model = Doubling(dataclasses.replace(contract, task="parsing", classes=("background", "skin", "hair")))
    with pytest.raises(InputError, match="3 classes"):
        create_app(model)
