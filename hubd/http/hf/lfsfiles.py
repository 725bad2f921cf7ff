"""The large files of a repository: to find, to remove, to give to another."""

from __future__ import annotations

import msgspec

from hubd.core import lfsfiles
from hubd.errors import Invalid, NotBuilt
from hubd.http.api.shapes import readable
from hubd.http.hf.endpoint import PAGE, REPO, Call, Endpoint, Page
from hubd.http.hf.shapes import Shape, when
from hubd.types import RepoRef


class File(Shape, frozen=True, kw_only=True):
    """A large file; here its id is its SHA-256."""

    file_oid: str
    filename: str
    oid: str
    pushed_at: str
    size: int


class Deletions(msgspec.Struct, rename="camel"):
    """Ids of files, and whether commits are to forget them too."""

    sha: list[str]
    rewrite_history: bool = False


class ToDelete(msgspec.Struct):
    """What to remove."""

    deletions: Deletions


class Target(msgspec.Struct):
    """The repository that gets the files."""

    type: str
    name: str


class Named(msgspec.Struct):
    """A file, by its hash."""

    sha256: str


class ToShare(msgspec.Struct):
    """Files to give to another repository."""

    target: Target
    files: list[Named]


class Failure(Shape, frozen=True, kw_only=True):
    """A file that was not given, and why."""

    sha256: str
    error: str


class Shared(Shape, frozen=True, kw_only=True):
    """What became of the files."""

    failed: list[Failure]


async def list_files(call: Call) -> Page:
    """All large files, also those that only the history names."""
    limit = max(1, call.number("limit", PAGE, PAGE))
    found = await lfsfiles.listing(
        call.core, call.actor, call.ref, after=call.text("cursor"), limit=limit + 1
    )
    shown = [
        File(
            file_oid=one.oid,
            filename=readable(one.path),
            oid=one.oid,
            pushed_at=when(one.created_at),
            size=one.size,
        )
        for one in found[:limit]
    ]
    return Page(shown, found[limit - 1].oid if len(found) > limit else None)


async def delete_files(call: Call) -> None:
    """Remove large files for good; their pointers stay in the history."""
    asked = await call.body(ToDelete)
    if asked.deletions.rewrite_history:
        raise NotBuilt(
            "Removing files from the history is not possible on this hub yet.",
            hint="rewrite_history=False works.",
        )
    await lfsfiles.remove(call.core, call.actor, call.ref, asked.deletions.sha)


async def share(call: Call) -> Shared:
    """Give files to another repository, before a commit there names them."""
    asked = await call.body(ToShare)
    if len(asked.files) > PAGE:
        raise Invalid(f"At most {PAGE} files at once.")
    target = RepoRef.parse(asked.target.type, asked.target.name)
    oids = [one.sha256 for one in asked.files]
    missing = await lfsfiles.share(call.core, call.actor, call.ref, target, oids)
    return Shared(failed=[Failure(sha256=oid, error="This file is not here.") for oid in missing])


ENDPOINTS = [
    Endpoint("GET", REPO + "/lfs-files", list_files, "Large files"),
    Endpoint("POST", REPO + "/lfs-files/batch", delete_files, "Remove large files"),
    Endpoint(
        "POST", REPO + "/lfs-files/duplicate", share, "Give large files to another repository"
    ),
]
