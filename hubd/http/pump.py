"""Moves pack bytes to a client without looking at them.

On a plain socket the bytes go from git's pipe by ``splice(2)`` and from a cached file by
``sendfile(2)``, inside the chunks of an ordinary aiohttp response; with TLS they are read and
written in pieces. A client that takes nothing for ``idle`` seconds is given up.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from aiohttp import web

from hubd.core.fetch import read_range
from hubd.core.packcache import Answer
from hubd.procs import Child

PIECE = 1024 * 1024
_READ = 256 * 1024


class Pump:
    """One response body in the making."""

    def __init__(self, request: web.Request, response: web.StreamResponse, idle: float) -> None:
        self._request = request
        self._response = response
        self._idle = idle
        self.sent = 0

    async def from_child(self, child: Child) -> None:
        """Everything that the child prints."""
        first = await child.read(_READ)
        if not first:
            return
        await self._write(first)
        socket = await self._bare_socket()
        if socket is None:
            while data := await child.read(_READ):
                await self._write(data)
            return
        try:
            while (count := await child.gathered(self.sent)) > 0:
                await self._chunk(socket, count, lambda left: child.splice_some(socket, left))
        finally:
            os.close(socket)

    async def from_answer(self, answer: Answer) -> None:
        """A cached answer, as far as it has grown and on until its end."""
        socket: int | None = None
        try:
            async for begin, size in answer.ranges():
                offset, end = begin, begin + size
                if self.sent == 0:
                    first = await read_range(answer, offset, min(4096, size))
                    await self._write(first)
                    offset += len(first)
                    socket = await self._bare_socket()
                while offset < end:
                    count = min(PIECE, end - offset)
                    if socket is None:
                        await self._write(await read_range(answer, offset, count))
                    else:
                        await self._chunk(socket, count, _Sendfile(socket, answer, offset).some)
                    offset += count
        finally:
            if socket is not None:
                os.close(socket)

    async def _write(self, data: bytes) -> None:
        async with asyncio.timeout(self._idle):
            await self._response.write(data)
        self.sent += len(data)

    async def _bare_socket(self) -> int | None:
        """A duplicate of the client's socket once all that aiohttp holds is sent; None with TLS."""
        transport = self._request.transport
        if transport is None or not isinstance(transport, asyncio.WriteTransport):
            raise ConnectionResetError
        if transport.get_extra_info("sslcontext") is not None:
            return None
        low, high = transport.get_write_buffer_limits()
        transport.set_write_buffer_limits(high=0)
        try:
            async with asyncio.timeout(self._idle):
                await self._response.drain()
                while transport.get_write_buffer_size():
                    if transport.is_closing():
                        raise ConnectionResetError
                    await asyncio.sleep(0.001)
        finally:
            transport.set_write_buffer_limits(high=high, low=low)
        if transport.is_closing():
            raise ConnectionResetError
        return os.dup(transport.get_extra_info("socket").fileno())

    async def _chunk(self, socket: int, count: int, some: Callable[[int], int]) -> None:
        """One chunk of the response, framed by hand (RFC 9112, section 7.1)."""
        await self._send(socket, b"%x\r\n" % count)
        left = count
        while left:
            try:
                moved = some(left)
            except BlockingIOError:
                await self._writable(socket)
                continue
            if moved == 0:
                raise ConnectionResetError("the source ended inside a chunk")
            left -= moved
        await self._send(socket, b"\r\n")
        self.sent += count

    async def _send(self, socket: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(socket, view) :]
            except BlockingIOError:
                await self._writable(socket)

    async def _writable(self, socket: int) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_writer(socket, wake)
        try:
            async with asyncio.timeout(self._idle):
                await ready
        finally:
            loop.remove_writer(socket)


class _Sendfile:
    def __init__(self, socket: int, answer: Answer, offset: int) -> None:
        self._socket = socket
        self._file = answer.descriptor
        self._offset = offset

    def some(self, count: int) -> int:
        moved = os.sendfile(self._socket, self._file, self._offset, count)
        self._offset += moved
        return moved
