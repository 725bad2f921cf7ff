"""Owner of background tasks: none is orphaned, and the end of the daemon waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


class Tasks:
    """Tasks that outlive the request which began them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run in the background; a failure is logged with its name."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task.failed", task=task.get_name(), exc_info=error)

    async def finish(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run to its end even if the caller is cancelled meanwhile."""
        await asyncio.shield(self.start(work, name))

    async def drain(self, seconds: float) -> None:
        """Wait for what runs, no longer than this."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    async def close(self, seconds: float) -> None:
        """Wait for what runs, then cancel it."""
        await self.drain(seconds)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
