"""What the daemon counts and measures, in the text form that Prometheus reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

# From a cached answer to a push of gigabytes.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


@dataclass
class Metrics:
    """All metrics of one daemon; the label values are few and never chosen by a client."""

    content_type: ClassVar[str] = CONTENT_TYPE_PLAIN_0_0_4

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    pushes_total: Counter = field(init=False)
    push_seconds: Histogram = field(init=False)
    fetches_total: Counter = field(init=False)
    fetch_bytes_total: Counter = field(init=False)
    http_requests_total: Counter = field(init=False)
    http_request_seconds: Histogram = field(init=False)
    ssh_connections: Gauge = field(init=False)
    queue_waiting: Gauge = field(init=False)
    queue_running: Gauge = field(init=False)
    busy_total: Counter = field(init=False)
    loop_lag_seconds: Histogram = field(init=False)
    git_children: Gauge = field(init=False)

    def __post_init__(self) -> None:
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.pushes_total = self._counter("pushes_total", "Pushes.", "channel", "result")
        self.push_seconds = self._histogram("push_seconds", "Time of a push.")
        self.fetches_total = self._counter(
            "fetches_total", "Clones and fetches, by what the pack cache had.", "channel", "cache"
        )
        self.fetch_bytes_total = self._counter("fetch_bytes_total", "Bytes sent to fetches.")
        self.http_requests_total = self._counter(
            "http_requests_total", "HTTP requests.", "route", "method", "status"
        )
        self.http_request_seconds = self._histogram(
            "http_request_seconds", "Time of an HTTP request.", "route"
        )
        self.ssh_connections = self._gauge("ssh_connections", "Open SSH connections.")
        self.queue_waiting = self._gauge("queue_waiting", "Requests that wait.", "limit")
        self.queue_running = self._gauge("queue_running", "Places taken of a limit.", "limit")
        self.busy_total = self._counter("busy_total", "Requests that a limit refused.", "limit")
        self.loop_lag_seconds = self._histogram(
            "loop_lag_seconds", "How late the event loop was.", buckets=_LAG_SECONDS
        )
        self.git_children = self._gauge("git_children", "Running git processes.")

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"hubd_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"hubd_{name}", meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = _SECONDS
    ) -> Histogram:
        return Histogram(f"hubd_{name}", meaning, labels, registry=self.registry, buckets=buckets)

    def render(self) -> bytes:
        """Everything as text, to be served as ``content_type``."""
        return generate_latest(self.registry)
