"""Repositories as a whole: create, delete, move, change."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hubd.core import accounts, duplicate, founding, gates, repos
from hubd.core.rows import Repo, row_id
from hubd.errors import Conflict, Denied, Invalid, NotBuilt
from hubd.http.api.endpoint import json_response
from hubd.http.hf import spaces
from hubd.http.hf.endpoint import REPO, Call, Endpoint
from hubd.http.hf.shapes import RepoCreated, gated
from hubd.types import Gate, RepoAction, RepoRef, RepoType, Visibility

_SDKS = {"gradio", "streamlit", "docker", "static"}


class ToCreate(msgspec.Struct):
    """A repository to make; what clients send beside this has no meaning here."""

    name: str
    organization: str | None = None
    type: str | None = None
    private: bool | None = None
    visibility: str | None = None
    sdk: str | None = None
    secrets: list[spaces.ToSet] = []
    variables: list[spaces.ToSet] = []


class ToDelete(msgspec.Struct):
    """A repository to delete."""

    name: str
    organization: str | None = None
    type: str | None = None


class ToMove(msgspec.Struct, rename="camel"):
    """A repository to rename."""

    from_repo: str
    to_repo: str
    type: str | None = None


class ToDuplicate(msgspec.Struct):
    """The copy to make, and of a Space what it runs with."""

    repository: str
    private: bool | None = None
    visibility: str | None = None
    secrets: list[spaces.ToSet] = []
    variables: list[spaces.ToSet] = []


class Settings(msgspec.Struct):
    """What to change."""

    private: bool | None = None
    visibility: str | None = None
    gated: Any = None


def _visibility(private: bool | None, text: str | None) -> Visibility | None:  # noqa: FBT001
    if text == "protected":
        raise NotBuilt("Protected Spaces are not there on this hub yet.")
    if text is not None:
        try:
            return Visibility(text)
        except ValueError:
            raise Invalid("The visibility is public, internal or private.") from None
    if private is None:
        return None
    return Visibility.PRIVATE if private else Visibility.PUBLIC


async def _ref(call: Call, kind: str | None, organization: str | None, name: str) -> RepoRef:
    if "/" in name and organization is None:
        organization, _, name = name.partition("/")
    if organization is None:
        organization = (await accounts.me(call.core, call.actor)).name
    return _parsed(kind, f"{organization}/{name}")


def _parsed(kind: str | None, repo_id: str) -> RepoRef:
    if kind in {"kernel", "bucket"}:
        raise NotBuilt(f"Repositories of the type {kind} are not there on this hub yet.")
    return RepoRef.parse(kind or RepoType.MODEL, repo_id)


async def create(call: Call) -> web.Response:
    """Make a repository with its first commit, as the clients expect one; 409 if it is there."""
    asked = await call.body(ToCreate)
    ref = await _ref(call, asked.type, asked.organization, asked.name)
    if ref.type is RepoType.SPACE and asked.sdk not in _SDKS:
        raise Invalid(f"The sdk of a Space is one of {', '.join(sorted(_SDKS))}.")
    visibility = _visibility(asked.private, asked.visibility)
    is_space = ref.type is RepoType.SPACE
    card = f"---\ntitle: {ref.name}\nsdk: {asked.sdk}\n---\n" if is_space else ""
    try:
        repo = await founding.create(call.core, call.actor, ref, visibility=visibility, card=card)
    except Conflict as error:
        return _exists(call, ref, error)
    await _equip(call, repo, asked)
    return _made(call, repo)


def _exists(call: Call, ref: RepoRef, error: Conflict) -> web.Response:
    """Clients that do not mind read the address out of the refusal."""
    shown = RepoCreated(url=call.url(ref), name=ref.repo_id, id="")
    body = msgspec.to_builtins(shown) | {"error": error.sentence}
    headers = {"X-Error-Message": "You already created this repository."}
    return json_response(body, error.status, headers)


def _made(call: Call, repo: Repo) -> web.Response:
    made = RepoCreated(url=call.url(repo.ref), name=repo.ref.repo_id, id=row_id(repo.id))
    return json_response(made)


async def copy(call: Call) -> web.Response:
    """Make a repository that begins as a copy of this one; 409 if it is there."""
    asked = await call.body(ToDuplicate)
    ref = await _ref(call, call.ref.type, None, asked.repository)
    visibility = _visibility(asked.private, asked.visibility)
    try:
        found = await duplicate.duplicate(
            call.core, call.actor, call.ref, ref, visibility=visibility
        )
    except Conflict as error:
        return _exists(call, ref, error)
    await _equip(call, found.repo, asked)
    return _made(call, found.repo)


async def _equip(call: Call, repo: Repo, asked: ToCreate | ToDuplicate) -> None:
    if repo.type is RepoType.SPACE:
        await spaces.put_all(call, repo.ref, asked.variables, secret=False)
        await spaces.put_all(call, repo.ref, asked.secrets, secret=True)


async def delete(call: Call) -> None:
    """Put a repository into the trash."""
    asked = await call.body(ToDelete)
    ref = await _ref(call, asked.type, asked.organization, asked.name)
    await repos.delete(call.core, call.actor, ref)


async def move(call: Call) -> None:
    """Give a repository another name or owner; the old address redirects."""
    asked = await call.body(ToMove)
    old, new = _parsed(asked.type, asked.from_repo), _parsed(asked.type, asked.to_repo)
    await repos.rename(call.core, call.actor, old, new)


async def settings(call: Call) -> dict[str, Any]:
    """Change who may read a repository."""
    asked = await call.body(Settings)
    gate = _gate(asked.gated)
    visibility = _visibility(asked.private, asked.visibility)
    if visibility is not None:
        await repos.set_visibility(call.core, call.actor, call.ref, visibility)
    if gate is not None:
        await gates.set_gate(call.core, call.actor, call.ref, gate)
    repo = (await repos.find(call.core, call.actor, call.ref)).repo
    return {"private": repo.visibility is not Visibility.PUBLIC, "gated": gated(repo.gate)}


def _gate(asked: object) -> Gate | None:
    gates_by_word = {None: None, False: Gate.OFF, "auto": Gate.AUTO, "manual": Gate.MANUAL}
    if not (asked is None or asked is False or isinstance(asked, str)) or (
        asked not in gates_by_word
    ):
        raise Invalid('The gate is "auto", "manual" or false.')
    return gates_by_word[asked]


async def may_read(call: Call) -> None:
    """Whether the caller may read, files too."""
    await repos.find(call.core, call.actor, call.ref, RepoAction.FETCH)


async def may_write(call: Call) -> None:
    """Whether the caller may push."""
    if not call.actor.is_signed_in:
        await repos.find(call.core, call.actor, call.ref)
        raise Denied("You must sign in to push to this repository.")
    await repos.find(call.core, call.actor, call.ref, RepoAction.PUSH)


ENDPOINTS = [
    Endpoint("POST", "/api/repos/create", create, "Make a repository"),
    Endpoint("DELETE", "/api/repos/delete", delete, "Delete a repository"),
    Endpoint("POST", "/api/repos/move", move, "Rename or transfer a repository"),
    Endpoint("POST", REPO + "/duplicate", copy, "Make a copy"),
    Endpoint("PUT", REPO + "/settings", settings, "Change who may read"),
    Endpoint("GET", REPO + "/auth-check", may_read, "Whether the caller may read"),
    Endpoint("GET", REPO + "/auth-check/write", may_write, "Whether the caller may push"),
]
