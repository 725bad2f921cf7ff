"""Who gets the files of a gated repository."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from hubd.core import gates
from hubd.core.rows import AccessRequest, row_id
from hubd.errors import Invalid
from hubd.http.hf.endpoint import REPO, Call, Endpoint, Page
from hubd.http.hf.shapes import Shape, number_of, when
from hubd.types import RequestState

_REQUESTS = REPO + "/user-access-request"


class Requester(Shape, frozen=True, kw_only=True):
    """Who asks; of whom was let in unasked, the e-mail address is not told."""

    user: str
    fullname: str
    email: str | UnsetType = UNSET


class Request(Shape, frozen=True, kw_only=True):
    """A request for access."""

    request_id: str
    user: Requester
    status: str
    timestamp: str
    fields: dict[str, str] | UnsetType = UNSET


class ToHandle(msgspec.Struct, rename="camel"):
    """A request, by its account or id, and what becomes of it."""

    status: str
    user: str | None = None
    request_id: str | None = None
    rejection_reason: str | None = None


class ToGrant(msgspec.Struct):
    """Whom to let in."""

    user: str


def _shown(asked: AccessRequest) -> Request:
    requester = Requester(
        user=asked.name, fullname=asked.full_name or asked.name, email=asked.email or UNSET
    )
    return Request(
        request_id=row_id(asked.id),
        user=requester,
        status=asked.state.value,
        timestamp=when(asked.created_at),
        fields=asked.fields or UNSET,
    )


async def list_requests(call: Call) -> Page:
    """Requests in a state."""
    limit = max(1, call.number("limit", 100, 1000))
    found = await gates.listing(
        call.core,
        call.actor,
        call.ref,
        RequestState(call.name("state")),
        after=call.number("cursor", 0, 2**53),
        limit=limit + 1,
    )
    shown = [_shown(asked) for asked in found[:limit]]
    return Page(shown, str(found[limit - 1].id) if len(found) > limit else None)


async def handle(call: Call) -> None:
    """Accept, reject or cancel a request."""
    asked = await call.body(ToHandle)
    try:
        state = RequestState(asked.status)
    except ValueError:
        raise Invalid("The status is pending, accepted or rejected.") from None
    await gates.answer(
        call.core,
        call.actor,
        call.ref,
        state,
        user=asked.user,
        request_id=None if asked.request_id is None else number_of(asked.request_id),
        reason=asked.rejection_reason or "",
    )


async def grant(call: Call) -> None:
    """Let somebody in who has not asked."""
    asked = await call.body(ToGrant)
    await gates.grant(call.core, call.actor, call.ref, asked.user)


ENDPOINTS = [
    Endpoint(
        "GET",
        _REQUESTS + "/{state:pending|accepted|rejected}",
        list_requests,
        "Requests for access",
    ),
    Endpoint("POST", _REQUESTS + "/handle", handle, "Accept, reject or cancel one"),
    Endpoint("POST", _REQUESTS + "/grant", grant, "Let somebody in"),
]
