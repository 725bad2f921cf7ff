"""The end of an HTTP server: requests in flight finish, and no other one is lost."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from hubd.http.context import CORE

_ASKING_SECONDS = 0.5


async def say_close(request: web.Request, response: web.StreamResponse) -> None:
    """While the hub stops, each answer is the last of its connection, and says so."""
    if request.config_dict[CORE].stopping:
        response.force_close()
        response.headers["Connection"] = "close"


async def drain(runner: web.AppRunner, seconds: float) -> None:
    """Wait for requests in flight; the listening sockets are closed already."""
    server = runner.server
    started = time.monotonic()
    while server is not None and server.connections:
        waited = time.monotonic() - started
        if waited >= seconds:
            return
        # A client that was accepted just now gets the time to say what it wants.
        if waited > _ASKING_SECONDS:
            for connection in list(server.connections):
                if _waits_for_a_request(connection):
                    # ``close`` alone would end its handler and leave the connection open.
                    connection.force_close()
        await asyncio.sleep(0.02)


def _waits_for_a_request(connection: object) -> bool:
    # aiohttp's own way closes them all, and what a closed one still receives is thrown away: the
    # body of a push in flight would never come to its end.
    waiter: asyncio.Future[None] | None = getattr(connection, "_waiter", None)
    return waiter is not None and not waiter.done()
