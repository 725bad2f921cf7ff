"""Discussions and pull requests of a repository: the list, one with its story, and its forms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hubd.core import discussions, pulls, reviews
from hubd.core.context import Core
from hubd.core.rows import Discussion, Event
from hubd.errors import HubError, Invalid, NotFound
from hubd.types import Actor, RepoRef, Role
from hubd.web.account import number
from hubd.web.files import whole
from hubd.web.place import Place
from hubd.web.render import RENDERER, Document
from hubd.web.visit import problem

PAGE = 25
# So much of a long story is rendered at once.
EVENTS = 100
_MAX_SEARCH = 200
_KINDS = {"discussion": False, "pull": True}
_TABS = {"": "All", "discussion": "Discussions", "pull": "Pull requests"}


async def listing(place: Place) -> web.StreamResponse:
    """Open or closed ones, searched, a page at a time."""
    visit = place.visit
    search, kind = visit.query("search").strip()[:_MAX_SEARCH], visit.query("kind")
    closed, offset = visit.query("state") == "closed", whole(visit.query("offset"))
    find = partial(
        discussions.listing,
        visit.core,
        visit.actor,
        place.ref,
        is_pull=_KINDS.get(kind),
        search=search,
    )
    found, total = await find(live=not closed, start=offset, limit=PAGE)
    _, others = await find(live=closed, limit=0)
    base = place.links.at("discussions")

    def address(**more: str) -> str:
        fields = {"search": search, "kind": kind if kind in _KINDS else "", **more}
        text = urlencode({name: value for name, value in fields.items() if value})
        return f"{base}?{text}" if text else base

    state = {"state": "closed"} if closed else {}
    following = offset + PAGE
    return place.show(
        "discussions.html",
        "discussions",
        found=found,
        search=search,
        kind=kind,
        closed=closed,
        states=[
            ("Open", others if closed else total, address(), not closed),
            ("Closed", total if closed else others, address(state="closed"), closed),
        ],
        kinds=[(words, address(kind=key, **state), key == kind) for key, words in _TABS.items()],
        next_page=address(offset=str(following), **state) if following < total else "",
        first=offset == 0,
        base=address(**state),
    )


async def show_new(place: Place) -> web.StreamResponse:
    """The form for a new discussion, or with ``pull`` a pull request."""
    visit = place.visit
    visit.form = {
        "pull": visit.query("pull"),
        "base": visit.query("base") or place.found.repo.default_branch,
        "head": visit.query("head"),
    }
    return await _new(place)


async def _new(
    place: Place, error: HubError | None = None, preview: Document | None = None
) -> web.Response:
    return place.show(
        "discussion_new.html",
        "discussions",
        preview=preview,
        **(await place.revisions() if place.visit.text("pull") else {}),
        **(problem(error) if error else {}),
    )


async def new(place: Place) -> web.StreamResponse:
    """Open it; a refusal or a preview shows the form again with all that was typed."""
    visit = place.visit
    where = (visit.core, visit.actor, place.ref)
    title, body = visit.text("title"), visit.form.get("body", "")
    if visit.text("action") == "preview":
        return await _new(place, preview=await _rendered(place, body))
    try:
        if visit.text("pull"):
            made = await pulls.open_pull(
                *where, title, body, base=visit.text("base"), head=visit.text("head") or None
            )
        else:
            made = await discussions.open_discussion(*where, title, body)
    except HubError as error:
        return await _new(place, error)
    return visit.go(place.links.discussion(made.num))


async def show(place: Place) -> web.StreamResponse:
    """One, with all that happened in it."""
    return await _one(place)


async def _one(
    place: Place, error: HubError | None = None, preview: Document | None = None
) -> web.Response:
    visit, num = place.visit, _number(place)
    _, one, events = await discussions.show(visit.core, visit.actor, place.ref, num)
    offset = whole(visit.query("offset"))
    shown = events[offset : offset + EVENTS]
    following, base = offset + EVENTS, place.links.discussion(num)
    return place.show(
        "discussion.html",
        "discussions",
        one=one,
        part="",
        story=await _story(place, shown),
        preview=preview,
        editing=whole(visit.query("edit")),
        # What is offered; the core decides.
        steers=place.found.role >= Role.WRITE or one.author_id == visit.actor.user_id,
        next_page=f"{base}?offset={following}" if following < len(events) else "",
        first=offset == 0,
        base=base,
        **(await _outlook(place, one)),
        **(problem(error) if error else {}),
    )


async def _outlook(place: Place, one: Discussion) -> dict[str, Any]:
    """Of a pull request: whether it can be merged, or why that cannot be said."""
    if not one.is_pull or not one.is_live:
        return {"outlook": None, "obstacle": None}
    try:
        found = await pulls.outlook(place.visit.core, place.found, one)
    except NotFound as error:
        return {"outlook": None, "obstacle": error}
    return {"outlook": found, "obstacle": None}


async def _story(place: Place, events: Sequence[Event]) -> list[tuple[Event, Document | None]]:
    """The events, with the text of each that has one."""
    texts = [e.body for e in events if e.body]
    made = iter(await asyncio.gather(*(_rendered(place, text) for text in texts)))
    return [(event, next(made) if event.body else None) for event in events]


async def _rendered(place: Place, text: str) -> Document:
    """Markdown whose relative links lead to the default branch."""
    branch = place.found.repo.default_branch
    return await place.visit.request.config_dict[RENDERER].markdown(
        text,
        folder="",
        blob=place.links.at("blob", branch) + "/",
        raw=place.links.at("raw", branch) + "/",
    )


async def changes(place: Place) -> web.StreamResponse:
    """The commits of a pull request and their difference, with what is said about its lines."""
    return await _changes(place)


async def _changes(
    place: Place, error: HubError | None = None, preview: Document | None = None
) -> web.Response:
    visit, where = place.visit, _where(place)
    _, one, _ = await discussions.show(*where)
    found = await pulls.changes(*where)
    said = await reviews.line_comments(*where, found)
    return place.show(
        "pull_changes.html",
        "discussions",
        one=one,
        part="changes",
        commits=found.commits,
        diff=found.diff,
        base_oid=found.merge_base,
        head_oid=found.head_oid,
        threads={spot: await _story(place, events) for spot, events in said.at.items()},
        outdated=await _story(place, said.outdated),
        preview=preview,
        spot_of=reviews.Spot,
        # The line whose form is open.
        writing=_spot(visit.form if visit.text("line") else visit.request.query),
        **(problem(error) if error else {}),
    )


def _spot(fields: Mapping[str, str]) -> reviews.Spot:
    return reviews.Spot(
        fields.get("side", ""), fields.get("path", ""), whole(fields.get("line", ""))
    )


async def comment_line(place: Place) -> web.StreamResponse:
    """Say something about a line, or give a verdict; a refusal keeps what was typed."""
    visit, body = place.visit, place.visit.form.get("body", "")
    where, head = _where(place), visit.text("head")
    if visit.text("action") == "preview":
        return await _changes(place, preview=await _rendered(place, body))
    try:
        if visit.text("line"):
            event = await reviews.comment_line(*where, head, _spot(visit.form), body)
            target = place.links.discussion(where[3], "changes")
        else:
            event = await reviews.review(*where, visit.text("action"), head, body)
            target = place.links.discussion(where[3])
    except HubError as error:
        return await _changes(place, error)
    return visit.go(f"{target}#event-{event.id}")


def _number(place: Place) -> int:
    return int(place.visit.request.match_info["num"])


async def change(place: Place) -> web.StreamResponse:
    """One of the page's forms; a refusal is shown with all that was typed."""
    visit, action = place.visit, place.visit.text("action")
    if action == "preview":
        return await _one(place, preview=await _rendered(place, visit.form.get("body", "")))
    made = _CHANGES.get(action)
    try:
        if made is None:
            raise Invalid("The form has no known action.")
        event = await made(place)
    except HubError as error:
        return await _one(place, error)
    target = visit.go(place.links.discussion(_number(place)))
    if event is not None:
        target.headers["Location"] += f"#event-{event.id}"
    return target


