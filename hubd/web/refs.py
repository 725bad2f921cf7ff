"""Branches and tags of a repository, and two of them compared."""

from __future__ import annotations

from aiohttp import web

from hubd.core import browse, commits
from hubd.errors import HubError, Invalid
from hubd.web.files import whole
from hubd.web.place import Place
from hubd.web.visit import problem

REFS = 200


async def branches(place: Place) -> web.StreamResponse:
    """Branches and tags, searched and paged."""
    return await _branches(place)


async def _branches(place: Place, error: HubError | None = None) -> web.Response:
    known = await browse.refs(place.visit.core, place.visit.actor, place.ref)
    words = place.visit.query("search").strip()[:200].lower()
    offset = whole(place.visit.query("offset"))
    every = [
        (kind, info)
        for kind, infos in (("branch", known.branches), ("tag", known.tags))
        for info in infos
        if words in info.name.lower()
    ]
    shown = every[offset : offset + REFS]
    following = offset + REFS
    query = f"&search={words}" if words.isascii() and words.isalnum() else ""
    base = place.links.at("branches")
    return place.show(
        "branches.html",
        "branches",
        branches=[info for kind, info in shown if kind == "branch"],
        tags=[info for kind, info in shown if kind == "tag"],
        search=words,
        totals=(len(known.branches), len(known.tags)),
        next_page=f"{base}?offset={following}{query}" if following < len(every) else "",
        first=offset == 0,
        base=base,
        default=place.found.repo.default_branch,
        **(problem(error) if error else {}),
    )


async def change(place: Place) -> web.StreamResponse:
    """Make or delete a branch or a tag."""
    visit = place.visit
    where = (visit.core, visit.actor, place.ref)
    action, name, start = visit.text("action"), visit.text("name"), visit.text("start") or None
    try:
        if action == "branch":
            await commits.create_branch(*where, name, start=start)
        elif action == "tag":
            message = visit.form.get("message", "")
            await commits.create_tag(*where, name, start=start, message=message)
        elif action == "delete":
            await commits.delete_ref(*where, visit.text("ref"))
        else:
            raise Invalid("The form has no known action.")
    except HubError as error:
        return await _branches(place, error)
    return visit.go(place.links.at("branches"), "saved")


async def compare(place: Place) -> web.StreamResponse:
    """Two revisions: the commits that one has more, and the difference."""
    visit, branch = place.visit, place.found.repo.default_branch
    base, head = visit.query("base") or branch, visit.query("head") or branch
    found = await browse.compare(visit.core, visit.actor, place.ref, base, head)
    return place.show(
        "compare.html",
        "branches",
        found=found,
        diff=found.diff,
        base_oid=found.merge_base or found.base.commit,
        head_oid=found.head.commit,
        **await place.revisions(),
    )
