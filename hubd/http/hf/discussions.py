"""Discussions and pull requests, as the Hub numbers and names them."""

from __future__ import annotations

from html import escape
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from hubd.core import discussions, pulls
from hubd.core.rows import Discussion, Event, row_id
from hubd.errors import Invalid
from hubd.http.hf.endpoint import REPO, Call, Endpoint
from hubd.http.hf.shapes import AVATAR, Shape, when
from hubd.types import RepoRef

_PAGE = 50
_MOST = 100
_KINDS = {"comment": "comment", "status": "status-change", "title": "title-change"}
_TYPES = {"": None, "all": None, "discussion": False, "pull_request": True}
_STATES = {"": None, "all": None, "open": True, "closed": False}


class By(Shape, frozen=True, kw_only=True):
    """Who wrote something."""

    name: str
    type: str = "user"
    avatar_url: str = AVATAR


class OfRepo(Shape, frozen=True, kw_only=True):
    """The repository of a discussion."""

    name: str
    type: str


class Story(Shape, frozen=True, kw_only=True):
    """Something that happened; ``data`` depends on the type."""

    id: str
    type: str
    created_at: str
    author: By
    data: dict[str, Any]


class Shown(Shape, frozen=True, kw_only=True):
    """A discussion or pull request; the last four with its details only."""

    num: int
    title: str
    status: str
    author: By
    created_at: str
    is_pull_request: bool
    pinned: bool
    locked: bool
    repo: OfRepo
    events: list[Story] | UnsetType = UNSET
    changes: dict[str, Any] | UnsetType = UNSET
    files_with_conflicts: list[str] | UnsetType = UNSET


class Listed(Shape, frozen=True, kw_only=True):
    """A part of the list; ``count`` of all."""

    count: int
    start: int
    discussions: list[Shown]
    num_closed_discussions: int = 0


class ToOpen(msgspec.Struct, rename="camel"):
    """What to start."""

    title: str
    description: str = ""
    pull_request: bool = False


class Words(msgspec.Struct):
    """What a client sends to change a discussion: one of these."""

    comment: str = ""
    content: str = ""
    title: str = ""
    status: str = ""


def _shown(ref: RepoRef, one: Discussion, **more: Any) -> Shown:
    return Shown(
        num=one.num,
        title=one.title,
        status=one.status,
        author=By(name=one.author),
        created_at=when(one.created_at),
        is_pull_request=one.is_pull,
        pinned=one.pinned,
        locked=one.locked,
        repo=OfRepo(name=ref.repo_id, type=ref.type.value),
        **more,
    )


def _story(event: Event, subjects: dict[str, str]) -> Story:
    kind = _KINDS.get(event.kind, event.kind)
    data: dict[str, Any] = dict(event.data)
    if event.kind == "push":
        kind, new = "commit", str(event.data.get("new", ""))
        data = {"oid": new, "subject": subjects.get(new, "")}
    elif event.kind == "comment":
        text = "" if event.hidden else event.body
        latest = {
            "raw": text,
            "html": f"<p>{escape(text)}</p>",
            "updatedAt": when(event.edited_at or event.created_at),
            "author": {"name": event.author},
        }
        data = {
            "edited": event.edited_at is not None,
            "hidden": event.hidden,
            "latest": latest,
            "history": [],
            "numEdits": event.edits,
        }
    return Story(
        id=row_id(event.id),
        type=kind,
        created_at=when(event.created_at),
        author=By(name=event.author),
        data=data,
    )


def _number(call: Call) -> int:
    return int(call.name("num"))


async def list_discussions(call: Call) -> Listed:
    """Discussions and pull requests, newest first; ``p`` counts pages from 0."""
    kind, state = call.text("type"), call.text("status")
    if kind not in _TYPES or state not in _STATES:
        raise Invalid("The type or status is not known.")
    limit = max(1, call.number("limit", _PAGE, _MOST))
    start = call.number("p", 0, 10**7) * limit
    found, count = await discussions.listing(
        call.core,
        call.actor,
        call.ref,
        is_pull=_TYPES[kind],
        live=_STATES[state],
        author=call.text("author"),
        start=start,
        limit=limit,
    )
    shown = [_shown(call.ref, one) for one in found]
    return Listed(count=count, start=start, discussions=shown)


