"""From files to a commit: how each is to be sent, and the commit itself."""

from __future__ import annotations

import asyncio
import base64
import binascii
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET

from hubd.core import commits, largefiles, pulls, repos
from hubd.core.context import Core
from hubd.errors import EntryNotFound, Invalid, NotFound, RevisionNotFound, TooLarge
from hubd.http import ranges
from hubd.http.hf.endpoint import REPO, Call, Endpoint, at_revision, decoded, require_sha1
from hubd.http.hf.shapes import Committed, Preupload, UploadMode
from hubd.types import RepoAction

# The largest line of a commit: a file of 64 MiB in base64 and its path.
_MAX_LINE = 90 * 1024 * 1024
_MAX_FILES = 10_000
_MAX_CHANGES = 100_000
# Files above the first size wait on disk, and so do all when those in memory reach the second.
_SPOOLED_FILE = 256 * 1024
_SPOOLED_TOTAL = 16 * 1024 * 1024


class FileToSend(msgspec.Struct):
    """A file as the client will send it; ``sample`` is its first bytes in base64."""

    path: str
    size: int = 0
    sample: str = ""


class FilesToSend(msgspec.Struct, rename="camel"):
    """What is to be uploaded; ``git_ignore`` is the text of a gitignore file."""

    files: list[FileToSend]
    git_ignore: str | None = None


class Header(msgspec.Struct, rename="camel"):
    """What the commit says, and the commit the client saw."""

    summary: str = ""
    description: str = ""
    parent_commit: str | None = None


class File(msgspec.Struct):
    """A file with its content."""

    path: str
    content: str = ""
    encoding: str = "utf-8"


class LfsFile(msgspec.Struct):
    """A large file that was uploaded before."""

    path: str
    oid: str
    algo: str = "sha256"
    size: int | None = None


class Gone(msgspec.Struct):
    """A file or folder to delete."""

    path: str


class Copied(msgspec.Struct, rename="camel"):
    """A file to copy within the repository."""

    path: str
    src_path: str
    src_revision: str | None = None


class Line(msgspec.Struct):
    """One line of a commit: what kind of change, and the change."""

    key: str
    value: msgspec.Raw


class WholeCommit(Header, rename="camel"):
    """A commit as one JSON document."""

    files: list[File] = []
    lfs_files: list[LfsFile] = []
    deleted_files: list[Gone] = []
    deleted_folders: list[Gone] = []
    copied_files: list[Copied] = []


