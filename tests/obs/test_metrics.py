"""The metrics are what an operator's Prometheus finds."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from hubd.obs.metrics import Metrics


def _names(metrics: Metrics) -> set[str]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {sample.name for family in families for sample in family.samples}


def test_what_happened_is_rendered_with_its_labels() -> None:
    metrics = Metrics()
    metrics.pushes_total.labels("ssh", "done").inc()
    metrics.http_request_seconds.labels("/{ns}/{name}").observe(0.02)
    metrics.queue_waiting.labels("packs").set(2)
    text = metrics.render().decode()
    assert 'hubd_pushes_total{channel="ssh",result="done"} 1.0' in text
    assert 'hubd_http_request_seconds_count{route="/{ns}/{name}"} 1.0' in text
    assert 'hubd_queue_waiting{limit="packs"} 2.0' in text


def test_every_metric_without_labels_shows_from_the_start() -> None:
    assert {
        "hubd_push_seconds_count",
        "hubd_fetch_bytes_total",
        "hubd_ssh_connections",
        "hubd_loop_lag_seconds_count",
        "hubd_git_children",
        "process_resident_memory_bytes",
        "process_open_fds",
    } <= _names(Metrics())


def test_two_daemons_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics(CollectorRegistry())
    one.fetch_bytes_total.inc(5)
    assert b"hubd_fetch_bytes_total 5.0" in one.render()
    assert b"hubd_fetch_bytes_total 0.0" in other.render()
