"""A copy of a repository, made from its page."""

from __future__ import annotations

from aiohttp import web

from hubd.core import duplicate
from hubd.errors import HubError
from hubd.types import RepoRef
from hubd.web.create import owners_of, visibility_of
from hubd.web.links import Links
from hubd.web.place import Place


async def show(place: Place) -> web.StreamResponse:
    """The form: under which name, and for whom."""
    place.visit.form = {
        "owner": place.visit.actor.name,
        "name": place.ref.name,
        "visibility": place.found.repo.visibility.value,
    }
    return await _page(place)


async def _page(place: Place, error: HubError | None = None) -> web.Response:
    return place.show(
        "duplicate.html",
        "duplicate",
        error.status if error else 200,
        owners=await owners_of(place.visit),
        error=error,
    )


async def make(place: Place) -> web.StreamResponse:
    """Make it, and show it."""
    visit = place.visit
    try:
        new = RepoRef.parse(place.ref.type, f"{visit.text('owner')}/{visit.text('name')}")
        made = await duplicate.duplicate(
            visit.core, visit.actor, place.ref, new, visibility=visibility_of(visit)
        )
    except HubError as error:
        return await _page(place, error)
    return visit.go(Links(made.repo.ref).home)