class Draft:
    """A commit in the making; large contents wait in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.header = Header()
        self.changes: list[commits.Change] = []
        self.folder = folder
        self._held = 0

    async def take(self, line: bytes) -> None:
        """One more line; raises ``Invalid``."""
        if not line.strip():
            return
        if len(self.changes) >= _MAX_CHANGES:
            raise TooLarge(f"A commit has at most {_MAX_CHANGES} changes.")
        read = decoded(line, Line)
        kinds: dict[str, type[Any]] = {
            "header": Header,
            "file": File,
            "lfsFile": LfsFile,
            "deletedFile": Gone,
            "deletedFolder": Gone,
            "copyFile": Copied,
        }
        if read.key not in kinds:
            raise Invalid(f"A commit cannot have a line {read.key[:50]!r}.")
        value = decoded(bytes(read.value), kinds[read.key])
        if isinstance(value, Header):
            self.header = value
        else:
            await self.add(value, is_folder=read.key == "deletedFolder")

    async def add(self, value: object, *, is_folder: bool = False) -> None:
        """One more change."""
        match value:
            case File():
                await self.add_bytes(value.path, content(value))
            case LfsFile():
                if value.algo != "sha256":
                    raise Invalid("Large files are named by their SHA-256 here.")
                self.changes.append(commits.AddLarge(value.path, value.oid, value.size))
            case Gone():
                path = value.path.strip("/")
                kind = commits.DeleteFolder if is_folder else commits.DeleteFile
                self.changes.append(kind(path))
            case Copied():
                copy = commits.CopyFile(value.src_path, value.path, value.src_revision)
                self.changes.append(copy)

    async def add_bytes(self, path: str, data: bytes) -> None:
        """One more file."""
        self.changes.append(commits.AddFile(path, await self._kept(data)))

    async def _kept(self, data: bytes) -> bytes | Path:
        if len(data) <= _SPOOLED_FILE and self._held + len(data) <= _SPOOLED_TOTAL:
            self._held += len(data)
            return data
        path = self.folder / str(len(self.changes))
        await asyncio.to_thread(path.write_bytes, data)
        return path

    @property
    def message(self) -> str:
        """Subject and body."""
        return f"{self.header.summary}\n\n{self.header.description}".strip()


def content(file: File) -> bytes:
    """The bytes of a file in a commit; raises ``Invalid``."""
    if file.encoding != "base64":
        return file.content.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(file.content, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(f"The content of {file.path!r} is not base64.") from None


@asynccontextmanager
async def drafting(core: Core) -> AsyncIterator[Draft]:
    """An empty commit; its folder goes at the end."""
    scratch = core.git.scratch
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=scratch, prefix="commit-"))
    try:
        yield Draft(folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _take(draft: Draft, request: web.Request) -> None:
    """The commit in the body, read line by line."""
    if request.content_type == "application/json":
        await _take_document(draft, request)
        return
    async for line in _lines(request):
        await draft.take(line)


async def _lines(request: web.Request) -> AsyncIterator[bytes]:
    rest = bytearray()
    async for piece in ranges.body(request):
        searched = len(rest)
        rest += piece
        while (end := rest.find(b"\n", searched)) >= 0:
            yield bytes(rest[:end])
            del rest[: end + 1]
            searched = 0
        if len(rest) > _MAX_LINE:
            raise TooLarge("A file in a commit is too large.", hint="Upload it as a large file.")
    yield bytes(rest)


async def _take_document(draft: Draft, request: web.Request) -> None:
    data = bytearray()
    async for piece in ranges.body(request):
        data += piece
        if len(data) > _MAX_LINE:
            raise TooLarge("The commit is too large.", hint="Send it line by line.")
    whole = decoded(bytes(data), WholeCommit)
    draft.header = whole
    for change in (*whole.files, *whole.lfs_files, *whole.deleted_files, *whole.copied_files):
        await draft.add(change)
    for folder in whole.deleted_folders:
        await draft.add(folder, is_folder=True)


async def preupload(call: Call) -> Preupload:
    """Which files go into Git and which are large, which are ignored, and what is there now."""
    asked = await call.body(FilesToSend)
    if len(asked.files) > _MAX_FILES:
        raise TooLarge(f"At most {_MAX_FILES} files at once.")
    wanted = [
        largefiles.Wanted(file.path, file.size, largefiles.sample_of(file.sample))
        for file in asked.files
    ]
    commit, planned = await largefiles.plan(
        call.core,
        call.actor,
        call.ref,
        await _revision(call),
        wanted,
        ignore=asked.git_ignore,
        for_pull=call.flag("create_pr") or call.name("rev").startswith("refs/pr/"),
    )
    files = [
        UploadMode(
            path=one.path,
            upload_mode="lfs" if one.large else "regular",
            should_ignore=one.ignored,
            oid=one.oid or UNSET,
        )
        for one in planned
    ]
    return Preupload(files=files, commit_oid=commit or UNSET)


async def _revision(call: Call) -> str | None:
    """The commit that the address names; None for the default branch of an empty repository."""
    try:
        return (await call.at(call.name("rev"))).commit
    except RevisionNotFound:
        if call.name("rev") == "main":
            return None
        raise


async def commit(call: Call) -> Committed:
    """Commit to a branch or pull request, or open a new one with ``create_pr``."""
    # Before the body is taken; pushing to a branch is judged when it comes to that.
    found = await repos.find(call.core, call.actor, call.ref, RepoAction.DISCUSS)
    require_sha1(found.repo)
    async with drafting(call.core) as draft:
        await _take(draft, call.request)
        if call.flag("create_pr"):
            return await _commit_to_new_pull(call, draft)
        return await _commit_to(call, draft, await branch(call, call.name("rev")))


async def branch(call: Call, name: str) -> str | None:
    """The branch to commit to; None for the default one, which ``main`` stands for."""
    if name != "main":
        return name
    try:
        at = await at_revision(call.core, call.actor, call.ref, name)
    except RevisionNotFound:
        return None
    return name if at.revision == name else None


async def _commit_to(call: Call, draft: Draft, branch: str | None) -> Committed:
    try:
        done = await commits.commit(
            call.core,
            call.actor,
            call.ref,
            draft.changes,
            draft.message,
            branch=branch,
            parent=draft.header.parent_commit,
            must_exist=True,
        )
    except EntryNotFound as error:
        # The clients look for this sentence.
        raise EntryNotFound(f"A file with this name doesn't exist: {error.sentence}") from error
    return Committed(commit_oid=done.oid, commit_url=f"{call.url(call.ref)}/commit/{done.oid}")


async def _commit_to_new_pull(call: Call, draft: Draft) -> Committed:
    title = draft.header.summary or "Upload with the API"
    try:
        pull = await pulls.open_pull(
            call.core,
            call.actor,
            call.ref,
            title,
            draft.header.description,
            base=await branch(call, call.name("rev")),
        )
    except NotFound as error:
        if isinstance(error, RevisionNotFound) or type(error) is not NotFound:
            raise
        raise RevisionNotFound(error.message) from error
    async with pulls.closed_if_refused(call.core, call.actor, call.ref, pull):
        done = await _commit_to(call, draft, pull.ref)
    url = f"{call.url(call.ref)}/discussions/{pull.num}"
    return msgspec.structs.replace(done, pull_request_url=url)


ENDPOINTS = [
    Endpoint("POST", REPO + "/preupload/{rev}", preupload, "How files are to be sent"),
    Endpoint("POST", REPO + "/commit/{rev}", commit, "Commit files"),
]
