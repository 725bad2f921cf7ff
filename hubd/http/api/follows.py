"""Following users and organizations."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from hubd.core import follows
from hubd.core.rows import Followed
from hubd.http.api.endpoint import Call, Endpoint, Page
from hubd.http.api.shapes import Answer, Mark, Request


class FollowedAnswer(Answer, frozen=True, kw_only=True):
    """A user or organization."""

    name: str
    full_name: str
    kind: Literal["user", "org"]


class FollowsQuery(Request, frozen=True, kw_only=True):
    """Which part of the list."""

    after: Annotated[Mark, Meta(pattern=r"^\d{1,9}$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


def _answer(one: Followed) -> FollowedAnswer:
    return FollowedAnswer(name=one.name, full_name=one.full_name, kind=one.kind)  # type: ignore[arg-type]


def _part(found: list[FollowedAnswer], start: int, limit: int) -> Page[FollowedAnswer]:
    return Page(found[:limit], str(start + limit) if len(found) > limit else None)


async def follow(call: Call) -> None:
    """Follow a user or organization."""
    await follows.follow(call.core, call.actor, call.names["namespace"], follows_it=True)


async def unfollow(call: Call) -> None:
    """Follow no longer."""
    await follows.follow(call.core, call.actor, call.names["namespace"], follows_it=False)


async def list_followers(call: Call, query: FollowsQuery) -> Page[FollowedAnswer]:
    """Who follows a user or organization."""
    start, name = int(query.after or 0), call.names["namespace"]
    found = await follows.followers(call.core, name, start=start, limit=query.limit + 1)
    return _part([_answer(one) for one in found], start, query.limit)


async def list_following(call: Call, query: FollowsQuery) -> Page[FollowedAnswer]:
    """Whom a user follows."""
    start, name = int(query.after or 0), call.names["user"]
    found = await follows.following(call.core, name, start=start, limit=query.limit + 1)
    return _part([_answer(one) for one in found], start, query.limit)


_ONE = "/follows/{namespace}"
ENDPOINTS = [
    Endpoint("PUT", _ONE, follow, "Follow somebody"),
    Endpoint("DELETE", _ONE, unfollow, "Follow somebody no longer"),
    Endpoint("GET", _ONE + "/followers", list_followers, "List followers"),
    Endpoint("GET", "/users/{user}/following", list_following, "List whom somebody follows"),
]
