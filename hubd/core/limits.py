"""Named limits on concurrent work: they queue before they refuse, and say how long to wait."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from hubd.config import Config
from hubd.errors import Busy
from hubd.obs.metrics import Metrics
from hubd.types import Actor


@dataclass
class Limit:
    """At most ``places`` holders per key; further ones wait in order, up to a length and time."""

    name: str
    places: int
    queue_length: int
    queue_wait: float
    metrics: Metrics
    _held: Counter[Hashable] = field(default_factory=Counter)
    _waiting: dict[Hashable, deque[asyncio.Future[None]]] = field(default_factory=dict)

    @asynccontextmanager
    async def hold(self, key: Hashable = None) -> AsyncIterator[None]:
        """Hold a place; raises ``Busy`` when the queue is full or the wait too long."""
        await self._acquire(key)
        self.metrics.queue_running.labels(self.name).inc()
        try:
            yield
        finally:
            self.metrics.queue_running.labels(self.name).dec()
            self._release(key)

    async def _acquire(self, key: Hashable) -> None:
        queue = self._waiting.get(key)
        if self._held[key] < self.places and not queue:
            self._held[key] += 1
            return
        if len(queue or ()) >= self.queue_length:
            raise self._busy()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        self.metrics.queue_waiting.labels(self.name).inc()
        try:
            async with asyncio.timeout(self.queue_wait):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._release(key)  # the place came just as we gave up
            if isinstance(error, TimeoutError):
                raise self._busy() from None
            raise
        finally:
            self.metrics.queue_waiting.labels(self.name).dec()
            self._forget(key, turn)

    def _release(self, key: Hashable) -> None:
        queue = self._waiting.get(key)
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)  # the place changes hands
                return
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]

    def _forget(self, key: Hashable, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(key)
        if queue is not None:
            if turn in queue:
                queue.remove(turn)
            if not queue:
                del self._waiting[key]

    def _busy(self) -> Busy:
        self.metrics.busy_total.labels(self.name).inc()
        wait = max(1, round(self.queue_wait / 2))
        return Busy(
            f"The server is busy ({self.name}).", retry_after=wait, hint=f"Try again in {wait} s."
        )


class Limits:
    """All limits of one daemon."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        def limit(name: str, places: int) -> Limit:
            return Limit(name, places, config.queue_length, config.queue_wait, metrics)

        processors = os.cpu_count() or 1
        self._packs = limit("packs", config.packs_at_once or 2 * processors)
        self._packs_per_repo = limit("packs of one repository", config.packs_per_repo)
        self._packs_per_user = limit("packs of one account", config.packs_per_user)
        self._pushes = limit("pushes", config.pushes_at_once)
        self._downloads = limit("downloads", config.downloads_at_once)
        self._downloads_per_user = limit("downloads of one account", config.downloads_per_user)
        # Short commands (reading a log, a diff) must not pile up behind each other for ever.
        self.commands = limit("commands", 4 * processors)
        # Of model files, each parsed by a process of its own.
        self.headers = limit("file headers", processors)
        # Each is held in memory, and all its files are rebuilt.
        self._shards = limit("shards", 2 * processors)
        self._shards_per_user = limit("shards of one account", processors)

    @asynccontextmanager
    async def pack(self, actor: Actor, repo_id: int) -> AsyncIterator[None]:
        """A place to make one pack; the narrow limits first, so that nobody fills the wide one."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._packs_per_user.hold(_who(actor)))
            await stack.enter_async_context(self._packs_per_repo.hold(repo_id))
            await stack.enter_async_context(self._packs.hold())
            yield

    @asynccontextmanager
    async def shard(self, actor: Actor) -> AsyncIterator[None]:
        """A place to verify one shard of Xet."""
        async with self._shards_per_user.hold(_who(actor)), self._shards.hold():
            yield

    @asynccontextmanager
    async def download(self, actor: Actor) -> AsyncIterator[None]:
        """A place to send one file: a large one may hold a git process as long as it takes."""
        async with self._downloads_per_user.hold(_who(actor)), self._downloads.hold():
            yield

    @asynccontextmanager
    async def push(self) -> AsyncIterator[None]:
        """A place to receive one push."""
        async with self._pushes.hold():
            yield


def _who(actor: Actor) -> Hashable:
    return actor.user_id if actor.user_id is not None else (actor.key_id, actor.address)
