"""What an SSH client sends, held in bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque

import asyncssh

from hubd.core import fetch
from hubd.errors import Invalid

# asyncssh grants a full window with the first byte that it delivers after a pause, whatever it
# still holds: it must be able to deliver a whole window without being paused again, or it holds
# ever more.
WINDOW = 1024 * 1024
_PAUSE_AT = 2 * WINDOW
_RESUME_AT = WINDOW // 2


class Input:
    """What the client sends, bounded: the channel is paused while we hold enough."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._arrived = asyncio.Event()
        self.channel: asyncssh.SSHServerChannel[bytes] | None = None

    def add(self, data: bytes) -> None:
        """Called by asyncssh."""
        self._pieces.append(data)
        self._size += len(data)
        self._arrived.set()
        if self._size > _PAUSE_AT and self.channel is not None:
            self.channel.pause_reading()

    def end(self) -> None:
        """No more will come."""
        self._ended = True
        self._arrived.set()

    async def read(self) -> bytes:
        """The next piece; empty at the end."""
        while not self._pieces:
            if self._ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._size <= _RESUME_AT and self.channel is not None:
            self.channel.resume_reading()
        return piece

    def unread(self, data: bytes) -> None:
        """Put back what was read too much."""
        if data:
            self._pieces.appendleft(data)
            self._size += len(data)

    async def read_request(self) -> bytes | None:
        """One request of protocol v2, up to its flush packet; None at the end of the talk."""
        body = bytearray()
        position = 0
        while True:
            while len(body) >= position + 4:
                length = _length(bytes(body[position : position + 4]))
                if length == 0:
                    end = position + 4
                    self.unread(bytes(body[end:]))
                    return bytes(body[:end]) if position else None
                position += max(length, 4)
                fetch.check_request_size(position)
            piece = await self.read()
            if not piece:
                if body:
                    raise Invalid("The request was cut off.")
                return None
            body += piece


def _length(head: bytes) -> int:
    try:
        length = int(head, 16)
    except ValueError:
        raise Invalid("The request is not in pkt-line form.") from None
    if length == 3 or not head.isalnum():  # noqa: PLR2004
        raise Invalid("The request is not in pkt-line form.")
    return length
