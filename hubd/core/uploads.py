"""Files that came through the hub itself, a form of a page: into Git or as large files."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hubd.core import discussions, largefiles, pulls, repos
from hubd.core.commits import AddFile, AddLarge, Change, Committed, commit
from hubd.core.context import Core
from hubd.errors import Invalid, Unavailable
from hubd.lfs import content, quota
from hubd.store.discussions import Discussion
from hubd.types import Actor, RepoAction, RepoRef

_SAMPLE = 512
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has come whole: where it lies, its bytes, its SHA-256 and how it begins."""

    path: str
    file: Path
    size: int
    sha256: str
    sample: bytes


class Inbox:
    """A folder for the files of one request."""

    def __init__(self, core: Core, folder: Path) -> None:
        self._core = core
        self._folder = folder
        self.files: list[Received] = []

    async def take(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        """Keep a file and hash it while it comes; raises ``Unavailable`` if the disk is full."""
        place = self._folder / str(len(self.files))
        digest, size, sample = hashlib.sha256(), 0, b""
        file = await asyncio.to_thread(place.open, "wb")
        try:
            async for piece in pieces:
                await quota.require_disk(self._core.lfs, len(piece))
                sample += piece[: max(0, _SAMPLE - len(sample))]
                size += len(piece)
                await asyncio.to_thread(digest.update, piece)
                await asyncio.to_thread(file.write, piece)
        except OSError as error:
            raise Unavailable("The server cannot store this file.") from error
        finally:
            await asyncio.to_thread(file.close)
        self.files.append(Received(path, place, size, digest.hexdigest(), sample))


@asynccontextmanager
async def inbox(core: Core, actor: Actor, ref: RepoRef) -> AsyncIterator[Inbox]:
    """An inbox for who may push here; what it holds goes at the end."""
    await repos.find(core, actor, ref, RepoAction.PUSH)
    core.git.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=core.git.scratch, prefix="inbox-"))
    try:
        yield Inbox(core, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def changes(
    core: Core, actor: Actor, ref: RepoRef, revision: str | None, files: Sequence[Received]
) -> list[Change]:
    """What a commit of these files changes; large ones are stored and linked first."""
    found = await repos.find(core, actor, ref, RepoAction.PUSH)
    wanted = [largefiles.Wanted(one.path, one.size, one.sample) for one in files]
    _, planned = await largefiles.plan(core, actor, ref, revision, wanted)
    made: list[Change] = []
    for one, plan in zip(files, planned, strict=True):
        if not plan.large:
            made.append(AddFile(one.path, one.file))
            continue
        await content.receive(
            core.lfs, found.repo, actor.user_id, one.sha256, one.size, _read(one.file)
        )
        made.append(AddLarge(one.path, one.sha256, one.size))
    return made


async def _read(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
    finally:
        await asyncio.to_thread(file.close)


async def commit_to_new_pull(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    changed: Sequence[Change],
    message: str,
    *,
    base: str,
    parent: str,
) -> tuple[Discussion, Committed]:
    """The changes as a pull request that starts at ``parent``; a refused one is closed again."""
    if not parent:
        raise Invalid("An empty repository has no branch to ask for a merge into.")
    if not message.strip():
        raise Invalid("A commit needs a message.")
    title = message.strip().splitlines()[0][: discussions.MAX_TITLE]
    pull = await pulls.open_pull(core, actor, ref, title, base=base, head=parent)
    async with pulls.closed_if_refused(core, actor, ref, pull):
        made = await commit(core, actor, ref, changed, message, branch=pull.ref, parent=parent)
    return pull, made
