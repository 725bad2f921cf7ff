"""``git-lfs-transfer``: Git LFS over SSH alone (git-lfs ``docs/proposals/ssh_adapter.md``).

Requests and answers are packet lines: a command or status, arguments, then after a delimiter lines
or bytes, then a flush. Bytes are streamed; no more than a few pieces are held.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import ClassVar, NamedTuple

from hubd import pktline
from hubd.core import repos
from hubd.core.context import Core
from hubd.core.rows import Repo
from hubd.errors import Conflict, Denied, HubError, Invalid, NotFound, TooLarge
from hubd.lfs import batch, content, locks
from hubd.lfs.batch import Wanted
from hubd.lfs.status import status_of
from hubd.pktline import DELIM, FLUSH, HEAD_SIZE
from hubd.ssh.command import Command
from hubd.ssh.input import Input
from hubd.types import Actor

_MAX_ARGUMENTS = 64
_MAX_LOCKS = 100
# What is handed to SSH at a time: it copies it more than once.
_STEP = 4 * pktline.MAX_DATA


class Mark(enum.IntEnum):
    """The packets without data."""

    FLUSH = 0
    DELIM = 1
    END = 2


class Packets:
    """The packets of a client, one by one."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._buffer = bytearray()

    async def next(self) -> bytes | Mark | None:
        """A packet's data, or which special packet it is; None at the end of the talk."""
        if not await self._fill(HEAD_SIZE):
            return None
        length = pktline.parse_length(bytes(self._buffer[:HEAD_SIZE]))
        if length < HEAD_SIZE:
            del self._buffer[:HEAD_SIZE]
            return Mark(length)
        if not await self._fill(length):
            raise Invalid("The request was cut off.")
        data = bytes(self._buffer[HEAD_SIZE:length])
        del self._buffer[:length]
        return data

    async def _fill(self, size: int) -> bool:
        while len(self._buffer) < size:
            piece = await self._source.read()
            if not piece:
                if self._buffer:
                    raise Invalid("The request was cut off.")
                return False
            self._buffer += piece
        return True


class Request(NamedTuple):
    """A command, its object or lock, and its arguments."""

    command: str
    target: str
    args: dict[str, str]

    def size(self) -> int:
        """The argument ``size``, in bytes; raises ``Invalid``."""
        return _size(self.args.get("size", ""))


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:20]) > content.MAX_SIZE:
        raise Invalid("The size is a whole number of bytes.")
    return int(text)


def _text(data: bytes) -> str:
    try:
        return data.removesuffix(b"\n").decode()
    except UnicodeDecodeError:
        raise Invalid("The request is not UTF-8.") from None


