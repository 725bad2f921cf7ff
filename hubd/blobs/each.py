"""Many at once, but not all: what goes over every blob works on a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def each(at_once: int, items: AsyncIterator[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Do ``work`` for every item; the first error ends it all and is raised."""
    turn = asyncio.Lock()

    async def worker() -> None:
        while True:
            async with turn:
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
