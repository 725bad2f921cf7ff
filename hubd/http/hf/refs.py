"""Branches, tags, history."""

from __future__ import annotations

from contextlib import aclosing
from html import escape

import msgspec
from aiohttp import web
from msgspec import UNSET

from hubd.core import browse, commits
from hubd.core.browse import EmptyRepoError, RefInfo
from hubd.errors import Invalid, NotBuilt
from hubd.http.hf.endpoint import REPO, Call, Endpoint, Page, at_revision
from hubd.http.hf.shapes import Author, Commit, Formatted, Ref, Refs, when
from hubd.types import RefName

_COMMITS = 50
_MOST_COMMITS = 1000


class NewBranch(msgspec.Struct, rename="camel"):
    """A branch to make."""

    starting_point: str | None = None
    empty_branch: bool = False
    overwrite: bool = False


class NewTag(msgspec.Struct):
    """A tag to make."""

    tag: str
    message: str | None = None


class Squash(msgspec.Struct):
    """What the one commit is to say."""

    message: str | None = None


def _refs(infos: list[RefInfo]) -> list[Ref]:
    return [Ref(name=info.name, ref=info.ref, target_commit=info.oid) for info in infos]


async def list_refs(call: Call) -> Refs:
    """Branches, tags, conversions and, if asked for, pull requests."""
    found = await browse.refs(call.core, call.actor, call.ref)
    return Refs(
        branches=_refs(found.branches),
        converts=_refs(found.converts),
        tags=_refs(found.tags),
        pull_requests=_refs(found.pulls) if call.flag("include_prs") else UNSET,
    )


async def list_commits(call: Call) -> Page:
    """History, newest first."""
    skip, limit = call.number("cursor", 0, 10**9), call.number("limit", _COMMITS, _MOST_COMMITS)
    limit = max(1, limit)
    try:
        at = await call.at(call.name("rev"))
    except EmptyRepoError:
        return Page([], None)
    found = await browse.commits(call.core, at, skip=skip, limit=limit + 1)
    formatted = "formatted" in call.words("expand")
    shown = [_commit(info, formatted=formatted) for info in found[:limit]]
    return Page(shown, str(skip + limit) if len(found) > limit else None)


def _commit(info: browse.CommitInfo, *, formatted: bool) -> Commit:
    html = Formatted(title=escape(info.subject), message=escape(info.body))
    return Commit(
        id=info.oid,
        title=info.subject,
        message=info.body,
        date=when(info.committer.time),
        authors=[Author(user=info.author.name)],
        formatted=html if formatted else UNSET,
    )


async def compare(call: Call) -> web.StreamResponse:
    """What changed from one revision to another (``A..B``), as git prints it."""
    old, dots, new = call.name("range").partition("..")
    if not dots or not old or not new.lstrip("."):
        raise Invalid("Two revisions are compared as A..B.")
    left = await call.at(old)
    right = await at_revision(call.core, call.actor, call.ref, new.lstrip("."))
    pieces = browse.raw_diff(call.core, left, right)
    response = web.StreamResponse(headers={"X-Request-Id": call.request["request_id"]})
    response.content_type = "text/plain"
    response.charset = "utf-8"
    await response.prepare(call.request)
    async with aclosing(pieces):
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response


async def create_branch(call: Call) -> None:
    """Make a branch at a revision; 409 if it is there."""
    asked = await call.body(NewBranch)
    if asked.empty_branch:
        raise NotBuilt("Branches without a commit to start from are not made")
    start = (await call.at(asked.starting_point)).commit
    await commits.create_branch(
        call.core,
        call.actor,
        call.ref,
        call.name("branch"),
        start=start,
        overwrite=asked.overwrite,
    )


async def delete_branch(call: Call) -> None:
    """Delete a branch."""
    name = RefName.branch(call.name("branch"))
    await commits.delete_ref(call.core, call.actor, call.ref, name)


async def create_tag(call: Call) -> None:
    """Tag a revision; 409 if the tag is there."""
    asked = await call.body(NewTag)
    start = (await call.at(call.name("rev"))).commit
    await commits.create_tag(
        call.core, call.actor, call.ref, asked.tag, start=start, message=asked.message or ""
    )


async def delete_tag(call: Call) -> None:
    """Delete a tag."""
    name = RefName.tag(call.name("rev"))
    await commits.delete_ref(call.core, call.actor, call.ref, name)


async def super_squash(call: Call) -> dict[str, str]:
    """Replace a branch's history by one commit with the same files."""
    asked = await call.body(Squash)
    branch = call.name("rev")
    message = asked.message or f"Super-squash branch '{branch}'"
    done = await commits.squash(call.core, call.actor, call.ref, branch, message)
    return {"oid": done.oid}


ENDPOINTS = [
    Endpoint("GET", REPO + "/refs", list_refs, "Branches, tags, pull requests"),
    Endpoint("GET", REPO + "/commits/{rev}", list_commits, "History"),
    Endpoint("GET", REPO + "/compare/{range}", compare, "What changed, as a patch"),
    Endpoint("POST", REPO + "/branch/{branch}", create_branch, "Make a branch"),
    Endpoint("DELETE", REPO + "/branch/{branch}", delete_branch, "Delete a branch"),
    Endpoint("POST", REPO + "/tag/{rev}", create_tag, "Tag a revision"),
    Endpoint("DELETE", REPO + "/tag/{rev}", delete_tag, "Delete a tag"),
    Endpoint("POST", REPO + "/super-squash/{rev}", super_squash, "Make one commit of a history"),
]
