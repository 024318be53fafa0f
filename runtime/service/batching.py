"""One model behind many threads: pictures that wait at the same time are run as one batch."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future

import numpy as np

from ..contract import Backend


class BatchingBackend:
    """A Backend that many threads may call at once. One thread runs the model, on everything that waits.

    A batch is never waited for: a picture that comes alone runs alone. `sizes` counts the batches by their size.
    """

    def __init__(self, backend: Backend, largest: int = 8) -> None:
        if largest < 1:
            raise ValueError(f"the largest batch must be at least 1, not {largest}")
        self.contract = backend.contract
        self.sizes: dict[int, int] = {}
        self._backend, self._largest = backend, largest
        self._waiting: deque[tuple[np.ndarray, Future[np.ndarray]]] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    def run(self, batch: np.ndarray) -> np.ndarray:
        """As the backend's own `run`; blocks until the answer is there, and raises what the backend raises."""
        answers: list[Future[np.ndarray]] = []
        with self._change:
            if self._closed:
                raise RuntimeError("the model is closed")
            for picture in batch:
                answers.append(Future())
                self._waiting.append((picture, answers[-1]))
            self._change.notify()
        return np.stack([answer.result() for answer in answers])

    def close(self) -> None:
        """Run what waits, then end the thread."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _work(self) -> None:
        while taken := self._take():
            pictures, answers = zip(*taken, strict=True)
            try:
                scores = self._backend.run(np.stack(pictures))
            except Exception as error:  # noqa: BLE001 - whoever asked gets it; the thread must live on
                for answer in answers:
                    answer.set_exception(error)
                continue
            self.sizes[len(taken)] = self.sizes.get(len(taken), 0) + 1
            for answer, own in zip(answers, scores, strict=True):
                answer.set_result(own)

    def _take(self) -> list[tuple[np.ndarray, Future[np.ndarray]]]:
        with self._change:
            while not self._waiting and not self._closed:
                self._change.wait()
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._largest))]
