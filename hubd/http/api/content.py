"""What is in a repository: refs, folders, files."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import quote

from aiohttp import web
from msgspec import Meta

from hubd.core import browse, download
from hubd.http import ranges
from hubd.http.api.endpoint import REPO, Call, Endpoint, Page, Part, Stream, rate_headers
from hubd.http.api.history import CommitAnswer, commit_answer
from hubd.http.api.shapes import Answer, FilePath, Request, RevisionText, readable


class RefAnswer(Answer, frozen=True, kw_only=True):
    """A branch or tag, and the commit it leads to."""

    name: str
    ref: str
    kind: Literal["branch", "tag"]
    oid: str
    is_default: bool


class RefsQuery(Request, frozen=True, kw_only=True):
    """Which refs, and which part of the list."""

    kind: Literal["branch", "tag"] | None = None
    after: Annotated[int, Meta(ge=0, le=10**9)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class LfsAnswer(Answer, frozen=True, kw_only=True):
    """The file that a Git LFS pointer stands for."""

    oid: str
    size: int


class EntryAnswer(Answer, frozen=True, kw_only=True):
    """One line of a folder; ``size`` is that of the real file, also behind an LFS pointer."""

    name: str
    path: str
    kind: Literal["file", "folder", "link", "submodule"]
    mode: Annotated[str, Meta(description="As git writes it: 100644, 100755, 120000, …")]
    oid: str
    size: int | None
    lfs: LfsAnswer | None
    last_commit: CommitAnswer | None


class TreeAnswer(Answer, frozen=True, kw_only=True):
    """A part of a folder at one commit, folders first; ``total`` counts all entries."""

    revision: str
    commit: str
    path: str
    total: int
    entries: list[EntryAnswer]


class TreeQuery(Request, frozen=True, kw_only=True):
    """Which folder at which revision; none: the root at the default branch."""

    revision: RevisionText | None = None
    path: FilePath = ""
    commits: Annotated[bool, Meta(description="With the last commit of each entry.")] = False
    after: Annotated[int, Meta(ge=0, le=10**9)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class FileQuery(Request, frozen=True, kw_only=True):
    """Which file at which revision; none: at the default branch."""

    revision: RevisionText | None = None
    path: FilePath


class BlobAnswer(Answer, frozen=True, kw_only=True):
    """A file: its text, or its bytes in base64; neither above 1 MiB."""

    revision: str
    commit: str
    entry: EntryAnswer
    binary: bool
    text: str | None
    content: Annotated[bytes | None, Meta(description="Base64, if it is no text.")]


def _entry_answer(entry: browse.Entry) -> EntryAnswer:
    return EntryAnswer(
        name=readable(entry.name),
        path=readable(entry.path),
        kind=entry.kind,  # type: ignore[arg-type]
        mode=f"{entry.mode:06o}",
        oid=entry.oid,
        size=entry.size,
        lfs=LfsAnswer(oid=entry.lfs.oid, size=entry.lfs.size) if entry.lfs else None,
        last_commit=commit_answer(entry.last) if entry.last else None,
    )


async def list_refs(call: Call, query: RefsQuery) -> Page[RefAnswer]:
    """The branches, default first, and the tags."""
    found = await browse.refs(call.core, call.actor, call.ref)
    kinds = {"branch": found.branches, "tag": found.tags}
    chosen = [
        (kind, info)
        for kind, infos in kinds.items()
        for info in infos
        if query.kind in {None, kind}
    ]
    end = query.after + query.limit
    shown = [
        RefAnswer(
            name=info.name,
            ref=info.ref,
            kind=kind,  # type: ignore[arg-type]
            oid=info.oid,
            is_default=info.is_default,
        )
        for kind, info in chosen[query.after : end]
    ]
    return Page(shown, str(end) if len(chosen) > end else None)


async def get_tree(call: Call, query: TreeQuery) -> Part[TreeAnswer]:
    """A folder at a revision."""
    at = await browse.at(call.core, call.actor, call.ref, query.revision)
    page = await browse.tree(
        call.core,
        at,
        query.path,
        offset=query.after,
        limit=query.limit,
        with_commits=query.commits,
    )
    answer = TreeAnswer(
        revision=at.revision,
        commit=at.commit,
        path=query.path.strip("/"),
        total=page.total,
        entries=[_entry_answer(entry) for entry in page.entries],
    )
    end = page.offset + len(page.entries)
    return Part(answer, str(end) if page.entries and end < page.total else None)


async def get_blob(call: Call, query: FileQuery) -> BlobAnswer:
    """A file at a revision, to look at."""
    at = await browse.at(call.core, call.actor, call.ref, query.revision)
    blob = await browse.blob(call.core, at, query.path)
    return BlobAnswer(
        revision=at.revision,
        commit=at.commit,
        entry=_entry_answer(blob.entry),
        binary=blob.is_binary,
        text=blob.text,
        content=blob.data if blob.text is None else None,
    )


class RawQuery(FileQuery, frozen=True, kw_only=True):
    """Which file at which revision; none: at the default branch."""

    pointer: Annotated[bool, Meta(description="An LFS pointer as such, as Git has it.")] = False


async def get_raw(call: Call, query: RawQuery) -> Stream:
    """The bytes of a file at a revision, also behind an LFS pointer; a download, never a page."""
    at = await browse.at(call.core, call.actor, call.ref, query.revision)
    file = await download.open_file(call.core, at, query.path, pointer=query.pointer)
    headers = _download_headers(call.request, file.entry, at.commit)
    return Stream(await ranges.send(call.request, ranges.Bytes.of(file), headers))


def _download_headers(request: web.Request, entry: browse.Entry, commit: str) -> dict[str, str]:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", entry.name)
    encoded = quote(readable(entry.name), safe="")
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}",
        # Files are people's, not ours: whatever opens one here must not run it.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Type": "application/octet-stream",
        "X-Hubd-Commit": commit,
        "Cache-Control": "no-store",
        **rate_headers(request),
    }


ENDPOINTS = [
    Endpoint("GET", REPO + "/refs", list_refs, "List branches and tags"),
    Endpoint("GET", REPO + "/tree", get_tree, "List a folder"),
    Endpoint("GET", REPO + "/blob", get_blob, "Get a file"),
    Endpoint("GET", REPO + "/raw", get_raw, "Download a file"),
]
