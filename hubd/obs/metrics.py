"""What the daemon counts and measures, for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0)


class Metrics:
    """All metric objects of one daemon, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.pushes_total = Counter(
            "hubd_pushes", "Pushes by door and result.", ["channel", "result"], registry=registry
        )
        self.push_seconds = Histogram(
            "hubd_push_seconds", "Time of a push.", buckets=_SECONDS, registry=registry
        )
        self.fetches_total = Counter(
            "hubd_fetches",
            "Packs asked for, by door and what the cache had.",
            ["channel", "cache"],
            registry=registry,
        )
        self.fetch_bytes_total = Counter(
            "hubd_fetch_bytes", "Bytes of packs sent.", registry=registry
        )
        self.http_requests_total = Counter(
            "hubd_http_requests",
            "HTTP requests.",
            ["route", "method", "status"],
            registry=registry,
        )
        self.http_request_seconds = Histogram(
            "hubd_http_request_seconds",
            "Time of an HTTP request.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.ssh_connections = Gauge("hubd_ssh_connections", "Open now.", registry=registry)
        self.queue_running = Gauge(
            "hubd_limit_running", "Places taken.", ["limit"], registry=registry
        )
        self.queue_waiting = Gauge(
            "hubd_limit_waiting", "Requests waiting for a place.", ["limit"], registry=registry
        )
        self.busy_total = Counter(
            "hubd_limit_refused", "Requests refused by a limit.", ["limit"], registry=registry
        )
        self.loop_lag_seconds = Histogram(
            "hubd_loop_lag_seconds",
            "How late the event loop was.",
            buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
            registry=registry,
        )

    def render(self) -> bytes:
        """The text form that Prometheus scrapes."""
        return generate_latest(self.registry)
