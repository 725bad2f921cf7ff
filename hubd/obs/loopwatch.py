"""Notices when something blocks the event loop, and says what."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback

import structlog
from prometheus_client import Histogram

log = structlog.get_logger()
_PERIOD = 0.1
_TOO_LONG = 0.2


async def watch_loop(lag: Histogram) -> None:
    """Measure the loop's lag; above 200 ms log the stack of what holds it."""
    main = threading.main_thread().ident
    stop = threading.Event()
    beat = [time.monotonic()]
    watcher = threading.Thread(
        target=_watch, args=(beat, stop, main), name="loop watch", daemon=True
    )
    watcher.start()
    try:
        while True:
            due = time.monotonic() + _PERIOD
            await asyncio.sleep(_PERIOD)
            now = time.monotonic()
            lag.observe(max(0.0, now - due))
            beat[0] = now
    finally:
        stop.set()


def _watch(beat: list[float], stop: threading.Event, main: int | None) -> None:
    reported = 0.0
    while not stop.wait(_PERIOD):
        late = time.monotonic() - beat[0] - _PERIOD
        if late > _TOO_LONG and beat[0] != reported and main is not None:
            reported = beat[0]
            frame = sys._current_frames().get(main)  # noqa: SLF001
            stack = "".join(traceback.format_stack(frame)[-12:]) if frame else ""
            log.warning("loop.blocked", ms=round(late * 1000), stack=stack)
