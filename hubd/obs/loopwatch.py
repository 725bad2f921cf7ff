"""Notices when something holds up the event loop, and says what it was."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback

import structlog
from prometheus_client import Histogram

log = structlog.get_logger(__name__)

_PERIOD = 0.1
_TOO_LATE = 0.2
_FRAMES = 16


async def watch_loop(lag: Histogram) -> None:
    """Measure how late this loop is, until cancelled; above 200 ms log the stack that blocks it."""
    witness = _Witness(threading.get_ident())
    witness.start()
    try:
        while True:
            due = time.monotonic() + _PERIOD
            witness.expect(due)
            await asyncio.sleep(_PERIOD)
            lag.observe(max(0.0, time.monotonic() - due))
    finally:
        witness.stop()


class _Witness(threading.Thread):
    """Looks at the loop from another thread, since a blocked loop cannot look at itself."""

    def __init__(self, watched: int) -> None:
        super().__init__(name="loop watch", daemon=True)
        self._watched = watched
        self._due = time.monotonic() + _PERIOD
        self._stop_asked = threading.Event()

    def expect(self, due: float) -> None:
        """The loop will be heard of at this time."""
        self._due = due

    def stop(self) -> None:
        """End the thread; it sleeps on an event, so this takes no time."""
        self._stop_asked.set()
        self.join(timeout=1)

    def run(self) -> None:
        """Report each hold-up once, while it lasts."""
        reported = 0.0
        while True:
            asleep = time.monotonic()
            if self._stop_asked.wait(_PERIOD):
                return
            now, due = time.monotonic(), self._due
            if now - due < _TOO_LATE or due == reported:
                continue
            reported = due
            if now - asleep - _PERIOD >= _TOO_LATE:
                # This thread was held up too: the machine stood still, or native code kept the
                # interpreter to itself. The stack of this moment would accuse an innocent.
                log.warning("loop.process_stalled", ms=_milliseconds(now - due))
            else:
                log.warning("loop.blocked", ms=_milliseconds(now - due), stack=self._stack())

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)  # noqa: SLF001  # the documented way in
        return "".join(traceback.format_stack(frame, _FRAMES)).rstrip() if frame else ""


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
