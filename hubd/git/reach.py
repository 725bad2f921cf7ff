"""The small blobs that a repository needs: what refs reach, and what pushes under way bring."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from hubd.errors import Unavailable
from hubd.git.objects import Batch
from hubd.git.process import Git
from hubd.git.streams import records

_PORTION = 1000
_QUARANTINES = "tmp_objdir-*"
_NICE = 10
Contents = AsyncGenerator[dict[str, bytes], None]


async def reachable(
    git: Git, path: Path, below: int, tips: Sequence[str] = (), *, only_new: bool = False
) -> Contents:
    """Ids and contents of all blobs smaller than ``below`` bytes that any ref reaches, in portions.

    All refs count, hidden ones included. ``tips`` are objects to start from besides them; those
    that are not there do not count. ``only_new``: what the tips reach and no ref does. Raises
    ``Unavailable`` when not everything could be read.
    """
    async with Batch(git, path) as batch:
        known = [info.oid for info in await batch.info_many(tips) if info is not None]
        child = await git.start(
            path,
            "rev-list",
            "--stdin",
            *(("--not", "--all") if only_new else ("--all",)),
            "--objects",
            "--no-object-names",
            "--use-bitmap-index",
            "--filter=object:type=blob",
            "--filter-provided-objects",
            values={"filter": f"blob:limit={below}"},
            nice=_NICE,
        )
        try:
            # It reads all of this before it prints anything.
            with contextlib.suppress(BrokenPipeError):
                await child.write("".join(f"{oid}\n" for oid in known).encode())
            child.close_stdin()
            portion: list[str] = []
            async for line in records(child, b"\n"):
                portion.append(line.decode())
                if len(portion) == _PORTION:
                    yield await batch.contents_many(portion)
                    portion = []
            if await child.wait():
                raise Unavailable(
                    "git could not list what is reachable.", details={"stderr": child.error_text}
                )
            if portion:
                yield await batch.contents_many(portion)
        finally:
            await asyncio.shield(child.kill())


async def quarantined(git: Git, path: Path, below: int) -> Contents:
    """As ``reachable``, of pushes whose objects are still in quarantine.

    A quarantine that goes meanwhile was dropped, or its objects lie with the others now.
    """
    objects = path / "objects"
    for folder in await asyncio.to_thread(lambda: sorted(objects.glob(_QUARANTINES))):
        try:
            async for portion in _of_quarantine(git, path, folder, below):
                yield portion
        except Unavailable:
            if await asyncio.to_thread(folder.exists):
                raise


async def _of_quarantine(git: Git, path: Path, folder: Path, below: int) -> Contents:
    env = {
        "GIT_OBJECT_DIRECTORY": str(folder),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(path / "objects"),
    }
    async with Batch(git, path, env) as batch:
        async for lines in git.list_new_objects(path, folder):
            small = [oid for oid, kind, size in lines if kind == "blob" and size < below]
            yield await batch.contents_many(small)


async def named(git: Git, path: Path, below: int) -> AsyncGenerator[dict[str, str], None]:
    """Paths by id of all blobs smaller than ``below`` bytes that any ref reaches, in portions.

    Of a blob that lies in several places one is named.
    """
    child = await git.start(
        path,
        "rev-list",
        "--all",
        "--objects",
        "--filter=object:type=blob",
        "--filter-provided-objects",
        values={"filter": f"blob:limit={below}"},
        stdin=False,
        nice=_NICE,
    )
    try:
        portion: dict[str, str] = {}
        async for line in records(child, b"\n"):
            oid, _, name = line.decode("utf-8", "surrogateescape").partition(" ")
            portion[oid] = name
            if len(portion) == _PORTION:
                yield portion
                portion = {}
        if portion:
            yield portion
    finally:
        await asyncio.shield(child.kill())
