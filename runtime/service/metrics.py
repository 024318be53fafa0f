"""What Prometheus reads at /metrics."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from .batching import BatchingBackend

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class ServiceMetrics:
    """Counters and histograms of one service, in a registry of its own."""

    def __init__(self, backend: BatchingBackend) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "portraitnet_requests",
            "Requests answered, by output and status.",
            ["output", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "portraitnet_request_seconds",
            "Seconds from a whole request to its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.pixels = Counter("portraitnet_pixels", "Pixels of pictures segmented.", registry=self.registry)
        self.registry.register(_Batches(backend))

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)


class _Batches(Collector):
    def __init__(self, backend: BatchingBackend) -> None:
        self.backend = backend

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily("portraitnet_batches", "Batches run by the model, by size.", labels=["size"])
        for size, count in sorted(self.backend.sizes.items()):
            family.add_metric([str(size)], count)
        yield family
