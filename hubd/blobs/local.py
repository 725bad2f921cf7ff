"""Blobs as files: written aside, synced, then renamed, so that a name always means whole bytes.

Below the root: ``objects/aa/bb/HASH`` and the other kinds alike; ``incoming/`` for what this daemon
writes, emptied at its next start; ``parts/`` for uploads in parts, which survive a restart.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

from hubd.blobs.base import PIECE, Direct, Key, Kind, Part, Stat, Stored
from hubd.blobs.writers import Writers, until
from hubd.errors import Invalid, NotFound, Unavailable
from hubd.obs import failpoints

T = TypeVar("T")
Args = TypeVarTuple("Args")
_FOLDER_MODE = 0o750
_WALK_BATCH = 500
_SYNC_EVERY = 256 * PIECE


class LocalBlobs:
    """Blobs below one folder of one file system."""

    name = "local"
    direct: Direct | None = None

    def __init__(self, root: Path, threads: int = 8) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._parts = root / "parts"
        # Disks, not processors: apart from the loop's default pool, which others wait for.
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="blobs")
        self._writers = Writers()

    async def start(self) -> None:
        """Make the folders; what was half-written is nobody's."""
        await self._run(self._prepare)

    def _prepare(self) -> None:
        shutil.rmtree(self._incoming, ignore_errors=True)
        for folder in (self._incoming, self._parts, *(self._root / kind for kind in Kind)):
            folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)

    async def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def stat(self, key: Key) -> Stat | None:
        """Size and time, or None."""
        return await self._run(_stat, self._root / key.path)

    async def read(self, key: Key, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes [start, end)."""
        descriptor = await self._run(open_file, self._root / key.path)
        try:
            at = start
            while end is None or at < end:
                wanted = PIECE if end is None else min(PIECE, end - at)
                piece = await self._run(os.pread, descriptor, wanted, at)
                if not piece:
                    break
                at += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    async def local_path(self, key: Key) -> str | None:
        """The blob's own file."""
        path = self._root / key.path
        return str(path) if await self._run(path.is_file) else None

    async def begin(self, size: int = 0) -> LocalSink:  # noqa: ARG002
        """A new file aside."""
        path = self._incoming / secrets.token_hex(16)
        return LocalSink(self, path, await self._run(create, path))

    async def begin_parts(self, size: int) -> str:
        """A file of the whole size, sparse at first."""
        handle = secrets.token_hex(16)
        await self._run(_make_sparse, self._parts / handle, size)
        return handle

    async def write_part(
        self, handle: str, number: int, offset: int, pieces: AsyncIterator[bytes], size: int
    ) -> Part:
        """Write at the part's place; a part sent twice overwrites itself, the later one wins."""
        path = self._part_path(handle)
        async with self._writers.one_of(handle, number) as ended:
            return await self._write_at(path, number, offset, until(ended, pieces), size)

    async def _write_at(
        self, path: Path, number: int, offset: int, pieces: AsyncIterator[bytes], size: int
    ) -> Part:
        descriptor = await self._run(open_file, path, os.O_WRONLY)
        hasher = hashlib.sha256()
        taken = 0
        try:
            async for piece in pieces:
                if taken + len(piece) > size:
                    raise Invalid(f"Part {number} is longer than the {size} bytes announced.")
                await self._run(_hash_and_write, descriptor, hasher, piece, offset + taken)
                taken += len(piece)
            if taken != size:
                raise Invalid(f"Part {number} has {taken} bytes, not {size}.")
            await self._run(os.fsync, descriptor)
        finally:
            os.close(descriptor)
        return Part(number, size, hasher.hexdigest())

    async def commit_parts(self, handle: str, key: Key, size: int, parts: list[Part]) -> None:
        """Hash the file as a whole; only the right bytes get the name."""
        path = self._part_path(handle)
        if sum(part.size for part in parts) != size:
            raise Invalid("The parts do not add up to the size of the object.")
        # Who still holds the file open could change it after it was hashed.
        async with self._writers.none_of(handle):
            if await self._run(_was_published, path, self._root / key.path):
                return
            found = await self._run(_hash_file, path)
            if found != (key.name, size):
                await self.discard_parts(handle)
                text = "The bytes that arrived are not those of this object; upload it again."
                raise Invalid(text)
            await self._run(_publish_marked, path, self._root / key.path)

    async def discard_parts(self, handle: str) -> None:
        """Remove the file, and the note of what became of it."""
        path = self._part_path(handle)
        await self._run(remove, path)
        await self._run(remove, _note_of(path))

    async def delete(self, key: Key) -> None:
        """Remove the file."""
        await self._run(remove, self._root / key.path)

    async def walk(self, kind: Kind) -> AsyncIterator[Stored]:
        """Every file of a kind, read in batches."""
        found = _files(self._root / kind)
        while batch := await self._run(_some, found):
            for name, stat in batch:
                yield Stored(Key(kind, name), stat)

    async def sweep(self, older_than: float, keep_handles: frozenset[str]) -> int:
        """Remove abandoned uploads in parts."""
        return await self._run(self._sweep, older_than, keep_handles)

    def _sweep(self, older_than: float, keep_handles: frozenset[str]) -> int:
        removed = 0
        for path in self._parts.iterdir():
            if path.name not in keep_handles and path.stat().st_mtime < older_than:
                remove(path)
                removed += 1
        return removed

    async def free(self) -> int | None:
        """Bytes that an unprivileged process may still write."""
        return (await self._run(shutil.disk_usage, self._root)).free

    def _part_path(self, handle: str) -> Path:
        if not handle.isalnum():
            raise NotFound("This upload is not known.")
        return self._parts / handle

    async def _run(self, work: Callable[[Unpack[Args]], T], *args: *Args) -> T:
        """Run file work in our threads; what the disk says becomes one of our errors."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # The thread may be using a descriptor that the caller is about to close.
            await asyncio.wait([running])
            raise
        except FileNotFoundError:
            raise NotFound("This object is not stored here.") from None
        except OSError as error:
            raise Unavailable(
                "The server cannot store or read files.",
                hint="Tell the operator.",
                details={"error": str(error)},
            ) from error


class LocalSink:
    """A file aside, hashed while it is written: one trip to a thread for each piece."""

    def __init__(self, blobs: LocalBlobs, path: Path, descriptor: int) -> None:
        self._blobs = blobs
        self._path = path
        self._descriptor = descriptor
        self._hasher = hashlib.sha256()
        self.size = 0

    async def write(self, piece: bytes) -> None:
        """Hash and write."""
        await self._blobs._run(self._take, piece)  # noqa: SLF001
        self.size += len(piece)

    def _take(self, piece: bytes) -> None:
        _hash_and_write(self._descriptor, self._hasher, piece, self.size)

    async def sha256(self) -> str:
        """The hash so far."""
        return self._hasher.hexdigest()

    async def commit(self, key: Key) -> None:
        """Sync, close, rename."""
        target = self._blobs._root / key.path  # noqa: SLF001
        await self._blobs._run(self._finish, target, key)  # noqa: SLF001

    def _finish(self, target: Path, key: Key) -> None:  # noqa: ARG002
        os.fsync(self._descriptor)
        self._close()
        publish(self._path, target)

    async def discard(self) -> None:
        """Close and remove."""
        await self._blobs._run(self._remove)  # noqa: SLF001

    def _remove(self) -> None:
        self._close()
        remove(self._path)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_file(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a file that is there."""
    return os.open(path, flags | os.O_CLOEXEC)


def create(path: Path) -> int:
    """A descriptor to write a new file by."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)


def _stat(path: Path) -> Stat | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Stat(found.st_size, found.st_mtime)


def _make_sparse(path: Path, size: int) -> None:
    descriptor = create(path)
    try:
        os.truncate(descriptor, size)
    finally:
        os.close(descriptor)


def _hash_and_write(descriptor: int, hasher: hashlib._Hash, piece: bytes, offset: int) -> None:
    hasher.update(piece)
    write_all(descriptor, piece, offset)


def write_all(descriptor: int, piece: bytes, offset: int) -> None:
    """Write at a place, and now and then wait for the disk."""
    view = memoryview(piece)
    end = offset + len(piece)
    while view:
        view = view[os.pwrite(descriptor, view, end - len(view)) :]
    if end // _SYNC_EVERY != offset // _SYNC_EVERY:
        # Else the sync at the end of a large file keeps the client waiting beyond its patience.
        os.fdatasync(descriptor)


def _hash_file(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def publish(path: Path, target: Path) -> None:
    """Give a synced file its name; the name lasts when this returns."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    failpoints.fail("blobs.before_rename")
    path.rename(target)
    # New fan-out folders need their own entries synced too.
    for folder in (target.parent, target.parent.parent, target.parent.parent.parent):
        sync_folder(folder)


def _note_of(path: Path) -> Path:
    """Where it says what an upload in parts was found to be."""
    return path.with_suffix(".done")


def _publish_marked(path: Path, target: Path) -> None:
    """As ``publish``, so that a second call can tell that the first one has done it."""
    with _note_of(path).open("w") as note:
        note.write(target.name)
        note.flush()
        os.fsync(note.fileno())
    publish(path, target)


def _was_published(path: Path, target: Path) -> bool:
    note = _note_of(path)
    if path.exists() or not target.exists() or not note.exists():
        return False
    return note.read_text() == target.name


def sync_folder(folder: Path) -> None:
    """Make the names in it last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, or a folder of them; harmless if it is not there."""
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        shutil.rmtree(path, ignore_errors=True)


def _files(folder: Path) -> Iterator[tuple[str, Stat]]:
    for first in sorted(folder.iterdir()):
        for second in sorted(first.iterdir()):
            for entry in os.scandir(second):
                found = entry.stat()
                yield entry.name, Stat(found.st_size, found.st_mtime)


def _some(found: Iterator[tuple[str, Stat]]) -> list[tuple[str, Stat]]:
    return [item for item, _ in zip(found, range(_WALK_BATCH), strict=False)]
