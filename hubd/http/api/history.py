"""What happened in a repository: commits, differences, pushes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hubd.core import browse, push
from hubd.core.browse import CommitInfo, Diff, Person
from hubd.core.rows import Push
from hubd.http.api.endpoint import REPO, Call, Endpoint, Page
from hubd.http.api.shapes import (
    Answer,
    FilePath,
    Number,
    Request,
    RevisionText,
    Time,
    maybe_when,
    when,
)


class PersonAnswer(Answer, frozen=True, kw_only=True):
    """Whom a commit names; nobody has checked that."""

    name: str
    email: str
    at: Time


class CommitAnswer(Answer, frozen=True, kw_only=True):
    """A commit."""

    oid: str
    tree: str
    parents: list[str]
    author: PersonAnswer
    committer: PersonAnswer
    subject: str
    body: str


class CommitsQuery(Request, frozen=True, kw_only=True):
    """From which revision back, of which path, and which part of the list."""

    revision: RevisionText | None = None
    path: FilePath = ""
    after: Annotated[int, Meta(ge=0, le=10**9)] = 0
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class CommitDetail(Answer, frozen=True, kw_only=True):
    """A commit and what it changed against its first parent."""

    commit: CommitAnswer
    diff: Diff


class CompareQuery(Request, frozen=True, kw_only=True):
    """Two revisions."""

    base: RevisionText
    head: RevisionText


class CompareAnswer(Answer, frozen=True, kw_only=True):
    """What ``head`` has that ``base`` has not, since they parted at ``merge_base``."""

    base: str
    head: str
    merge_base: str | None
    ahead: int
    behind: int
    commits: Annotated[list[CommitAnswer], Meta(description="Of head, newest first, at most 100.")]
    diff: Diff


class MoveAnswer(Answer, frozen=True, kw_only=True):
    """A ref and the objects before and after; zeros for none."""

    ref: str
    old: str
    new: str


class PushAnswer(Answer, frozen=True, kw_only=True):
    """A push that was taken."""

    id: int
    actor: str
    channel: str
    started_at: Time
    finished_at: Time | None
    refs: list[MoveAnswer]


class PushesQuery(Request, frozen=True, kw_only=True):
    """Which part of the list."""

    after: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


def _person(person: Person) -> PersonAnswer:
    return PersonAnswer(name=person.name, email=person.email, at=when(person.time))


def commit_answer(info: CommitInfo) -> CommitAnswer:
    """A commit as the API shows it."""
    return CommitAnswer(
        oid=info.oid,
        tree=info.tree,
        parents=list(info.parents),
        author=_person(info.author),
        committer=_person(info.committer),
        subject=info.subject,
        body=info.body,
    )


def _push_answer(push_: Push) -> PushAnswer:
    return PushAnswer(
        id=push_.id,
        actor=push_.actor_name,
        channel=push_.channel,
        started_at=when(push_.created_at),
        finished_at=maybe_when(push_.finished_at),
        refs=[MoveAnswer(ref=m.ref, old=m.old, new=m.new) for m in push_.moves],
    )


async def list_commits(call: Call, query: CommitsQuery) -> Page[CommitAnswer]:
    """History from a revision back, newest first."""
    at = await browse.at(call.core, call.actor, call.ref, query.revision)
    found = await browse.commits(call.core, at, query.path, skip=query.after, limit=query.limit + 1)
    shown = [commit_answer(info) for info in found[: query.limit]]
    end = str(query.after + query.limit) if len(found) > query.limit else None
    return Page(shown, end)


async def get_commit(call: Call) -> CommitDetail:
    """One commit and what it changed."""
    _, info, diff = await browse.commit(call.core, call.actor, call.ref, call.names["oid"])
    return CommitDetail(commit=commit_answer(info), diff=diff)


async def compare(call: Call, query: CompareQuery) -> CompareAnswer:
    """Two revisions side by side."""
    found = await browse.compare(call.core, call.actor, call.ref, query.base, query.head)
    return CompareAnswer(
        base=found.base.commit,
        head=found.head.commit,
        merge_base=found.merge_base,
        ahead=found.ahead_count,
        behind=found.behind_count,
        commits=[commit_answer(info) for info in found.ahead],
        diff=found.diff,
    )


async def list_pushes(call: Call, query: PushesQuery) -> Page[PushAnswer]:
    """The pushes that were taken, newest first."""
    found, after = await push.history(
        call.core, call.actor, call.ref, before=query.after, limit=query.limit
    )
    return Page([_push_answer(item) for item in found], None if after is None else str(after))


ENDPOINTS = [
    Endpoint("GET", REPO + "/commits", list_commits, "List commits"),
    Endpoint("GET", REPO + "/commits/{oid}", get_commit, "Get a commit"),
    Endpoint("GET", REPO + "/compare", compare, "Compare two revisions"),
    Endpoint("GET", REPO + "/pushes", list_pushes, "List recorded pushes"),
]
