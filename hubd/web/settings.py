"""The settings of a repository; every form of the page is one function here."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aiohttp import web

from hubd.core import browse, credentials, gates, protection, repos, storage
from hubd.core.rows import AccessRequest
from hubd.errors import HubError, Invalid, NotFound
from hubd.lfs.quota import Limits, parse_amount
from hubd.types import Gate, RepoAction, RepoRef, RequestState, Role
from hubd.web.account import number
from hubd.web.create import description_of, visibility_of
from hubd.web.links import Links
from hubd.web.place import Place

E = TypeVar("E", bound=enum.StrEnum)
Change = Callable[[Place], Awaitable[tuple[RepoRef | None, str]]]


async def show(place: Place) -> web.StreamResponse:
    """All of them."""
    return await _page(place)


async def _page(place: Place, section: str = "", error: HubError | None = None) -> web.Response:
    core, actor, ref = place.visit.core, place.visit.actor, place.ref
    await repos.find(core, actor, ref, RepoAction.MANAGE_ACCESS)
    return place.show(
        "settings.html",
        "settings",
        error.status if error else 200,
        collaborators=await repos.collaborators(core, actor, ref),
        rules=await protection.listing(core, actor, ref),
        keys=await credentials.list_deploy_keys(core, actor, ref),
        refs=await browse.refs(core, actor, ref),
        account=await storage.of_repo(core, actor, ref),
        requests=await _requests(place),
        error=error,
        section=section,
    )


async def _requests(place: Place) -> dict[str, Sequence[AccessRequest]]:
    """Who asked for the files, by state; the API has those beyond the first of each."""
    if place.found.repo.gate is Gate.OFF:
        return {}
    return {
        state.value: await gates.listing(place.visit.core, place.visit.actor, place.ref, state)
        for state in RequestState
    }


async def change(place: Place) -> web.StreamResponse:
    """One form; a refusal is shown beside it."""
    section = place.visit.request.match_info["section"]
    made = _CHANGES.get(section)
    if made is None:
        raise NotFound("Not found.")
    try:
        ref, done = await made(place)
    except HubError as error:
        return await _page(place, section, error)
    if ref is None:
        return place.visit.go("/", done)
    anchor = f"#{section}" if done == "saved" else ""
    target = place.visit.go(Links(ref).settings(), done)
    target.headers["Location"] += anchor
    return target


async def _general(place: Place) -> tuple[RepoRef, str]:
    visit = place.visit
    await repos.set_description(visit.core, visit.actor, place.ref, description_of(visit))
    branch = visit.text("default_branch")
    if branch and branch != place.found.repo.default_branch:
        await repos.set_default_branch(visit.core, visit.actor, place.ref, branch)
    return place.ref, "saved"


async def _visibility(place: Place) -> tuple[RepoRef, str]:
    visit = place.visit
    await repos.set_visibility(visit.core, visit.actor, place.ref, visibility_of(visit))
    return place.ref, "saved"


async def _gate(place: Place) -> tuple[RepoRef, str]:
    visit = place.visit
    where = (visit.core, visit.actor, place.ref)
    if visit.text("request"):
        state = _parsed(RequestState, visit.text("state"))
        request_id = number(visit, "request")
        await gates.answer(*where, state, request_id=request_id, reason=visit.text("reason"))
    elif visit.text("user"):
        await gates.grant(*where, visit.text("user"))
    else:
        await gates.set_gate(*where, _parsed(Gate, visit.text("gate")))
    return place.ref, "saved"


def _parsed(kind: type[E], text: str) -> E:
    try:
        return kind(text)
    except ValueError:
        raise Invalid("The form was not sent as this page makes it.") from None


async def _rename(place: Place) -> tuple[RepoRef, str]:
    visit = place.visit
    new = RepoRef.parse(place.ref.type, f"{visit.text('owner')}/{visit.text('name')}")
    moved = await repos.rename(visit.core, visit.actor, place.ref, new)
    return moved.ref, "renamed"


async def _collaborators(place: Place) -> tuple[RepoRef, str]:
    visit = place.visit
    role = Role.NONE if visit.text("role") == "none" else Role.parse(visit.text("role"))
    await repos.grant(visit.core, visit.actor, place.ref, visit.text("user"), role)
    return place.ref, "saved"


async def _rules(place: Place) -> tuple[RepoRef, str]:
    visit = place.visit
    if visit.text("remove"):
        await protection.remove(visit.core, visit.actor, place.ref, number(visit, "remove"))
        return place.ref, "saved"
    await protection.add(
        visit.core,
        visit.actor,
        place.ref,
        visit.text("pattern"),
        kind=visit.text("kind"),
        push_role=Role.parse(visit.text("push_role")),
        allow_force=visit.checked("allow_force"),
        allow_delete=visit.checked("allow_delete"),
        approvals=number(visit, "approvals") if visit.text("approvals") else 0,
    )
    return place.ref, "saved"


async def _keys(place: Place) -> tuple[RepoRef, str]:
    visit = place.visit
    if visit.text("remove"):
        key = number(visit, "remove")
        await credentials.remove_deploy_key(visit.core, visit.actor, place.ref, key)
        return place.ref, "key-removed"
    await credentials.add_deploy_key(
        visit.core,
        visit.actor,
        place.ref,
        visit.text("key"),
        name=visit.text("name"),
        can_write=visit.checked("can_write"),
    )
    return place.ref, "key-added"


async def _storage(place: Place) -> tuple[RepoRef, str]:
    visit = place.visit
    limits = None
    if not visit.text("default"):
        old = (await storage.of_repo(visit.core, visit.actor, place.ref)).room
        size, files = visit.text("bytes"), visit.text("objects")
        limits = Limits(
            parse_amount(size) if size else old.bytes,
            parse_amount(files) if files else old.objects,
        )
    await storage.limit_repo(visit.core, visit.actor, place.ref, limits)
    return place.ref, "saved"


async def _archive(place: Place) -> tuple[RepoRef, str]:
    visit = place.visit
    archived = visit.text("archived") == "1"
    await repos.set_archived(visit.core, visit.actor, place.ref, archived=archived)
    return place.ref, "archived" if archived else "unarchived"


async def _delete(place: Place) -> tuple[None, str]:
    visit = place.visit
    if visit.text("confirm") != place.ref.repo_id:
        raise Invalid(f"Type {place.ref.repo_id} to delete this repository.")
    await repos.delete(visit.core, visit.actor, place.ref)
    return None, "deleted"


_CHANGES: dict[str, Change] = {
    "general": _general,
    "visibility": _visibility,
    "access": _gate,
    "rename": _rename,
    "collaborators": _collaborators,
    "rules": _rules,
    "keys": _keys,
    "storage": _storage,
    "archive": _archive,
    "delete": _delete,
}