async def open_discussion(call: Call) -> Shown:
    """Start a discussion, or a pull request that waits for commits."""
    asked = await call.body(ToOpen)
    start = pulls.open_pull if asked.pull_request else discussions.open_discussion
    made = await start(call.core, call.actor, call.ref, asked.title, asked.description)
    return _shown(call.ref, made)


async def get_discussion(call: Call) -> Shown:
    """One discussion with all that happened in it, and of a pull request what it would change."""
    where = (call.core, call.actor, call.ref, _number(call))
    _, one, events = await discussions.show(*where)
    more: dict[str, Any] = {}
    subjects: dict[str, str] = {}
    if one.is_pull:
        changes = await pulls.changes(*where)
        subjects = {commit.oid: commit.subject for commit in changes.commits}
        more["changes"] = {"base": one.base}
        if one.merge_oid:
            more["changes"]["mergeCommitId"] = one.merge_oid
        more["files_with_conflicts"] = list(changes.conflicts)
    more["events"] = [_story(event, subjects) for event in events]
    return _shown(call.ref, one, **more)


async def comment(call: Call) -> dict[str, Story]:
    """Say something."""
    asked = await call.body(Words)
    where = (call.core, call.actor, call.ref, _number(call))
    return {"newMessage": _story(await discussions.comment(*where, asked.comment), {})}


async def rename(call: Call) -> dict[str, Story]:
    """Give another title."""
    asked = await call.body(Words)
    where = (call.core, call.actor, call.ref, _number(call))
    return {"newTitle": _story(await discussions.rename(*where, asked.title), {})}


async def set_status(call: Call) -> dict[str, Story]:
    """Close or open, perhaps with a comment."""
    asked = await call.body(Words)
    where = (call.core, call.actor, call.ref, _number(call))
    done = await discussions.set_status(*where, asked.status, asked.comment)
    return {"newStatus": _story(done, {})}


async def merge(call: Call) -> dict[str, str]:
    """Bring a pull request's commits into its target."""
    asked = await call.body(Words)
    where = (call.core, call.actor, call.ref, _number(call))
    oid = await pulls.merge(*where)
    if asked.comment.strip():
        await discussions.comment(*where, asked.comment)
    return {"mergeCommitId": oid}


async def edit_comment(call: Call) -> dict[str, Story]:
    """Change what one said."""
    asked = await call.body(Words)
    where = (call.core, call.actor, call.ref, _number(call))
    done = await discussions.edit_comment(*where, int(call.name("comment"), 16), asked.content)
    return {"updatedComment": _story(done, {})}


async def hide_comment(call: Call) -> dict[str, Story]:
    """Take a comment out of sight for good."""
    where = (call.core, call.actor, call.ref, _number(call))
    done = await discussions.hide_comment(*where, int(call.name("comment"), 16))
    return {"updatedComment": _story(done, {})}


_ALL = REPO + "/discussions"
_ONE = _ALL + r"/{num:\d{1,9}}"
_COMMENT = _ONE + "/comment/{comment:[0-9a-f]{1,15}|0{9}[0-9a-f]{15}}"
ENDPOINTS = [
    Endpoint("GET", _ALL, list_discussions, "List discussions and pull requests"),
    Endpoint("POST", _ALL, open_discussion, "Start one"),
    Endpoint("GET", _ONE, get_discussion, "One with its events"),
    Endpoint("POST", _ONE + "/comment", comment, "Comment"),
    Endpoint("POST", _ONE + "/title", rename, "Rename"),
    Endpoint("POST", _ONE + "/status", set_status, "Close or open"),
    Endpoint("POST", _ONE + "/merge", merge, "Merge a pull request"),
    Endpoint("POST", _COMMENT + "/edit", edit_comment, "Change a comment"),
    Endpoint("POST", _COMMENT + "/hide", hide_comment, "Hide a comment"),
]
