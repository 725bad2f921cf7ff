"""What is in a repository: folders, files, history."""

from __future__ import annotations

import base64

from aiohttp import web

from hubd.core import browse, listing
from hubd.core.browse import At, EmptyRepoError
from hubd.errors import Invalid
from hubd.http.csg.endpoint import REPO, Endpoint, Listed, Span
from hubd.http.csg.shapes import (
    Changed,
    Commit,
    CommitDetails,
    File,
    LastCommits,
    Tree,
    changed,
    commit,
    commit_details,
    file,
    last_commits,
)
from hubd.http.hf.endpoint import Call, at_revision
from hubd.http.hf.resolve import send_file

# With last commits a page takes a walk over the history.
_PAGE = 500
_FOLDER = "{path:(?:/.*)?}"


async def _at(call: Call) -> At:
    """The repository at the revision that ``ref`` names, by default at its default branch."""
    return await call.at(call.text("ref"))


async def get_folder(call: Call) -> list[File]:
    """A folder (``path``), with the last commit of each entry."""
    return (await _folder(call, call.text("ref"), call.text("path"))).files


async def get_tree(call: Call) -> Tree:
    """A folder in parts."""
    return await _folder(call, call.name("ref"), call.name("path"))


async def _folder(call: Call, revision: str, path: str) -> Tree:
    try:
        at = await call.at(revision)
    except EmptyRepoError:
        return Tree(files=[], cursor="")
    entries, after = await listing.page(
        call.core,
        at,
        path.strip("/"),
        after=call.text("cursor"),
        limit=max(1, call.number("limit", _PAGE, _PAGE)),
        with_commits=True,
    )
    return Tree(files=[file(entry) for entry in entries], cursor=after or "")


async def all_files(call: Call) -> list[File]:
    """All files, without folders."""
    found = await listing.files(call.core, await _at(call), with_sizes=True)
    return [file(entry) for entry in found]


async def get_blob(call: Call) -> File:
    """A file with its content as Git has it, if it is small."""
    blob = await browse.blob(call.core, await _at(call), call.name("path"))
    return file(blob.entry, base64.b64encode(blob.data or b"").decode())


async def get_raw(call: Call) -> str:
    """The text of a small file."""
    blob = await browse.blob(call.core, await _at(call), call.name("path"))
    if blob.text is None:
        raise Invalid("This is not a small text.", hint="Download it.")
    return blob.text


async def download(call: Call) -> web.StreamResponse:
    """The bytes of a file, of a large one those of its content."""
    return await send_file(call, await _at(call), call.name("path"))


async def commits(call: Call) -> Listed:
    """History, newest first."""
    span = Span.of(call)
    try:
        at = await _at(call)
    except EmptyRepoError:
        return Listed([], 0)
    found = await browse.commits(call.core, at, skip=span.start, limit=span.count)
    return Listed([commit(info) for info in found], await browse.commit_count(call.core, at))


async def last_commit(call: Call) -> Commit:
    """The newest commit."""
    return commit((await browse.commits(call.core, await _at(call), limit=1))[0])


async def get_commit(call: Call) -> CommitDetails:
    """A commit with what it changes."""
    at = await at_revision(call.core, call.actor, call.ref, call.name("sha"))
    _, info, diff = await browse.commit(call.core, call.actor, call.ref, at.commit)
    return commit_details(info, diff)


async def get_logs(call: Call) -> LastCommits:
    """The last commit of each entry of a folder, in parts."""
    return last_commits(await get_tree(call))


async def get_size(call: Call) -> int:
    """How many bytes all files at a branch have, large ones those of their content."""
    at = await call.at(call.name("branch"))
    return sum(entry.size or 0 for entry in await listing.files(call.core, at, with_sizes=True))


async def diff(call: Call) -> list[Changed]:
    """What differs from ``left_commit_id`` (none: all is new) to ``right_commit_id``."""
    new = await call.at(call.text("right_commit_id"))
    left = call.text("left_commit_id")
    old = await call.at(left) if left else None
    return [changed(await listing.differing(call.core, old, new))]


ENDPOINTS = [
    Endpoint("GET", REPO + "/tree", get_folder, "List a folder"),
    Endpoint("GET", REPO + "/refs/{ref}/tree" + _FOLDER, get_tree, "List a folder in parts"),
    Endpoint("GET", REPO + "/refs/{ref}/logs_tree" + _FOLDER, get_logs, "Last commits in a folder"),
    Endpoint("GET", REPO + "/size/{branch:.+}", get_size, "How many bytes the files have"),
    Endpoint("GET", REPO + "/diff", diff, "What differs between two commits"),
    Endpoint("GET", REPO + "/all_files", all_files, "List all files"),
    Endpoint("GET", REPO + "/blob/{path:.+}", get_blob, "A file with its content"),
    Endpoint("GET", REPO + "/raw/{path:.+}", get_raw, "The text of a file"),
    Endpoint("GET", REPO + "/download/{path:.+}", download, "The bytes of a file", rated=False),
    Endpoint("GET", REPO + "/resolve/{path:.+}", download, "The bytes of a file", rated=False),
    Endpoint("GET", REPO + "/commits", commits, "History"),
    Endpoint("GET", REPO + "/last_commit", last_commit, "The newest commit"),
    Endpoint("GET", REPO + "/commit/{sha}", get_commit, "A commit with what it changes"),
]
