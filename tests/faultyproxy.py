"""A proxy before a real server that fails on demand, as networks and stores do."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_REQUEST = re.compile(rb"\A((?:GET|HEAD|PUT|POST|DELETE) \S+) HTTP/1\.1\r\n")
_PIECE = 64 * 1024


@dataclass
class Fault:
    """What happens to requests whose first line matches, so many ``times``.

    ``status``: answered at once. ``cut_up``, ``cut_down``: both connections are reset after so many
    bytes. ``stall``: nothing is passed on nor answered any more.
    """

    match: str
    status: int = 0
    cut_up: int | None = None
    cut_down: int | None = None
    stall: bool = False
    times: int = 1_000_000


@dataclass
class FaultyProxy:
    """Listens on ``port`` while entered; passes on to ``target`` what no fault matches."""

    target: int
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Refuse connections, and reset those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Not within the task: it may be ended before it began, or while it connects.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except ConnectionError:
            return
        down = asyncio.create_task(_pass(there, writer))
        try:
            await self._requests(reader, writer, there, back, down)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            # At once: this task may be ended here, too.
            back.transport.abort()
            down.cancel()
            await asyncio.gather(down, return_exceptions=True)

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        down: asyncio.Task[None],
    ) -> None:
        room: int | None = None
        while piece := await reader.read(_PIECE):
            if started := _REQUEST.match(piece):
                line = started[1].decode()
                self.requests.append(line)
                self.heads.append(piece.partition(b"\r\n\r\n")[0])
                fault = self._fault(line)
                room = fault.cut_up if fault else None
                if fault and fault.status:
                    writer.write(
                        f"HTTP/1.1 {fault.status} Oh\r\nContent-Length: 0\r\n"
                        "Connection: close\r\n\r\n".encode()
                    )
                    await writer.drain()
                    # What is left of the request is read, or a reset would overtake the answer.
                    while await reader.read(_PIECE):
                        pass
                    return None
                if fault and fault.stall:
                    await asyncio.Event().wait()
                if fault and fault.cut_down is not None:
                    down.cancel()
                    await asyncio.gather(down, return_exceptions=True)
                    back.write(piece)
                    return await _pass(there, writer, fault.cut_down)
            if room is not None:
                room -= len(piece)
                if room < 0:
                    return None
            back.write(piece)
            await back.drain()
        return None

    def _fault(self, line: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and re.search(fault.match, line):
                fault.times -= 1
                return fault
        return None


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter, room: int = -1) -> None:
    """Pass bytes on to the end, or no more than ``room``."""
    with contextlib.suppress(ConnectionError):
        while room and (piece := await source.read(_PIECE if room < 0 else min(_PIECE, room))):
            room -= len(piece) if room > 0 else 0
            target.write(piece)
            await target.drain()
