"""One call of CSGHub's API: as for the Hub's, with answers and refusals in its envelope.

``{"msg": "OK", "data": …, "total": …}`` or ``{"code": …, "msg": …, "context": {…}}``
(csghub-server, ``api/httpbase``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from hubd.errors import HubError, SignInNeeded
from hubd.http.api.endpoint import json_response, rate_headers
from hubd.http.context import request_id
from hubd.http.hf import endpoint, errors
from hubd.http.hf.endpoint import Call

PREFIX = "/api/v1"
REPO = f"/{endpoint.TYPES}/{{namespace}}/{{name}}"
# The size of a page where the client names none, and the largest that it may name.
PAGE = 50
_MOST = 1000


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A success."""

    msg: str = "OK"
    data: Any = None
    total: int | UnsetType = UNSET


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal."""

    code: str
    msg: str
    context: dict[str, str]


@dataclass(frozen=True)
class Listed:
    """A page of a list, or a struct that has it, and how many there are in all."""

    items: Any
    total: int


@dataclass(frozen=True)
class Span:
    """The part of a list that ``page`` (from 1) and ``per`` ask for."""

    start: int
    count: int

    @classmethod
    def of(cls, call: Call) -> Span:
        """From the parameters; raises ``Invalid``."""
        count = max(1, call.number("per", PAGE, _MOST))
        page = max(1, call.number("page", 1, 10**6))
        return cls((page - 1) * count, count)

    def part(self, items: list[Any]) -> Listed:
        """That part of a whole list."""
        return Listed(items[self.start : self.start + self.count], len(items))


@dataclass(frozen=True)
class Endpoint(endpoint.Endpoint):
    """A method and path below ``/api/v1``, and the handler that answers."""

    def answered(self, call: Call, answer: object) -> web.StreamResponse:
        """The envelope around what a handler gave."""
        if isinstance(answer, web.StreamResponse):
            return answer
        headers = {"Cache-Control": "no-store", **rate_headers(call.request)}
        if isinstance(answer, Listed):
            body = Envelope(data=answer.items, total=answer.total)
        else:
            body = Envelope(data=answer)
        return json_response(body, headers=headers)

    def refused(
        self, request: web.Request, error: HubError, *, anonymous: bool
    ) -> web.StreamResponse:
        """The envelope around a refusal."""
        return refusal(request, error, anonymous=anonymous)


def refusal(request: web.Request, error: HubError, *, anonymous: bool) -> web.Response:
    """The sentence in the envelope; for a stranger a private repository and none are the same."""
    headers = {
        "Cache-Control": "no-store",
        "X-Request-Id": request_id(request),
        **rate_headers(request),
    }
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    if isinstance(error, SignInNeeded):
        headers["WWW-Authenticate"] = 'Bearer realm="hubd"'
    body = Refusal(
        code=f"HUBD-{error.code.upper().replace('_', '-')}",
        msg=errors.sentence(error),
        context={"request_id": request_id(request)},
    )
    return json_response(body, errors.status_of(error, anonymous=anonymous), headers)


async def tell(request: web.Request, error: HubError) -> web.StreamResponse:
    """For addresses that no endpoint answers."""
    return refusal(request, error, anonymous=False)
