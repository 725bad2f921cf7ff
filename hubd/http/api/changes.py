"""Changing a repository without a clone: commits, branches and tags."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from msgspec import Meta

from hubd.core import commits
from hubd.errors import Invalid
from hubd.http.api.endpoint import REPO, Call, Endpoint
from hubd.http.api.shapes import Answer, FilePath, Request
from hubd.types import RefName

_Oid = Annotated[str, Meta(pattern="^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
_RefText = Annotated[str, Meta(min_length=1, max_length=200)]


class Change(Request, frozen=True, kw_only=True):
    """One change to the tree: exactly what its ``op`` needs."""

    op: Literal["add", "delete", "delete_folder", "copy"]
    path: FilePath
    content: Annotated[
        str | None, Meta(description="add: the file's text, or its bytes in base64.")
    ] = None
    encoding: Literal["text", "base64"] = "text"
    executable: bool | None = None
    source: Annotated[FilePath | None, Meta(description="copy: where from.")] = None


class NewCommit(Request, frozen=True, kw_only=True):
    """What to commit, on which branch; ``parent`` is the commit you saw, if that matters."""

    message: Annotated[str, Meta(min_length=1, max_length=65536)]
    changes: Annotated[list[Change], Meta(min_length=1, max_length=10000)]
    branch: _RefText | None = None
    parent: _Oid | None = None


class NewRef(Request, frozen=True, kw_only=True):
    """A branch or tag to make at a commit."""

    kind: Literal["branch", "tag"]
    name: _RefText
    oid: _Oid


class RefChoice(Request, frozen=True, kw_only=True):
    """Which branch or tag."""

    kind: Literal["branch", "tag"]
    name: _RefText


class CommittedAnswer(Answer, frozen=True, kw_only=True):
    """The new commit; ``unchanged`` if the branch had this content already."""

    oid: str
    ref: str
    parent: str | None
    unchanged: bool


class MadeRefAnswer(Answer, frozen=True, kw_only=True):
    """The ref that was made."""

    ref: str
    oid: str


def _operation(change: Change) -> commits.Operation:
    if change.op == "delete":
        return commits.DeleteFile(change.path)
    if change.op == "delete_folder":
        return commits.DeleteFolder(change.path)
    if change.op == "copy":
        if change.source is None:
            raise Invalid("A copy needs a source.")
        return commits.CopyFile(change.source, change.path)
    if change.content is None:
        raise Invalid("An added file needs its content.")
    return commits.AddFile(
        change.path, _content(change.content, change.encoding), change.executable
    )


def _content(text: str, encoding: str) -> bytes:
    if encoding == "text":
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Invalid("The content is not base64.") from None


def _full_name(kind: str, name: str) -> RefName:
    return RefName.branch(name) if kind == "branch" else RefName.tag(name)


async def create_commit(call: Call, body: NewCommit) -> CommittedAnswer:
    """Commit changes to a branch, through the same checks as a push."""
    done = await commits.commit(
        call.core,
        call.actor,
        call.ref,
        [_operation(change) for change in body.changes],
        body.message,
        branch=body.branch,
        parent=body.parent,
    )
    return CommittedAnswer(oid=done.oid, ref=done.ref, parent=done.old, unchanged=done.unchanged)


async def create_ref(call: Call, body: NewRef) -> MadeRefAnswer:
    """Make a branch or tag."""
    name = _full_name(body.kind, body.name)
    await commits.create_ref(call.core, call.actor, call.ref, name, body.oid)
    return MadeRefAnswer(ref=str(name), oid=body.oid)


async def delete_ref(call: Call, query: RefChoice) -> None:
    """Delete a branch or tag."""
    name = _full_name(query.kind, query.name)
    await commits.delete_ref(call.core, call.actor, call.ref, name)


ENDPOINTS = [
    Endpoint("POST", REPO + "/commits", create_commit, "Commit", status=201, refusals=(422,)),
    Endpoint("POST", REPO + "/refs", create_ref, "Make a ref", status=201, refusals=(422,)),
    Endpoint("DELETE", REPO + "/refs", delete_ref, "Delete a ref", refusals=(422,)),
]
