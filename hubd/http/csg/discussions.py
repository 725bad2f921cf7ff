"""Discussions with their comments, as CSGHub numbers and names them.

Its clients name a discussion by a number of the whole hub (csghub-server,
``api/handler/discussion.go``); pull requests are among them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hubd.core import discussions
from hubd.core.rows import Discussion, Event
from hubd.errors import RepoNotFound
from hubd.http.csg.endpoint import REPO, Endpoint, Listed, Span
from hubd.http.csg.shapes import Shape
from hubd.http.hf.endpoint import Call, not_built
from hubd.http.hf.shapes import when
from hubd.types import RepoRef

_MAX_ROW = 2**53


class Author(Shape, frozen=True, kw_only=True):
    """Who wrote something."""

    id: int
    name: str
    avatar: str = ""


class Comment(Shape, frozen=True, kw_only=True):
    """What somebody said."""

    id: int
    content: str
    user: Author
    created_at: str


class Shown(Shape, frozen=True, kw_only=True):
    """A discussion."""

    id: int
    title: str
    user: Author
    comment_count: int
    created_at: str


class Some(Shape, frozen=True, kw_only=True):
    """A page of a repository's discussions."""

    discussions: list[Shown]


class Comments(Shape, frozen=True, kw_only=True):
    """A page of comments."""

    data: list[Comment]
    total: int


class WithComments(Shown, frozen=True, kw_only=True):
    """A discussion with a page of its comments."""

    comments: Comments


class Titled(msgspec.Struct):
    """A discussion to start, or its new title."""

    title: str


class Said(msgspec.Struct):
    """A comment."""

    content: str


def _facts(one: Discussion) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "user": Author(id=one.author_id, name=one.author),
        "created_at": when(one.created_at),
    }


def _shown(one: Discussion) -> Shown:
    return Shown(comment_count=one.comments, **_facts(one))


def _comment(event: Event) -> Comment:
    return Comment(
        id=event.id,
        content=event.body,
        user=Author(id=event.author_id, name=event.author),
        created_at=when(event.created_at),
    )


async def listing(call: Call) -> Listed:
    """A repository's discussions, newest first."""
    span = Span.of(call)
    found, total = await discussions.listing(
        call.core, call.actor, call.ref, start=span.start, limit=span.count
    )
    return Listed(Some(discussions=[_shown(one) for one in found]), total)


async def start(call: Call) -> Shown:
    """Start a discussion."""
    asked = await call.body(Titled)
    made = await discussions.open_discussion(call.core, call.actor, call.ref, asked.title, "")
    return _shown(made)


def _number(call: Call, part: str) -> int:
    number = int(call.name(part))
    if number > _MAX_ROW:
        raise RepoNotFound("Repository not found.")
    return number


async def _where(call: Call) -> tuple[RepoRef, int]:
    return await discussions.place(call.core, _number(call, "id"))


async def _page(call: Call) -> tuple[Discussion, Listed]:
    _, one, events = await discussions.show(call.core, call.actor, *await _where(call))
    said = [_comment(event) for event in discussions.comments(events)]
    return one, Span.of(call).part(said)


async def get(call: Call) -> WithComments:
    """One with its comments, oldest first."""
    one, page = await _page(call)
    said = Comments(data=page.items, total=page.total)
    return WithComments(comment_count=page.total, comments=said, **_facts(one))


async def rename(call: Call) -> None:
    """Give another title."""
    asked = await call.body(Titled)
    await discussions.rename(call.core, call.actor, *await _where(call), asked.title)


async def comments(call: Call) -> Listed:
    """The comments of one, oldest first."""
    return (await _page(call))[1]


async def comment(call: Call) -> Comment:
    """Say something."""
    asked = await call.body(Said)
    where = await _where(call)
    return _comment(await discussions.comment(call.core, call.actor, *where, asked.content))


async def edit(call: Call) -> None:
    """Change what one said."""
    asked = await call.body(Said)
    where = (*await _where(call), _number(call, "comment"))
    await discussions.edit_comment(call.core, call.actor, *where, asked.content)


async def hide(call: Call) -> None:
    """Take a comment out of sight for good."""
    where = (*await _where(call), _number(call, "comment"))
    await discussions.hide_comment(call.core, call.actor, *where)


_ALL = REPO + "/discussions"
_ONE = r"/discussions/{id:\d{1,18}}"
_COMMENT = _ONE + r"/comments/{comment:\d{1,18}}"
_KEPT = not_built("Discussions are closed but never deleted")
ENDPOINTS = [
    Endpoint("GET", _ALL, listing, "List discussions"),
    Endpoint("POST", _ALL, start, "Start a discussion"),
    Endpoint("GET", _ONE, get, "A discussion with its comments"),
    Endpoint("PUT", _ONE, rename, "Rename a discussion"),
    Endpoint("DELETE", _ONE, _KEPT, "Delete a discussion"),
    Endpoint("GET", _ONE + "/comments", comments, "Its comments"),
    Endpoint("POST", _ONE + "/comments", comment, "Comment"),
    Endpoint("PUT", _COMMENT, edit, "Change a comment"),
    Endpoint("DELETE", _COMMENT, hide, "Hide a comment"),
]
