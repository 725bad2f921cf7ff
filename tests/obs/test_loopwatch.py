"""A blocked event loop is measured and the culprit is named."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from hubd.obs.loopwatch import watch_loop
from hubd.obs.metrics import Metrics


@contextlib.asynccontextmanager
async def _watched() -> AsyncIterator[tuple[Metrics, list[Any]]]:
    metrics = Metrics()
    with capture_logs() as logs:
        task = asyncio.create_task(watch_loop(metrics.loop_lag_seconds))
        await asyncio.sleep(0.15)
        yield metrics, logs
        await asyncio.sleep(0.15)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def _late(metrics: Metrics, above: float) -> int:
    [family] = metrics.loop_lag_seconds.collect()
    samples = family.samples
    counts = {s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket")}
    return int(counts["+Inf"] - counts[str(above)])


def hold_everything_up(seconds: float) -> None:
    time.sleep(seconds)


async def test_what_blocks_the_loop_is_logged_once_with_its_stack() -> None:
    async with _watched() as (metrics, logs):
        hold_everything_up(1.0)
    [line] = [entry for entry in logs if entry["event"] == "loop.blocked"]
    assert line["log_level"] == "warning"
    assert line["ms"] >= 200
    assert "hold_everything_up" in line["stack"]
    assert _late(metrics, 0.5) == 1


async def test_a_loop_that_runs_is_measured_in_silence() -> None:
    async with _watched() as (metrics, logs):
        await asyncio.sleep(0.3)
    assert _late(metrics, 5.0) == 0
    assert not [entry for entry in logs if entry["event"] == "loop.blocked" and entry["ms"] > 900]


async def test_its_thread_ends_with_it() -> None:
    async with _watched():
        assert any(thread.name == "loop watch" for thread in threading.enumerate())
    assert not any(thread.name == "loop watch" for thread in threading.enumerate())
