"""Discussions and pull requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from hubd.core import discussions, pulls, reviews
from hubd.core.browse import Diff
from hubd.core.rows import Discussion, Event
from hubd.http.api.endpoint import REPO, Call, Endpoint, Page
from hubd.http.api.history import CommitAnswer, commit_answer
from hubd.http.api.shapes import Answer, Mark, Request, RevisionText, Time, maybe_when, when

Title = Annotated[str, Meta(min_length=1, max_length=discussions.MAX_TITLE)]
Body = Annotated[str, Meta(max_length=discussions.MAX_BODY)]
Text = Annotated[str, Meta(min_length=1, max_length=discussions.MAX_BODY)]
_PAGE = 50


class DiscussionAnswer(Answer, frozen=True, kw_only=True):
    """A discussion, or a pull request into the branch ``base``; both share one numbering."""

    num: int
    title: str
    is_pull: bool
    status: Literal["open", "closed", "merged", "draft"]
    author: str
    pinned: bool
    locked: bool
    base: str | None
    ref: str | None
    merge_commit: str | None
    comments: int
    created_at: Time
    updated_at: Time


class EventAnswer(Answer, frozen=True, kw_only=True):
    """Something that happened; ``data`` depends on the kind."""

    id: int
    kind: Literal["comment", "status", "title", "push", "pin", "lock", "review"]
    author: str
    body: str
    data: dict[str, Any]
    created_at: Time
    edited_at: Time | None
    hidden: bool


class StoryAnswer(Answer, frozen=True, kw_only=True):
    """A discussion and all that happened in it, oldest first."""

    discussion: DiscussionAnswer
    events: list[EventAnswer]


class ChangesAnswer(Answer, frozen=True, kw_only=True):
    """What a pull request brings; it can be merged when nothing is in conflict."""

    base_commit: str
    head_commit: str
    commits: list[CommitAnswer]
    diff: Diff
    conflicts: list[str]


class ToOpen(Request, frozen=True, kw_only=True):
    """A discussion to start."""

    title: Title
    body: Body = ""


class PullToOpen(ToOpen, frozen=True, kw_only=True):
    """A pull request; without ``head`` it waits for commits at its ref."""

    base: RevisionText | None = None
    head: RevisionText | None = None


class Comment(Request, frozen=True, kw_only=True):
    """What is said, in Markdown."""

    body: Text


class Line(Request, frozen=True, kw_only=True):
    """A line of a pull request's difference, looked at while ``head_commit`` was its last commit.

    ``old`` counts lines that go, ``new`` those that come or stay.
    """

    head_commit: RevisionText
    side: Literal["old", "new"] = "new"
    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    line: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class LineComment(Line, frozen=True, kw_only=True):
    """What is said about a line, in Markdown."""

    body: Text


class PlacedComment(Answer, frozen=True, kw_only=True):
    """A comment on a line: where it stands in the present difference; ``outdated``: nowhere."""

    side: Literal["old", "new"]
    path: str
    line: int
    outdated: bool
    comment: EventAnswer


class Review(Request, frozen=True, kw_only=True):
    """A verdict on the commits up to ``head_commit``; a request for changes says which."""

    verdict: Literal["approve", "request_changes"]
    head_commit: RevisionText
    body: Body = ""


class Change(Request, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    title: Title | None = None
    status: Literal["open", "closed"] | None = None
    pinned: bool | None = None
    locked: bool | None = None


class Merge(Request, frozen=True, kw_only=True):
    """How to bring the commits into the target."""

    how: Literal["merge", "squash"] = "merge"
    message: Body = ""


class Merged(Answer, frozen=True, kw_only=True):
    """The commit that the target is at now."""

    commit: str


class Wanted(Request, frozen=True, kw_only=True):
    """Which discussions."""

    kind: Literal["all", "discussion", "pull"] = "all"
    status: Literal["all", "open", "closed"] = "open"
    author: Annotated[str, Meta(max_length=96)] = ""
    after: Mark = ""


def _answer(one: Discussion) -> DiscussionAnswer:
    return DiscussionAnswer(
        num=one.num,
        title=one.title,
        is_pull=one.is_pull,
        status=one.status,  # type: ignore[arg-type]
        author=one.author,
        pinned=one.pinned,
        locked=one.locked,
        base=one.base.removeprefix("refs/heads/") or None,
        ref=one.ref if one.is_pull else None,
        merge_commit=one.merge_oid or None,
        comments=one.comments,
        created_at=when(one.created_at),
        updated_at=when(one.updated_at),
    )


def _event(one: Event) -> EventAnswer:
    return EventAnswer(
        id=one.id,
        kind=one.kind,  # type: ignore[arg-type]
        author=one.author,
        body=one.body,
        data=one.data,
        created_at=when(one.created_at),
        edited_at=maybe_when(one.edited_at),
        hidden=one.hidden,
    )


async def list_discussions(call: Call, query: Wanted) -> Page[DiscussionAnswer]:
    """Discussions and pull requests, newest first."""
    start = int(query.after) if query.after.isdigit() and len(query.after) < 10 else 0  # noqa: PLR2004
    found, count = await discussions.listing(
        call.core,
        call.actor,
        call.ref,
        is_pull={"all": None, "discussion": False, "pull": True}[query.kind],
        live={"all": None, "open": True, "closed": False}[query.status],
        author=query.author,
        start=start,
        limit=_PAGE,
    )
    more = str(start + _PAGE) if start + len(found) < count else None
    return Page([_answer(one) for one in found], more)


async def open_discussion(call: Call, body: ToOpen) -> DiscussionAnswer:
    """Start a discussion."""
    made = await discussions.open_discussion(call.core, call.actor, call.ref, body.title, body.body)
    return _answer(made)


async def open_pull(call: Call, body: PullToOpen) -> DiscussionAnswer:
    """Ask for a merge."""
    made = await pulls.open_pull(
        call.core, call.actor, call.ref, body.title, body.body, base=body.base, head=body.head
    )
    return _answer(made)


async def get_discussion(call: Call) -> StoryAnswer:
    """One discussion with its events."""
    return await _story(call)


async def _story(call: Call) -> StoryAnswer:
    _, one, events = await discussions.show(call.core, call.actor, call.ref, call.num)
    return StoryAnswer(discussion=_answer(one), events=[_event(event) for event in events])


async def change_discussion(call: Call, body: Change) -> DiscussionAnswer:
    """Rename, close, open, pin or lock."""
    where = (call.core, call.actor, call.ref, call.num)
    if body.title is not None:
        await discussions.rename(*where, body.title)
    if body.pinned is not None:
        await discussions.set_pinned(*where, pinned=body.pinned)
    if body.locked is not None:
        await discussions.set_locked(*where, locked=body.locked)
    if body.status is not None:
        await discussions.set_status(*where, body.status)
    return (await _story(call)).discussion


async def add_comment(call: Call, body: Comment) -> EventAnswer:
    """Say something."""
    return _event(await discussions.comment(call.core, call.actor, call.ref, call.num, body.body))


async def add_line_comment(call: Call, body: LineComment) -> EventAnswer:
    """Say something about a line of the difference."""
    spot = reviews.Spot(body.side, body.path, body.line)
    where = (call.core, call.actor, call.ref, call.num)
    return _event(await reviews.comment_line(*where, body.head_commit, spot, body.body))


async def list_line_comments(call: Call) -> list[PlacedComment]:
    """The comments on lines, oldest first; an outdated one keeps the place that it was made at."""
    where = (call.core, call.actor, call.ref, call.num)
    found = await reviews.line_comments(*where, await pulls.changes(*where))
    placed = [(spot, event, False) for spot, events in found.at.items() for event in events]
    placed += [
        (reviews.Spot(e.data["side"], e.data["path"], e.data["line"]), e, True)
        for e in found.outdated
    ]
    return [
        PlacedComment(
            side=spot.side,  # type: ignore[arg-type]
            path=spot.path,
            line=spot.line,
            outdated=outdated,
            comment=_event(event),
        )
        for spot, event, outdated in sorted(placed, key=lambda one: one[1].id)
    ]


async def add_review(call: Call, body: Review) -> EventAnswer:
    """Approve a pull request or ask for changes."""
    where = (call.core, call.actor, call.ref, call.num)
    return _event(await reviews.review(*where, body.verdict, body.head_commit, body.body))


async def get_changes(call: Call) -> ChangesAnswer:
    """What a pull request would bring."""
    found = await pulls.changes(call.core, call.actor, call.ref, call.num)
    return ChangesAnswer(
        base_commit=found.base_oid,
        head_commit=found.head_oid,
        commits=[commit_answer(one) for one in found.commits],
        diff=found.diff,
        conflicts=[name.encode("utf-8", "replace").decode() for name in found.conflicts],
    )


async def merge_pull(call: Call, body: Merge) -> Merged:
    """Merge a pull request, through the same checks as any push."""
    commit = await pulls.merge(
        call.core, call.actor, call.ref, call.num, how=body.how, message=body.message
    )
    return Merged(commit=commit)


HERE = REPO + "/discussions"
ONE = HERE + "/{num}"
ENDPOINTS = [
    Endpoint("GET", HERE, list_discussions, "List discussions and pull requests"),
    Endpoint("POST", HERE, open_discussion, "Start a discussion", status=201),
    Endpoint("POST", REPO + "/pulls", open_pull, "Open a pull request", status=201),
    Endpoint("GET", ONE, get_discussion, "Get a discussion"),
    Endpoint("PATCH", ONE, change_discussion, "Change a discussion"),
    Endpoint("POST", ONE + "/comments", add_comment, "Comment", status=201),
    Endpoint("GET", ONE + "/changes", get_changes, "Get a pull request's changes"),
    Endpoint("GET", ONE + "/lines", list_line_comments, "List comments on lines"),
    Endpoint("POST", ONE + "/lines", add_line_comment, "Comment on a line", status=201),
    Endpoint("POST", ONE + "/reviews", add_review, "Approve or ask for changes", status=201),
    Endpoint("POST", ONE + "/merge", merge_pull, "Merge a pull request"),
]
