"""Locks of Git LFS over HTTP (git-lfs ``docs/api/locking.md``)."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hubd.core import repos
from hubd.errors import Invalid
from hubd.http.context import core_of
from hubd.http.lfs_wire import of_repo, parse, reply
from hubd.http.smart import REPO
from hubd.lfs import locks
from hubd.types import Actor, RepoAction, RepoRef

_LOCKS = f"/{REPO}/info/lfs/locks"


class Ref(msgspec.Struct):
    """The branch that the client is on; told in full."""

    name: str = ""


class CreateRequest(msgspec.Struct):
    """The body of a creation."""

    path: str
    ref: Ref | None = None


class VerifyRequest(msgspec.Struct):
    """The body of the question before a push."""

    cursor: str | None = None
    limit: int = 0
    ref: Ref | None = None


class UnlockRequest(msgspec.Struct):
    """The body of an unlocking."""

    force: bool = False
    ref: Ref | None = None


def _rendered(lock: locks.Lock) -> dict[str, Any]:
    return {
        "id": str(lock.id),
        "path": lock.path,
        "locked_at": locks.time_text(lock),
        "owner": {"name": lock.owner},
    }


@of_repo
async def create(request: web.Request, actor: Actor, ref: RepoRef) -> web.StreamResponse:
    """Lock a path."""
    asked: CreateRequest = await parse(request, CreateRequest)
    core = core_of(request)
    repo = (await repos.find(core, actor, ref, RepoAction.PUSH)).repo
    branch = asked.ref.name if asked.ref else ""
    lock, created = await locks.create(core.lfs, actor, repo, asked.path, branch)
    body = {"lock": _rendered(lock)}
    if created:
        return reply(body, 201)
    return reply(body | {"message": locks.taken(lock)}, 409)


@of_repo
async def listing(request: web.Request, actor: Actor, ref: RepoRef) -> web.StreamResponse:
    """The locks that match; ``refspec`` narrows nothing, since locks hold on every branch."""
    query = request.query
    core = core_of(request)
    repo = (await repos.find(core, actor, ref, RepoAction.READ)).repo
    found = await locks.page(
        core.lfs,
        repo,
        path=query.get("path", ""),
        lock_id=query.get("id", ""),
        cursor=query.get("cursor", ""),
        limit=_limit(query.get("limit", "")),
    )
    return reply({"locks": [_rendered(lock) for lock in found.locks], **_more(found)})


def _limit(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise Invalid("The limit is a number.")
    return int(text[:9] or 0)


def _more(page: locks.Page) -> dict[str, str]:
    return {"next_cursor": page.next_cursor} if page.next_cursor else {}


@of_repo
async def verify(request: web.Request, actor: Actor, ref: RepoRef) -> web.StreamResponse:
    """Whose locks there are, for somebody who is about to push."""
    asked: VerifyRequest = await parse(request, VerifyRequest)
    core = core_of(request)
    repo = (await repos.find_for_upload(core, actor, ref)).repo
    found = await locks.page(core.lfs, repo, cursor=asked.cursor or "", limit=asked.limit)
    ours = [_rendered(lock) for lock in found.locks if lock.user_id == actor.user_id]
    theirs = [_rendered(lock) for lock in found.locks if lock.user_id != actor.user_id]
    return reply({"ours": ours, "theirs": theirs, **_more(found)})


@of_repo
async def unlock(request: web.Request, actor: Actor, ref: RepoRef) -> web.StreamResponse:
    """Unlock one's own path, or anybody's by force."""
    asked: UnlockRequest = await parse(request, UnlockRequest)
    core = core_of(request)
    repo = (await repos.find(core, actor, ref, RepoAction.PUSH)).repo
    lock_id = request.match_info["id"]
    lock = await locks.unlock(core.lfs, actor, repo, lock_id, force=asked.force)
    return reply({"lock": _rendered(lock)})


def routes() -> list[web.RouteDef]:
    """The addresses of locks."""
    return [
        web.post(_LOCKS, create),
        web.get(_LOCKS, listing, allow_head=False),
        web.post(f"{_LOCKS}/verify", verify),
        web.post(f"{_LOCKS}/{{id}}/unlock", unlock),
    ]
