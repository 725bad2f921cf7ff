"""A limit for open HTTP connections: who comes beyond it is told so, and costs nothing more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

_PATIENCE = 5.0
_SENTENCE = b"The server has too many connections; try again in a minute.\n"
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Retry-After: 60\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
) % (len(_SENTENCE), _SENTENCE)


class Gate:
    """Makes the protocol of each new connection, as long as there is room."""

    def __init__(self, server: web.Server, limit: Callable[[], int]) -> None:
        self._server = server
        self._limit = limit
        # Made, but not yet in the server's own list: a burst is accepted in one go.
        self._coming: list[tuple[float, web.RequestHandler]] = []

    def __call__(self) -> asyncio.Protocol:
        """The server's own protocol, or one that refuses."""
        now = time.monotonic()
        self._coming = [
            (at, one) for at, one in self._coming if one.transport is None and now - at < _PATIENCE
        ]
        if len(self._server.connections) + len(self._coming) >= self._limit():
            return _Full()
        made = self._server()
        self._coming.append((now, made))
        return made


class _Full(asyncio.Protocol):
    """Answers the first bytes and closes; a close before they are read would be a reset."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a TCP connection"  # noqa: S101
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, transport.abort)

    def data_received(self, data: bytes) -> None:
        del data
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_ANSWER)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer is not None:
            self._timer.cancel()


class GatedSite(web.SockSite):
    """A listening socket with a gate."""

    def __init__(self, *args: object, limit: Callable[[], int], **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._limit = limit

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None, "the runner is set up"  # noqa: S101
        self._server = await asyncio.get_running_loop().create_server(
            Gate(server, self._limit), sock=self._sock, ssl=self._ssl_context, backlog=self._backlog
        )
