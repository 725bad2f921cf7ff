"""Answers to clones, kept as files: the hundredth clone of a tip costs a disk read.

An answer depends only on its request, since wants are object ids; the caller checks before each use
that the wanted objects are still advertised. Nothing is shared between repositories. The first
asker's child writes the file, and everybody, the first included, reads it while it grows: so equal
clones at the same moment share one child. Other answers pass through a nameless file in the same
way, so that no slow client holds a child.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from hubd.errors import HubError, Unavailable
from hubd.obs.failpoints import afail

log = structlog.get_logger()
PIECE = 1024 * 1024
LEAST_FREE = 64 * 1024 * 1024


@dataclass
class Answer:
    """A file that grows until ``complete``; ``descriptor`` stays open while somebody reads."""

    path: Path
    temporary: Path
    descriptor: int
    size: int = 0
    complete: bool = False
    failed: bool = False
    readers: int = 0
    # git ended with an error, but told it in its own protocol: whole, though not to be kept.
    is_refusal: bool = False
    # Why nothing could be made, where that is known.
    error: HubError | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def grew(self, size: int) -> None:
        """Wake the readers."""
        self.size = size
        self._wake()

    def ended(self, *, failed: bool) -> None:
        """No more will come."""
        self.complete, self.failed = True, failed
        self._wake()

    async def begun(self) -> None:
        """Wait for the first byte; raises the ``HubError`` that came instead of it."""
        while not self.size and not self.complete:
            await self._changed.wait()
        if self.error is not None and not self.size:
            raise self.error

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def ranges(self) -> AsyncIterator[tuple[int, int]]:
        """(offset, length) of what is new, until the end; ``Unavailable`` if the child failed."""
        offset = 0
        while True:
            changed = self._changed
            if offset < self.size:
                length = self.size - offset
                yield offset, length
                offset += length
            elif self.complete:
                break
            else:
                await changed.wait()
        if self.failed:
            raise Unavailable("The pack could not be made.", hint="Tell the operator.")


Fill = Callable[[int, Callable[[int], None]], Awaitable[bool]]


class PackCache:
    """Files ``<dir>/<repo id>/<key>``, capped in bytes and age, oldest use first out."""

    def __init__(self, directory: Path, limit: int, days: int) -> None:
        self._dir = directory
        self._limit = limit
        self._max_age = days * 86400.0
        self._growing: dict[Path, Answer] = {}
        self._used = 0
        self._sweeping = False

    @property
    def enabled(self) -> bool:
        """Whether answers are kept at all."""
        return self._limit > 0

    def prepare(self) -> None:
        """Drop what a killed daemon left half-written, and take stock; blocking."""
        self._dir.mkdir(parents=True, exist_ok=True)
        for file in self._dir.glob("*/*.tmp*"):
            file.unlink(missing_ok=True)
        self._used = sum(file.stat().st_size for file in self._dir.glob("*/*"))

    @staticmethod
    def key(*parts: bytes) -> str:
        """A name for an answer: the digest of all that it depends on."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(b"%d:" % len(part) + part)
        return digest.hexdigest()

    def lookup(self, repo_id: int, key: str) -> Answer | None:
        """The kept or growing answer, opened; ``release`` it after use."""
        path = self._dir / str(repo_id) / key
        growing = self._growing.get(path)
        if growing is not None:
            growing.readers += 1
            return growing
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        os.utime(descriptor)
        size = os.fstat(descriptor).st_size
        return Answer(path, path, descriptor, size, complete=True, readers=1)

    def begin(self, repo_id: int, key: str | None) -> Answer:
        """A new answer, to be filled by ``fill``; the caller is its first reader.

        Without a key nobody else will ask for it: it is only spooled, and gone after its reader.
        """
        folder = self._dir / str(repo_id)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (key or "once")
        temporary = folder / f"{path.name}.tmp{time.monotonic_ns()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        answer = Answer(path, temporary, os.open(temporary, flags, 0o600), readers=1)
        if key is not None:
            self._growing[path] = answer
        return answer

    async def fill(self, answer: Answer, fill: Fill) -> None:
        """Run ``fill(descriptor, grew)``, which says whether the child succeeded; then publish."""
        ok = False
        answer.readers += 1
        try:
            ok = await fill(answer.descriptor, answer.grew)
            if ok and not answer.is_refusal:
                await afail("fetch.cache.before_rename")
                # Without a key, or forgotten meanwhile: serve the readers, keep nothing.
                if self._growing.get(answer.path) is answer:
                    answer.temporary.replace(answer.path)
                    self._used += answer.size
        except HubError as error:
            answer.error = error  # for the readers, who tell their clients
        except OSError as error:
            log.error("packcache.failed", reason=str(error))
            answer.error = Unavailable("The server's storage is full.", hint="Tell the operator.")
        finally:
            answer.temporary.unlink(missing_ok=True)  # renamed already if it is kept
            if self._growing.get(answer.path) is answer:
                del self._growing[answer.path]
            answer.ended(failed=not ok)
            self.release(answer)
            if self._used > self._limit:
                await self.sweep()

    def has_room(self, size: int) -> bool:
        """Whether an answer of this size can be spooled; a full disk must not stop reading."""
        free = os.statvfs(self._dir)
        return free.f_bavail * free.f_frsize > size + LEAST_FREE

    def release(self, answer: Answer) -> None:
        """One reader less; the last one closes the file."""
        answer.readers -= 1
        if answer.readers == 0:
            os.close(answer.descriptor)

    def abandoned(self, answer: Answer) -> bool:
        """Whether nobody but its filler holds a growing answer."""
        return answer.readers <= 1

    async def forget(self, repo_id: int) -> None:
        """Drop all answers of a repository (purged, or pruned of a secret)."""
        folder = self._dir / str(repo_id)
        for path in [path for path in self._growing if path.parent == folder]:
            del self._growing[path]
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def sweep(self) -> None:
        """Remove unused answers: too old ones, then the oldest until all fit."""
        if self._sweeping:
            return
        self._sweeping = True
        try:
            self._used = await asyncio.to_thread(self._sweep)
        finally:
            self._sweeping = False

    def _sweep(self) -> int:
        files: list[tuple[float, int, Path]] = []
        for file in self._dir.glob("*/*"):
            try:
                status = file.stat()
            except FileNotFoundError:
                continue
            if ".tmp" not in file.name:
                files.append((status.st_mtime, status.st_size, file))
        used = sum(size for _, size, _ in files)
        oldest = time.time() - self._max_age
        for used_at, size, file in sorted(files):
            if used_at > oldest and used <= self._limit * 9 // 10:
                break
            file.unlink(missing_ok=True)
            used -= size
        return used
