"""Asking for the files of a gated repository."""

from __future__ import annotations

from aiohttp import web

from hubd.core import gates
from hubd.errors import HubError
from hubd.web.place import Place


async def show(place: Place) -> web.StreamResponse:
    """The form that the repository's card asks to fill in."""
    return await _page(place)


async def _page(place: Place, error: HubError | None = None) -> web.Response:
    form = await gates.form(place.visit.core, place.visit.actor, place.ref)
    return place.show(
        "ask_access.html",
        "",
        error.status if error else 200,
        ask=form,
        choices={field.name: [(one, one) for one in field.options] for field in form.fields},
        error=error,
    )


async def ask(place: Place) -> web.StreamResponse:
    """Send the form; a refusal is shown above it."""
    visit = place.visit
    answers = {
        name.removeprefix("field."): text
        for name, text in visit.form.items()
        if name.startswith("field.")
    }
    try:
        await gates.ask(visit.core, visit.actor, place.ref, answers)
    except HubError as error:
        return await _page(place, error)
    return visit.go(place.links.home, "saved")
