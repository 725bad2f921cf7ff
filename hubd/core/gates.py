"""Gated repositories: everybody who may see one may ask for its files; its owners answer.

What the form asks for stands in the card, as on the Hub: ``extra_gated_prompt``, and in
``extra_gated_fields`` names with ``text``, ``checkbox``, or a choice with its options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hubd.core import accounts, browse, cards, repos
from hubd.core.context import Core
from hubd.core.repos import Found
from hubd.errors import Conflict, Invalid, NotFound, RevisionNotFound
from hubd.store import audit, gates, users
from hubd.store import repos as repo_rows
from hubd.store.engine import Connection
from hubd.store.gates import AccessRequest
from hubd.store.repos import Repo
from hubd.types import Actor, Gate, RepoAction, RepoRef, RequestState

MAX_REASON = 200
_MOST_FIELDS = 30
_MAX_ANSWER = 1000
_TRUE = {"1", "on", "true", "yes"}


@dataclass(frozen=True, slots=True)
class Field:
    """Something that who asks must fill in; ``options`` of a choice, else empty."""

    name: str
    kind: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """What asking takes: a text to read and fields to fill in."""

    found: Found
    prompt: str
    fields: tuple[Field, ...]


async def set_gate(core: Core, actor: Actor, ref: RepoRef, gate: Gate) -> Repo:
    """Let everybody in, or those who ask, or those who are let in by hand.

    Whoever was let in before keeps that.
    """
    found = await repos.find(core, actor, ref, RepoAction.CHANGE_VISIBILITY)

    async def work(conn: Connection) -> None:
        await repo_rows.set_gate(conn, found.repo.id, gate)
        details = {"from": found.repo.gate.value, "to": gate.value}
        await audit.add(conn, actor, "repo.gate", found.repo.ref.path, details)

    await core.store.write(work)
    return await repos.by_id(core, found.repo.id)


async def form(core: Core, actor: Actor, ref: RepoRef) -> Form:
    """What asking for a repository's files takes; raises ``Invalid`` if it is not gated."""
    found = await repos.find(core, actor, ref)
    _require_gate(found)
    try:
        card, _ = await cards.of(core, await browse.at(core, Actor.system(), found.repo.ref))
    except RevisionNotFound:
        return Form(found, "", ())
    data = card.data or {}
    prompt, asked = data.get("extra_gated_prompt", ""), data.get("extra_gated_fields", {})
    fields = list(asked.items())[:_MOST_FIELDS] if isinstance(asked, Mapping) else []
    return Form(found, str(prompt or ""), tuple(_field(str(k), v) for k, v in fields))


def _field(name: str, said: object) -> Field:
    options: object = ()
    kind = said
    if isinstance(said, Mapping):
        kind, options = said.get("type", "text"), said.get("options", ())
    if kind == "select" and isinstance(options, Sequence) and not isinstance(options, str):
        words = (o.get("value", "") if isinstance(o, Mapping) else o for o in options)
        return Field(name, "select", tuple(str(word) for word in words))
    return Field(name, "checkbox" if kind == "checkbox" else "text")


async def ask(core: Core, actor: Actor, ref: RepoRef, answers: Mapping[str, str]) -> RequestState:
    """Ask for a repository's files; where the request stands now.

    Raises ``Invalid`` for a form that is not filled in, ``Conflict`` for a second request.
    """
    found = await repos.find(core, actor, ref, RepoAction.ASK_ACCESS)
    wanted = await form(core, actor, ref)
    if found.has_files:
        raise Conflict("You have access already.")
    user = await accounts.me(core, actor)
    fields = {field.name: _answer(field, answers.get(field.name, "")) for field in wanted.fields}
    state = RequestState.PENDING
    if found.repo.gate is Gate.AUTO:
        state = RequestState.ACCEPTED

    async def work(conn: Connection) -> None:
        await gates.ask(conn, found.repo.id, user.id, fields, state)
        await audit.add(conn, actor, "access.ask", found.repo.ref.path, {"state": state.value})

    await core.store.write(work)
    return state


def _answer(field: Field, text: str) -> str:
    text = text.strip()
    if field.kind == "checkbox" and text.lower() not in _TRUE:
        raise Invalid(f"{field.name!r} must be agreed to.")
    if not text:
        raise Invalid(f"{field.name!r} must be filled in.")
    if field.options and text not in field.options:
        raise Invalid(f"{field.name!r} is one of {', '.join(field.options)}.")
    if len(text) > _MAX_ANSWER:
        raise Invalid(f"{field.name!r} has at most {_MAX_ANSWER} characters.")
    return text


async def listing(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    state: RequestState,
    *,
    after: int = 0,
    limit: int = 100,
) -> Sequence[AccessRequest]:
    """Requests in a state, oldest first; ``after`` is the id of the last one seen."""
    found = await repos.find(core, actor, ref, RepoAction.ANSWER_REQUESTS)
    _require_gate(found)
    async with core.store.read() as conn:
        return await gates.page(conn, found.repo.id, state, after=after, limit=limit)


async def answer(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    state: RequestState,
    *,
    user: str | None = None,
    request_id: int | None = None,
    reason: str = "",
) -> None:
    """Accept, reject, or with ``PENDING`` cancel a request, named by its account or id.

    Raises ``NotFound`` for no such request, and for one that is in that state.
    """
    found = await repos.find(core, actor, ref, RepoAction.ANSWER_REQUESTS)
    _require_gate(found)
    if len(reason) > MAX_REASON:
        raise Invalid(f"A reason has at most {MAX_REASON} characters.")
    repo_id = found.repo.id

    async def work(conn: Connection) -> None:
        asked = await _request(conn, repo_id, user, request_id)
        await gates.answer(conn, repo_id, asked.id, state, reason=reason, by=actor.user_id)
        details = {"user": asked.name, "state": state.value}
        await audit.add(conn, actor, "access.answer", found.repo.ref.path, details)

    await core.store.write(work)


async def _request(
    conn: Connection, repo_id: int, user: str | None, request_id: int | None
) -> AccessRequest:
    asked = None
    if user is not None:
        account = await users.by_name(conn, user)
        if account is None:
            raise NotFound(f"There is no user named {user!r}.")
        asked = await gates.of_user(conn, repo_id, account.id)
    elif request_id is not None:
        asked = await gates.get(conn, repo_id, request_id)
    if asked is None:
        raise NotFound("There is no such request.")
    return asked


async def grant(core: Core, actor: Actor, ref: RepoRef, user: str) -> None:
    """Let somebody in who need not have asked; raises ``Conflict`` if he is in."""
    found = await repos.find(core, actor, ref, RepoAction.ANSWER_REQUESTS)
    _require_gate(found)

    async def work(conn: Connection) -> None:
        account = await users.by_name(conn, user)
        if account is None:
            raise NotFound(f"There is no user named {user!r}.")
        await gates.grant(conn, found.repo.id, account.id, actor.user_id)
        details = {"user": account.name, "state": RequestState.ACCEPTED.value}
        await audit.add(conn, actor, "access.grant", found.repo.ref.path, details)

    await core.store.write(work)


def _require_gate(found: Found) -> None:
    if found.repo.gate is Gate.OFF:
        raise Invalid("This repository is not gated.")
