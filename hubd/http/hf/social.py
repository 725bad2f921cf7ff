"""Likes, and cards judged before they are committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from hubd.core import cards, follows, overview
from hubd.core.rows import Followed
from hubd.errors import Invalid
from hubd.http.api.endpoint import json_response
from hubd.http.hf.endpoint import REPO, Call, Endpoint, Page
from hubd.http.hf.shapes import LikedRepo, Person, when
from hubd.types import RepoType

_PAGE = 100


class CardToCheck(msgspec.Struct, rename="camel"):
    """The text of a README.md, and of what."""

    content: str
    repo_type: str | None = None


async def like(call: Call) -> None:
    """Like a repository."""
    await overview.like(call.core, call.actor, call.ref, likes_it=True)


async def unlike(call: Call) -> None:
    """Like it no longer."""
    await overview.like(call.core, call.actor, call.ref, likes_it=False)


def part(call: Call) -> tuple[int, int]:
    """Where a part of a list begins, and its length."""
    return call.number("cursor", 0, 10**9), max(1, call.number("limit", _PAGE, 1000))


def page(items: list[Any], start: int, limit: int) -> Page:
    """A part of a list, of which one more item than the limit was asked for."""
    return Page(items[:limit], str(start + limit) if len(items) > limit else None)


async def likers(call: Call) -> Page:
    """Who likes a repository."""
    start, limit = part(call)
    found = await overview.likers(call.core, call.actor, call.ref, start=start, limit=limit + 1)
    people = [Person(user=one.name, fullname=one.full_name or one.name) for one in found]
    return page(people, start, limit)


async def liked(call: Call) -> Page:
    """What a user likes."""
    start, limit = part(call)
    name = call.name("user")
    found = await overview.liked(call.core, call.actor, name, start=start, limit=limit + 1)
    shown = [
        LikedRepo(
            repo={"name": f"{one.namespace}/{one.name}", "type": one.type.value},
            created_at=when(one.created_at),
        )
        for one in found
    ]
    return page(shown, start, limit)


def _people(found: Sequence[Followed]) -> list[Person]:
    return [
        Person(user=one.name, fullname=one.full_name or one.name, type=one.kind) for one in found
    ]


async def followers(call: Call) -> Page:
    """Who follows a user or organization."""
    start, limit = part(call)
    found = await follows.followers(call.core, call.name("who"), start=start, limit=limit + 1)
    return page(_people(found), start, limit)


async def following(call: Call) -> Page:
    """Which users a user follows."""
    start, limit = part(call)
    name = call.name("who")
    found = await follows.following(call.core, name, kind="user", start=start, limit=limit + 1)
    return page(_people(found), start, limit)


async def follow(call: Call) -> None:
    """Follow a user or organization."""
    await follows.follow(call.core, call.actor, call.name("who"), follows_it=True)


async def unfollow(call: Call) -> None:
    """Follow no longer."""
    await follows.follow(call.core, call.actor, call.name("who"), follows_it=False)


async def validate_yaml(call: Call) -> web.Response:
    """Judge the head of a README.md; 400 with errors."""
    asked = await call.body(CardToCheck)
    try:
        kind = RepoType(asked.repo_type or "model")
    except ValueError:
        raise Invalid("The repoType is model, dataset or space.") from None
    verdict = cards.validate(asked.content, kind)
    body = {
        "errors": [{"message": text} for text in verdict.errors],
        "warnings": [{"message": text} for text in verdict.warnings],
    }
    return json_response(body, 400 if verdict.errors else 200)


_WHO = "/api/{kind:users|organizations}/{who}"
ENDPOINTS = [
    Endpoint("POST", REPO + "/like", like, "Like"),
    Endpoint("DELETE", REPO + "/like", unlike, "Like no longer"),
    Endpoint("GET", REPO + "/likers", likers, "Who likes it"),
    Endpoint("GET", "/api/users/{user}/likes", liked, "What a user likes"),
    Endpoint("GET", _WHO + "/followers", followers, "Who follows"),
    Endpoint("GET", "/api/users/{who}/following", following, "Whom a user follows"),
    Endpoint("POST", _WHO + "/follow", follow, "Follow"),
    Endpoint("DELETE", _WHO + "/follow", unfollow, "Follow no longer"),
    Endpoint("POST", "/api/validate-yaml", validate_yaml, "Judge a card"),
]
