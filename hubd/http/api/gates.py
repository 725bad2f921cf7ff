"""Gated repositories: who asks for the files, and who lets whom in."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hubd.core import gates
from hubd.core.rows import AccessRequest
from hubd.http.api.endpoint import REPO, Call, Endpoint, Page
from hubd.http.api.shapes import Answer, Name, Request, Time, maybe_when, when
from hubd.types import Gate, RequestState


class GateChoice(Request, frozen=True, kw_only=True):
    """``off``, ``auto``: whoever asks is let in, ``manual``: the owners answer."""

    gate: Gate


class FormField(Answer, frozen=True, kw_only=True):
    """Something to fill in; the card says what (``extra_gated_fields``)."""

    name: str
    kind: Literal["text", "checkbox", "select"]
    options: list[str]


class FormAnswer(Answer, frozen=True, kw_only=True):
    """What asking takes, and where one's own request stands."""

    gate: Gate
    has_access: bool
    request: RequestState | None
    prompt: str
    fields: list[FormField]


class Filled(Request, frozen=True, kw_only=True):
    """The form, filled in."""

    fields: Annotated[
        dict[Annotated[str, Meta(max_length=200)], Annotated[str, Meta(max_length=1000)]],
        Meta(max_length=30),
    ] = msgspec.field(default_factory=dict)


class Asked(Answer, frozen=True, kw_only=True):
    """Where one's request stands."""

    state: RequestState


class RequestAnswer(Answer, frozen=True, kw_only=True):
    """A request; the e-mail address is that of somebody who asked."""

    id: int
    user: str
    full_name: str
    email: str | None
    state: RequestState
    fields: dict[str, str]
    reason: str
    created_at: Time
    answered_at: Time | None


class RequestsQuery(Request, frozen=True, kw_only=True):
    """Which requests, and which part of the list."""

    state: RequestState = RequestState.PENDING
    after: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Verdict(Request, frozen=True, kw_only=True):
    """What becomes of a request; ``pending`` takes an answer back."""

    state: RequestState
    reason: Annotated[str, Meta(max_length=gates.MAX_REASON)] = ""


class ToGrant(Request, frozen=True, kw_only=True):
    """Whom to let in."""

    user: Name


def _answer(asked: AccessRequest) -> RequestAnswer:
    return RequestAnswer(
        id=asked.id,
        user=asked.name,
        full_name=asked.full_name,
        email=asked.email,
        state=asked.state,
        fields=asked.fields,
        reason=asked.reason,
        created_at=when(asked.created_at),
        answered_at=maybe_when(asked.answered_at),
    )


async def set_gate(call: Call, body: GateChoice) -> None:
    """Choose whether files must be asked for."""
    await gates.set_gate(call.core, call.actor, call.ref, body.gate)


async def get_access_form(call: Call) -> FormAnswer:
    """What asking for the files takes."""
    form = await gates.form(call.core, call.actor, call.ref)
    fields = [
        FormField(name=field.name, kind=field.kind, options=list(field.options))  # type: ignore[arg-type]
        for field in form.fields
    ]
    found = form.found
    return FormAnswer(
        gate=found.repo.gate,
        has_access=found.has_files,
        request=found.request,
        prompt=form.prompt,
        fields=fields,
    )


async def ask_access(call: Call, body: Filled) -> Asked:
    """Ask for the files."""
    return Asked(state=await gates.ask(call.core, call.actor, call.ref, body.fields))


async def list_access_requests(call: Call, query: RequestsQuery) -> Page[RequestAnswer]:
    """Requests in a state, oldest first."""
    found = await gates.listing(
        call.core,
        call.actor,
        call.ref,
        query.state,
        after=query.after,
        limit=query.limit + 1,
    )
    shown = [_answer(asked) for asked in found[: query.limit]]
    return Page(shown, str(shown[-1].id) if len(found) > query.limit else None)


async def answer_access_request(call: Call, body: Verdict) -> None:
    """Accept, reject, or take the answer back."""
    await gates.answer(
        call.core, call.actor, call.ref, body.state, request_id=call.id, reason=body.reason
    )


async def grant_access(call: Call, body: ToGrant) -> None:
    """Let somebody in who has not asked."""
    await gates.grant(call.core, call.actor, call.ref, body.user)


_REQUESTS = REPO + "/access-requests"
ENDPOINTS = [
    Endpoint("PUT", REPO + "/gate", set_gate, "Choose whether files must be asked for"),
    Endpoint("GET", REPO + "/access-form", get_access_form, "Get the form for access"),
    Endpoint("POST", REPO + "/access-form", ask_access, "Ask for access", status=201),
    Endpoint("GET", _REQUESTS, list_access_requests, "List requests for access"),
    Endpoint("PUT", _REQUESTS + "/{id}", answer_access_request, "Answer a request for access"),
    Endpoint("POST", REPO + "/access-grants", grant_access, "Let somebody in", status=204),
]
