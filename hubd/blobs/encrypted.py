"""Local blobs whose files are envelopes: same places, same promises, unreadable without the key."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import structlog

from hubd.blobs.base import PIECE, Damaged, Key, Kind, Part, Stat, Stored
from hubd.blobs.envelope import Reader, Writer, plain_size
from hubd.blobs.local import LocalBlobs, LocalSink, create, open_file, publish, remove, sync_folder
from hubd.errors import Invalid

_log = structlog.get_logger(__name__)


class EncryptedBlobs(LocalBlobs):
    """Blobs below one folder, encrypted by one key; files that are not are damaged ones.

    An upload in parts is a folder with an envelope for each part, since a file that is sealed is
    never written again; committing writes the whole anew.
    """

    def __init__(self, root: Path, key: bytes, threads: int = 8) -> None:
        super().__init__(root, threads)
        self._key = key

    async def stat(self, key: Key) -> Stat | None:
        """Size of what is inside, and time."""
        found = await super().stat(key)
        return found and Stat(plain_size(found.size), found.stored_at)

    async def read(self, key: Key, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes [start, end), each record authenticated; raises ``Damaged``."""
        descriptor = await self._run(open_file, self._root / key.path)
        try:
            reader = await self._run(Reader, descriptor, self._key, key.path)
            at, end = start, reader.size if end is None else min(end, reader.size)
            while at < end:
                piece = await self._run(reader.pread, min(PIECE, end - at), at)
                at += len(piece)
                yield piece
        except Damaged as error:
            _log.error("blobs.damaged", **error.details)
            raise
        finally:
            os.close(descriptor)

    async def local_path(self, key: Key) -> str | None:  # noqa: ARG002
        """No file has exactly these bytes."""
        return None

    async def begin(self, size: int = 0) -> LocalSink:  # noqa: ARG002
        """A new envelope aside."""
        path = self._incoming / secrets.token_hex(16)
        return EncryptedSink(self, path, await self._run(create, path), self._key)

    async def begin_parts(self, size: int) -> str:  # noqa: ARG002
        """A folder for the parts."""
        handle = secrets.token_hex(16)
        await self._run((self._parts / handle).mkdir, 0o750)
        return handle

    async def write_part(
        self,
        handle: str,
        number: int,
        offset: int,  # noqa: ARG002
        pieces: AsyncIterator[bytes],
        size: int,
    ) -> Part:
        """A new envelope, that takes the place of an earlier one of this number."""
        target = self._part_path(handle) / str(number)
        path = target.with_name(f"new-{secrets.token_hex(16)}")
        sink = EncryptedSink(self, path, await self._run(create, path), self._key)
        try:
            async for piece in pieces:
                if sink.size + len(piece) > size:
                    raise Invalid(f"Part {number} is longer than the {size} bytes announced.")
                await sink.write(piece)
            if sink.size != size:
                raise Invalid(f"Part {number} has {sink.size} bytes, not {size}.")
            await self._run(sink.rename, target, _part_name(handle, number))
        finally:
            await sink.discard()
        return Part(number, size, await sink.sha256())

    async def commit_parts(self, handle: str, key: Key, size: int, parts: list[Part]) -> None:
        """Decrypt, hash and encrypt as one file; only the right bytes get the name."""
        folder = self._part_path(handle)
        if sum(part.size for part in parts) != size:
            raise Invalid("The parts do not add up to the size of the object.")
        joined = self._incoming / secrets.token_hex(16)
        try:
            found = await self._run(self._join, folder, joined, key, parts)
            if found != (key.name, size):
                await self.discard_parts(handle)
                raise Invalid(
                    "The bytes that arrived are not those of this object; upload it again."
                )
            await self._run(publish, joined, self._root / key.path)
        finally:
            await self._run(remove, joined)

    def _join(self, folder: Path, path: Path, key: Key, parts: list[Part]) -> tuple[str, int]:
        hasher = hashlib.sha256()
        size = 0
        with _opened(create(path)) as descriptor:
            writer = Writer(descriptor, self._key)
            for part in sorted(parts, key=lambda part: part.number):
                for piece in self._part(folder, part.number):
                    hasher.update(piece)
                    writer.write(piece)
                    size += len(piece)
            writer.seal(key.path)
            os.fsync(descriptor)
        return hasher.hexdigest(), size

    def _part(self, folder: Path, number: int) -> Iterator[bytes]:
        with _opened(open_file(folder / str(number))) as descriptor:
            reader = Reader(descriptor, self._key, _part_name(folder.name, number))
            for at in range(0, reader.size, PIECE):
                yield reader.pread(PIECE, at)

    async def walk(self, kind: Kind) -> AsyncIterator[Stored]:
        """Every file of a kind, with the size of what is inside."""
        async for found in super().walk(kind):
            yield Stored(found.key, Stat(plain_size(found.stat.size), found.stat.stored_at))


class EncryptedSink(LocalSink):
    """A sink into an envelope."""

    def __init__(self, blobs: LocalBlobs, path: Path, descriptor: int, key: bytes) -> None:
        super().__init__(blobs, path, descriptor)
        self._writer = Writer(descriptor, key)

    def _take(self, piece: bytes) -> None:
        self._hasher.update(piece)
        self._writer.write(piece)

    def _finish(self, target: Path, key: Key) -> None:
        self._writer.seal(key.path)
        super()._finish(target, key)

    def rename(self, target: Path, name: str) -> None:
        """Seal as a part of an upload, and put it in its place."""
        self._writer.seal(name)
        os.fsync(self._descriptor)
        self._path.replace(target)
        sync_folder(target.parent)


def _part_name(handle: str, number: int) -> str:
    return f"parts/{handle}/{number}"


@contextlib.contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
