"""Files into a repository: what is to be sent how, commits, single files, files by form."""

from __future__ import annotations

import asyncio
import mmap
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from hubd.core import commits, repos, uploads
from hubd.core.browse import EmptyRepoError
from hubd.errors import Conflict, Invalid, TooLarge
from hubd.http import ranges
from hubd.http.csg.endpoint import REPO, Endpoint
from hubd.http.csg.shapes import FilePlan
from hubd.http.hf import upload
from hubd.http.hf.endpoint import Call, decoded
from hubd.http.hf.upload import Draft, File, Gone, LfsFile, drafting
from hubd.lfs import pointers, quota
from hubd.types import RepoAction

_RAW = REPO + "/raw/{path:.+}"
_MAX_FIELD = 64 * 1024
_DELETED = "delete"


class FileChange(msgspec.Struct):
    """A file of a commit; the content is base64, of a large file that of its pointer."""

    path: str
    action: str = "create"
    # Not decoded with the rest: of many files only one is in memory at a time.
    content: msgspec.Raw = msgspec.Raw(b'""')


class NewCommit(msgspec.Struct):
    """A commit."""

    files: list[FileChange]
    message: str = ""


class EditedFile(msgspec.Struct):
    """One file to write or delete, on ``new_branch`` if that is given."""

    message: str = ""
    branch: str = ""
    new_branch: str = ""
    content: str = ""
    origin_path: str = ""


async def preupload(call: Call) -> dict[str, list[FilePlan]]:
    """Which files go into Git and which are large, and what is there now."""
    planned = await upload.preupload(call)
    files = [
        FilePlan(
            path=one.path,
            upload_mode=one.upload_mode,
            should_ignore=one.should_ignore,
            oid=one.oid or "",
        )
        for one in planned.files
    ]
    return {"files": files}


async def commit(call: Call) -> None:
    """Commit files to a branch."""
    await _admit(call)
    async with drafting(call.core) as draft:
        body = draft.folder / "body"
        await _spool(_limited(ranges.body(call.request), call.core.config.push_limit), body)
        asked = await asyncio.to_thread(_parsed, body)
        for change in asked.files:
            await _add(draft, change)
        branch = await upload.branch(call, call.name("rev"))
        await _commit(call, draft.changes, asked.message, branch)


async def _admit(call: Call) -> None:
    """Before the body is taken, which waits on disk: the caller may push, and there is room."""
    await repos.find(call.core, call.actor, call.ref, RepoAction.PUSH)
    await quota.require_disk(call.core.lfs, call.request.content_length or 0)


async def _limited(pieces: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """What comes, as long as it is not too much; raises ``TooLarge``."""
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > limit:
            raise TooLarge(f"At most {limit} bytes at once.")
        yield piece


async def _spool(pieces: AsyncIterator[bytes], path: Path) -> None:
    with await asyncio.to_thread(path.open, "wb") as file:
        async for piece in pieces:
            await asyncio.to_thread(file.write, piece)


def _parsed(path: Path) -> NewCommit:
    """The commit in a file, whose contents stay on disk until they are asked for."""
    if path.stat().st_size == 0:
        raise Invalid("The body is empty.")
    with path.open("rb") as file:
        return decoded(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), NewCommit)


async def _add(draft: Draft, change: FileChange) -> None:
    if change.action == _DELETED:
        await draft.add(Gone(change.path))
        return
    try:
        content = msgspec.json.decode(change.content, type=str)
    except msgspec.MsgspecError:
        raise Invalid(f"The content of {change.path!r} is not a text.") from None
    await _add_content(draft, change.path, content)


async def _add_content(draft: Draft, path: str, content: str) -> None:
    """Base64, perhaps in lines; the client sends the pointer of a large file as its content."""
    data = upload.content(File(path, "".join(content.split()), "base64"))
    pointer = pointers.parse(data)
    if pointer is not None:
        await draft.add(LfsFile(path, pointer.oid, size=pointer.size))
    else:
        await draft.add_bytes(path, data)


async def _commit(
    call: Call, changes: Sequence[commits.Change], message: str, branch: str | None
) -> None:
    await commits.commit(
        call.core,
        call.actor,
        call.ref,
        changes,
        message or "Update files",
        branch=branch,
        must_exist=True,
    )


def _edit(
    change: Callable[[Draft, str, EditedFile], Awaitable[None]],
) -> Callable[[Call], Awaitable[None]]:
    """A handler that changes one file by a commit."""

    async def edit(call: Call) -> None:
        asked = await call.body(EditedFile)
        branch = await _branch(call, asked)
        async with drafting(call.core) as draft:
            await change(draft, call.name("path"), asked)
            message = asked.message or f"Change {call.name('path')}"
            await _commit(call, draft.changes, message, branch)

    return edit


async def _branch(call: Call, asked: EditedFile) -> str | None:
    """The branch to commit to, made if it is a new one."""
    start = await upload.branch(call, asked.branch or "main")
    if not asked.new_branch or asked.new_branch == (start or "main"):
        return start
    # It may be there already, or the commit will make it.
    with suppress(Conflict, EmptyRepoError):
        await commits.create_branch(call.core, call.actor, call.ref, asked.new_branch, start=start)
    return asked.new_branch


async def _write(draft: Draft, path: str, asked: EditedFile) -> None:
    if asked.origin_path and asked.origin_path != path:
        await draft.add(Gone(asked.origin_path))
    await _add_content(draft, path, asked.content)


async def _delete(draft: Draft, path: str, _asked: EditedFile) -> None:
    await draft.add(Gone(path))


async def upload_file(call: Call) -> None:
    """A file by a form: ``file_path``, ``branch``, ``message``, then ``file`` itself."""
    await _admit(call)
    if not call.request.content_type.startswith("multipart/"):
        raise Invalid("The body must be multipart/form-data.")
    fields: dict[str, str] = {}
    async with uploads.inbox(call.core, call.actor, call.ref) as box:
        try:
            async for part in ranges.parts(call.request):
                pieces = ranges.part(call.request, part)
                if part.name == "file":
                    path = fields.get("file_path", "").strip("/").removeprefix("./")
                    await box.take(path, _limited(pieces, call.core.config.push_limit))
                    break
                fields[part.name or ""] = await _field(pieces)
        except ValueError as error:
            raise Invalid("The form cannot be read.") from error
        if not box.files or not box.files[0].path:
            raise Invalid("The form must have file_path, and file as its last field.")
        path = box.files[0].path
        branch = await upload.branch(call, fields.get("branch") or "main")
        changes = await uploads.changes(call.core, call.actor, call.ref, branch, box.files)
        await _commit(call, changes, fields.get("message") or f"Upload {path}", branch)


async def _field(pieces: AsyncIterator[bytes]) -> str:
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > _MAX_FIELD:
            raise TooLarge("A field of the form is too large.")
    return data.decode("utf-8", "replace")


ENDPOINTS = [
    Endpoint("POST", REPO + "/preupload/{rev:.+}", preupload, "How files are to be sent"),
    Endpoint("POST", REPO + "/commit/{rev:.+}", commit, "Commit files"),
    Endpoint("POST", REPO + "/upload_file", upload_file, "Commit a file by a form"),
    Endpoint("POST", _RAW, _edit(_write), "Add a file, perhaps on a new branch"),
    Endpoint("PUT", _RAW, _edit(_write), "Change or move a file"),
    Endpoint("DELETE", _RAW, _edit(_delete), "Delete a file"),
]