class Transfer:
    """One run of the command for one client; every request looks up the rights again."""

    def __init__(
        self,
        core: Core,
        actor: Actor,
        command: Command,
        source: Input,
        write: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._core = core
        self._actor = actor
        self._command = command
        self._packets = Packets(source)
        self._write = write
        # Whether the rest of the request is still to be read, and whether bytes are on their way.
        self._is_open = False
        self._is_sending = False

    async def serve(self) -> None:
        """Answer until the client quits; raises for what leaves no way to go on."""
        await self._repo()
        await self._write(pktline.encode(b"version=1\n") + pktline.encode(b"locking\n") + FLUSH)
        while (first := await self._packets.next()) is not None:
            if isinstance(first, Mark):
                raise Invalid("A request begins with a command.")
            request = await self._request(_text(first))
            if request.command == "quit":
                await self._answer(200)
                return
            try:
                await self._do(request)
            except HubError as error:
                if self._is_sending:
                    raise
                async for _ in self._data():
                    pass
                await self._answer(status_of(error), lines=[error.sentence])

    async def _request(self, first: str) -> Request:
        command, _, target = first.partition(" ")
        args: dict[str, str] = {}
        self._is_open = True
        while self._is_open:
            packet = await self._next()
            if packet is Mark.DELIM:
                break
            if packet is Mark.FLUSH:
                self._is_open = False
            elif isinstance(packet, Mark) or len(args) >= _MAX_ARGUMENTS:
                raise Invalid("The request is malformed.")
            else:
                key, _, value = _text(packet).partition("=")
                args[key] = value
        return Request(command, target, args)

    async def _next(self) -> bytes | Mark:
        async with asyncio.timeout(self._core.config.idle_timeout):
            packet = await self._packets.next()
        if packet is None:
            raise Invalid("The request was cut off.")
        return packet

    async def _data(self) -> AsyncIterator[bytes]:
        """What comes after the arguments, up to the flush."""
        while self._is_open:
            packet = await self._next()
            if isinstance(packet, bytes):
                yield packet
            elif packet is Mark.FLUSH:
                self._is_open = False
            else:
                raise Invalid("The request is malformed.")

    async def _answer(
        self, status: int, args: Sequence[str] = (), lines: Sequence[str] | None = None
    ) -> None:
        out = [pktline.encode(f"{text}\n".encode()) for text in (f"status {status}", *args)]
        if lines is not None:
            out += [DELIM, *(pktline.encode(f"{line}\n".encode()) for line in lines)]
        await self._write(b"".join((*out, FLUSH)))

    async def _repo(self, *, to_push: bool | None = None) -> Repo:
        """The repository, as far as the actor has the right and asked for this direction."""
        push = self._command.uploads if to_push is None else to_push
        if push and not self._command.uploads:
            raise Denied("This connection is for downloads.")
        core, actor, ref = self._core, self._actor, self._command.ref
        return (await repos.find_for_content(core, actor, ref, may_write=push)).repo

    async def _do(self, request: Request) -> None:
        handler = self._HANDLERS.get(request.command)
        if handler is None:
            raise Invalid("This command is not known.")
        await handler(self, request)

    async def _version(self, request: Request) -> None:
        if request.target != "1":
            raise Invalid("This server speaks version 1.")
        await self._answer(200)

    async def _batch(self, request: Request) -> None:
        if request.args.get("hash-algo", "sha256") != "sha256":
            raise Conflict("Objects are named by their SHA-256 here.")
        wanted = []
        async for line in self._data():
            oid, size, *_ = [*_text(line).split(" "), ""]
            wanted.append(Wanted(oid, _size(size)))
            if len(wanted) > batch.MAX_OBJECTS:
                raise TooLarge(f"A batch names at most {batch.MAX_OBJECTS} objects.")
        repo, uploads = await self._repo(), self._command.uploads
        decide = batch.upload if uploads else batch.download
        lines = []
        for answer in await decide(self._core.lfs, self._actor, repo, wanted):
            if answer.error is not None and not isinstance(answer.error, NotFound):
                raise answer.error
            what = "upload" if uploads else "download"
            lines.append(f"{answer.oid} {answer.size} {what if answer.ticket else 'noop'}")
        await self._answer(200, lines=lines)

    async def _put(self, request: Request) -> None:
        oid, size = content.check_oid(request.target), request.size()
        repo = await self._repo(to_push=True)
        pieces = content.gather(self._data())
        await content.receive(self._core.lfs, repo, self._actor.user_id, oid, size, pieces)
        await self._answer(200)

    async def _verify(self, request: Request) -> None:
        oid, size = content.check_oid(request.target), request.size()
        link = await content.link(self._core.lfs, (await self._repo()).id, oid)
        if link.size != size:
            raise Invalid(f"The object has {link.size} bytes, not {size}.")
        await self._answer(200)

    async def _get(self, request: Request) -> None:
        oid = content.check_oid(request.target)
        link = await content.link(self._core.lfs, (await self._repo(to_push=False)).id, oid)
        pieces = content.read(self._core.lfs, oid)
        # The first piece before the status: a store that fails is still an honest one.
        piece = await anext(pieces, b"")
        self._is_sending = True
        head = (b"status 200\n", f"size={link.size}\n".encode())
        await self._write(b"".join(map(pktline.encode, head)) + DELIM)
        while piece:
            for start in range(0, len(piece), _STEP):
                await self._write(_packed(piece[start : start + _STEP]))
            piece = await anext(pieces, b"")
        await self._write(FLUSH)
        self._is_sending = False

    async def _lock(self, request: Request) -> None:
        repo = await self._repo(to_push=True)
        path, ref = request.args.get("path", ""), request.args.get("refname", "")
        lock, created = await locks.create(self._core.lfs, self._actor, repo, path, ref)
        if created:
            await self._answer(201, _facts(lock))
        else:
            await self._answer(409, _facts(lock), [locks.taken(lock)])

    async def _list_locks(self, request: Request) -> None:
        args = request.args
        found = await locks.page(
            self._core.lfs,
            await self._repo(),
            path=args.get("path", ""),
            lock_id=args.get("id", ""),
            cursor=args.get("cursor", ""),
            limit=min(_size(args.get("limit") or "0") or _MAX_LOCKS, _MAX_LOCKS),
        )
        lines = []
        for lock in found.locks:
            whose = "ours" if lock.user_id == self._actor.user_id else "theirs"
            lines += [
                f"lock {lock.id}",
                f"path {lock.id} {lock.path}",
                f"locked-at {lock.id} {locks.time_text(lock)}",
                f"ownername {lock.id} {lock.owner}",
                f"owner {lock.id} {whose}",
            ]
        more = [f"next-cursor={found.next_cursor}"] if found.next_cursor else []
        await self._answer(200, more, lines)

    async def _unlock(self, request: Request) -> None:
        repo = await self._repo(to_push=True)
        force = request.args.get("force") == "true"
        lock = await locks.unlock(self._core.lfs, self._actor, repo, request.target, force=force)
        await self._answer(200, _facts(lock))

    _HANDLERS: ClassVar[dict[str, Callable[[Transfer, Request], Awaitable[None]]]] = {
        "version": _version,
        "batch": _batch,
        "put-object": _put,
        "verify-object": _verify,
        "get-object": _get,
        "lock": _lock,
        "list-lock": _list_locks,
        # What git-lfs before 3.4 says when it is about to push.
        "list-locks": _list_locks,
        "unlock": _unlock,
    }


def _packed(data: bytes) -> bytes:
    step = pktline.MAX_DATA
    return b"".join(
        pktline.encode(data[start : start + step]) for start in range(0, len(data), step)
    )


def _facts(lock: locks.Lock) -> list[str]:
    return [
        f"id={lock.id}",
        f"path={lock.path}",
        f"locked-at={locks.time_text(lock)}",
        f"ownername={lock.owner}",
    ]
