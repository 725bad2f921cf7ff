"""The answers of CSGHub's API as typed structs (csghub-server, ``common/types``)."""

from __future__ import annotations

import msgspec

from hubd.core.browse import CommitInfo
from hubd.http.hf.shapes import when


class Shape(msgspec.Struct, kw_only=True, frozen=True):
    """What the hub answers."""


class FilePlan(Shape, frozen=True, kw_only=True, rename="camel"):
    """How a file is to be sent; ``oid`` is what is there now, empty for nothing."""

    path: str
    upload_mode: str
    should_ignore: bool
    is_dir: bool = False
    oid: str


class CommitId(Shape, frozen=True, kw_only=True):
    """The commit that a ref leads to."""

    id: str


class Ref(Shape, frozen=True, kw_only=True):
    """A branch or tag."""

    name: str
    message: str = ""
    commit: CommitId


class Commit(Shape, frozen=True, kw_only=True):
    """A commit; dates are ISO 8601 in UTC."""

    id: str
    message: str
    created_at: str
    author_name: str
    author_email: str
    authored_date: str
    committer_name: str
    committer_email: str
    committer_date: str


class Resource(Shape, frozen=True, kw_only=True):
    """Hardware for Spaces."""

    id: int
    name: str
    resources: str = "{}"
    is_available: bool


def commit(info: CommitInfo) -> Commit:
    """A commit as CSGHub shows it."""
    return Commit(
        id=info.oid,
        message=f"{info.subject}\n\n{info.body}".strip(),
        created_at=when(info.committer.time),
        author_name=info.author.name,
        author_email=info.author.email,
        authored_date=when(info.author.time),
        committer_name=info.committer.name,
        committer_email=info.committer.email,
        committer_date=when(info.committer.time),
    )
