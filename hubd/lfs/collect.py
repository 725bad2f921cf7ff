"""Collection: what no repository needs any more is forgotten, long after its last use.

A link goes when nothing in its repository points to the object and nobody used it for the grace;
an object goes when no link is left; bytes go when no row names them. What a push counts on is safe
at every moment, because the repository is read in the order in which a push proceeds:

1. A use after the start of the round marks the link, or finds it marked within the last hour, and
   the round takes no link marked so late (``FRESH_SECONDS``).
2. A push whose check was before that has its pointers in quarantine;
3. or, once git moves them out, an open intent names its tips;
4. or, once that is finished, a ref does. All refs count, hidden ones too, and the trash.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import structlog

from hubd.blobs.base import Key, Kind, Stored
from hubd.errors import Conflict, Unavailable
from hubd.git import reach
from hubd.git.layout import repo_path
from hubd.git.process import Git
from hubd.lfs import multipart, pointers, xet_collect
from hubd.lfs.context import Lfs
from hubd.obs.failpoints import afail
from hubd.store import objects, pushes, repos

log = structlog.get_logger()
DAY = 86400.0
# Links looked at in one walk through a repository: some 20 MB.
_PAGE = 100_000
_PORTION = 1000
Say = Callable[[str], None]


class Collected(msgspec.Struct):
    """What a round took, or would take: how many of each, and the bytes stored less.

    ``strays`` are bytes without a row, ``chunks`` xorbs and lists of chunks; ``skipped`` are
    repositories that could not be read whole, of which nothing was taken.
    """

    links: int = 0
    objects: int = 0
    strays: int = 0
    chunks: int = 0
    bytes: int = 0
    skipped: list[int] = []


async def collect(
    lfs: Lfs,
    git: Git,
    repos_dir: Path,
    *,
    grace: float | None = None,
    dry_run: bool = False,
    say: Say = lambda _: None,
) -> Collected:
    """One round; ``grace`` in seconds, the setting's if None. Safe beside everything else."""
    seconds = lfs.config.object_grace * DAY if grace is None else grace
    before = time.time() - seconds - objects.FRESH_SECONDS
    work = _Round(lfs, git, repos_dir, before, dry_run, say)
    await work.take_links()
    await work.take_objects()
    await work.take_strays()
    if not dry_run:
        work.done.chunks = await xet_collect.collect(lfs, before)
        await multipart.sweep(lfs)
    log.info("lfs.collected", dry_run=dry_run, **msgspec.to_builtins(work.done))
    return work.done


@dataclass
class _Round:
    lfs: Lfs
    git: Git
    repos_dir: Path
    before: float
    dry_run: bool
    say: Say
    done: Collected = field(default_factory=Collected)
    # Of a dry run: what would have lost how many links.
    doomed: Counter[str] = field(default_factory=Counter)

    async def take_links(self) -> None:
        async with self.lfs.store.read() as conn:
            ids = await objects.repos_with_unused(conn, self.before)
        for number, repo_id in enumerate(ids, 1):
            self.say(f"repository {number} of {len(ids)}")
            try:
                await self._of_repo(repo_id)
            except (Unavailable, OSError) as error:
                log.error("lfs.collect_skipped", repo_id=repo_id, reason=str(error))
                self.done.skipped.append(repo_id)

    async def _of_repo(self, repo_id: int) -> None:
        after = ""
        while True:
            async with self.lfs.store.read() as conn:
                page = await objects.unused(conn, repo_id, self.before, after=after, limit=_PAGE)
            if not page:
                return
            after = next(reversed(page))
            async for contents in self._contents(repo_id):
                for pointer in filter(None, map(pointers.parse, contents.values())):
                    page.pop(pointer.oid, None)
            await afail("collect.after_mark")
            for portion in _portions(iter(page)):
                await self._unlink(repo_id, portion)

    async def _contents(self, repo_id: int) -> AsyncIterator[dict[str, bytes]]:
        """What may be a pointer that the repository or a push to it needs; see above."""
        path = repo_path(self.repos_dir, repo_id)
        if not await asyncio.to_thread((path / "HEAD").exists):
            async with self.lfs.store.read() as conn:
                repo = await repos.by_id(conn, repo_id)
            if repo is not None and repo.pushed_at is not None:
                raise Unavailable("The data of this repository is missing.")
            return
        async for contents in reach.quarantined(self.git, path, pointers.MAX_POINTER):
            yield contents
        async with self.lfs.store.read() as conn:
            intents = await pushes.open_intents(conn, repo_id)
        tips = [move.new for intent in intents for move in intent.moves if move.new.strip("0")]
        async for contents in reach.reachable(self.git, path, pointers.MAX_POINTER, tips):
            yield contents

    async def _unlink(self, repo_id: int, oids: list[str]) -> None:
        if self.dry_run:
            self.doomed.update(oids)
            self.done.links += len(oids)
            return
        self.done.links += await self.lfs.store.write(
            partial(objects.unlink_unused, repo_id=repo_id, oids=oids, before=self.before)
        )

    async def take_objects(self) -> None:
        for portion in _portions(iter(sorted(self.doomed))):
            async with self.lfs.store.read() as conn:
                counts = await objects.link_counts(conn, portion)
                sizes = await objects.known(conn, portion)
            gone = [oid for oid in portion if counts.get(oid) == self.doomed[oid]]
            self.done.objects += len(gone)
            self.done.bytes += sum(sizes.get(oid, 0) for oid in gone)
        after = ""
        while True:
            async with self.lfs.store.read() as conn:
                found = await objects.orphans(conn, self.before, after=after, limit=_PORTION)
            if not found:
                return
            after = found[-1].oid
            self.say(f"{self.done.objects} objects")
            for one in found:
                if self.dry_run or await self._remove(one.oid):
                    self.done.objects += 1
                    self.done.bytes += one.size

    async def _remove(self, oid: str) -> bool:
        """The row first: bytes without a row are harmless, a row without bytes is a loss."""
        async with self.lfs.locks.hold(oid):
            try:
                if not await self.lfs.store.write(partial(objects.remove_orphan, oid=oid)):
                    return False
            except Conflict:
                return False  # linked at this very moment
            await afail("collect.before_bytes")
            await self.lfs.blobs.delete(Key.object(oid))
        return True

    async def take_strays(self) -> None:
        old: list[Stored] = []
        async for stored in self.lfs.blobs.walk(Kind.OBJECT):
            if stored.stat.stored_at < self.before:
                old.append(stored)
            if len(old) == _PORTION:
                await self._strays(old)
                old = []
        await self._strays(old)

    async def _strays(self, found: list[Stored]) -> None:
        names = [stored.key.name for stored in found]
        async with self.lfs.store.read() as conn:
            known = await objects.known(conn, names)
        for stored in found:
            oid = stored.key.name
            if oid in known or (self.dry_run and oid in self.doomed):
                continue
            async with self.lfs.locks.hold(oid):
                async with self.lfs.store.read() as conn:
                    if await objects.known(conn, [oid]):
                        continue
                if not self.dry_run:
                    await self.lfs.blobs.delete(stored.key)
            self.done.strays += 1
            self.done.bytes += stored.stat.size


def _portions(oids: Iterator[str]) -> Iterator[list[str]]:
    while portion := list(islice(oids, _PORTION)):
        yield portion