async def _comment(place: Place) -> Event:
    visit = place.visit
    return await discussions.comment(*_where(place), visit.form.get("body", ""))


async def _edit(place: Place) -> Event:
    visit = place.visit
    return await discussions.edit_comment(
        *_where(place), number(visit, "event"), visit.form.get("body", "")
    )


async def _hide(place: Place) -> Event:
    return await discussions.hide_comment(*_where(place), number(place.visit, "event"))


async def _rename(place: Place) -> Event:
    return await discussions.rename(*_where(place), place.visit.text("title"))


async def _close(place: Place) -> Event:
    return await discussions.set_status(*_where(place), "closed", place.visit.form.get("body", ""))


async def _reopen(place: Place) -> Event:
    return await discussions.set_status(*_where(place), "open", place.visit.form.get("body", ""))


async def _pin(place: Place) -> Event:
    return await discussions.set_pinned(*_where(place), pinned=place.visit.text("on") == "1")


async def _lock(place: Place) -> Event:
    return await discussions.set_locked(*_where(place), locked=place.visit.text("on") == "1")


async def _merge(place: Place) -> None:
    visit = place.visit
    await pulls.merge(*_where(place), how=visit.text("how"), message=visit.text("message"))


def _where(place: Place) -> tuple[Core, Actor, RepoRef, int]:
    return place.visit.core, place.visit.actor, place.ref, _number(place)


_CHANGES: dict[str, Callable[[Place], Awaitable[Event | None]]] = {
    "comment": _comment,
    "edit": _edit,
    "hide": _hide,
    "rename": _rename,
    "close": _close,
    "reopen": _reopen,
    "pin": _pin,
    "lock": _lock,
    "merge": _merge,
}
