"""The first page and the lists: everything that a person may see, searched and filtered."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from hubd.core import orgs, overview, repos
from hubd.errors import Invalid
from hubd.types import RepoType, Wanted
from hubd.web.links import TYPE_PLURALS
from hubd.web.visit import Visit

PAGE = 30
_LISTS = {f"/{t.value}s": t for t in RepoType}
_MAX_SEARCH = 200
_MAX_TAG = 200
_SORTS = {
    "updated": "Recently updated",
    "likes": "Most likes",
    "created": "Newest",
    "name": "Name",
}


async def home(visit: Visit) -> web.Response:
    """Everything, newest first."""
    return await _list(visit, None)


async def of_type(visit: Visit) -> web.Response:
    """``/models``, ``/datasets``, ``/spaces``, ``/codes``."""
    return await _list(visit, _LISTS[visit.request.path])


async def _list(visit: Visit, repo_type: RepoType | None) -> web.Response:
    search, sort = _asked(visit)
    tag = visit.query("tag")[:_MAX_TAG]
    found, mark = await overview.listing(
        visit.core,
        visit.actor,
        Wanted(type=repo_type, search=search, tags=[tag] if tag else []),
        sort=sort,
        after=visit.query("after") or None,
        limit=PAGE,
    )
    return visit.show(
        "list.html",
        repos=[facts.repo for facts in found],
        known={facts.repo.id: facts for facts in found},
        search=search,
        sort=sort,
        sorts=_SORTS,
        tag=tag,
        without_tag=visit.request.path + _query(search, sort),
        type=repo_type,
        types=_tabs(search, sort, tag),
        next_page=visit.request.path + _query(search, sort, tag=tag, after=mark) if mark else "",
        first=not visit.query("after"),
        origin=visit.origin,
    )


def _asked(visit: Visit) -> tuple[str, str]:
    search = visit.query("search").strip()
    if len(search) > _MAX_SEARCH:
        raise Invalid(f"A search has at most {_MAX_SEARCH} characters.")
    sort = visit.query("sort", "updated")
    return search, sort if sort in _SORTS else "updated"


def _query(search: str, sort: str, **more: str) -> str:
    fields = {"search": search, "sort": "" if sort == "updated" else sort, **more}
    text = urlencode({name: value for name, value in fields.items() if value})
    return f"?{text}" if text else ""


def _tabs(search: str, sort: str, tag: str) -> list[tuple[RepoType | None, str, str]]:
    query = _query(search, sort, tag=tag)
    tabs: list[tuple[RepoType | None, str, str]] = [(None, "All", f"/{query}")]
    return tabs + [(t, TYPE_PLURALS[t], f"/{t.value}s{query}") for t in RepoType]


async def namespace(visit: Visit) -> web.Response:
    """The page of a user or organization."""
    asked = visit.request.match_info["namespace"]
    found, moved = await orgs.namespace(visit.core, asked)
    if moved or found.name != asked:
        return visit.moved(f"/{found.name}")
    kind = visit.query("type")
    repo_type = RepoType(kind) if kind in set(RepoType) else None
    search, sort = _asked(visit)
    listed, mark = await repos.listing(
        visit.core,
        visit.actor,
        Wanted(type=repo_type, namespace=found.name, search=search),
        sort=sort,
        after=visit.query("after") or None,
        limit=PAGE,
    )
    is_org = found.kind == "org"
    members = (
        await orgs.members(visit.core, visit.actor, found.name)
        if is_org and visit.actor.is_signed_in
        else ()
    )
    more = {"type": kind} if repo_type else {}
    return visit.show(
        "namespace.html",
        namespace=found,
        is_org=is_org,
        members=members,
        orgs=() if is_org else await orgs.of_user(visit.core, found.id),
        repos=listed,
        search=search,
        type=repo_type,
        types=[(None, "All"), *TYPE_PLURALS.items()],
        next_page=f"/{found.name}{_query(search, sort, after=mark, **more)}" if mark else "",
        may_create=_may_create(visit, found.name, members),
    )


def _may_create(visit: Visit, name: str, members: object) -> bool:
    """Whether to offer a button; the core decides when it is pressed."""
    people = members if isinstance(members, (list, tuple)) else ()
    return visit.actor.name == name or any(m.user_id == visit.actor.user_id for m in people)
