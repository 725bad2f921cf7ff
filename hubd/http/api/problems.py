"""How the API tells a refusal: one shape for every error."""

from __future__ import annotations

import msgspec
from aiohttp import web

from hubd.errors import HubError, Refused, SignInNeeded
from hubd.http.api.endpoint import json_response, rate_headers
from hubd.http.context import request_id


class Problem(msgspec.Struct, frozen=True):
    """One thing that a check of the hub found."""

    level: str
    check: str
    message: str
    fix: str


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, for a program, for a person, and for the operator's log."""

    code: str
    message: str
    request_id: str
    hint: str = ""
    findings: list[Problem] = []


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer with a status of 400 or more."""

    error: Failure


class MethodNotAllowed(HubError):
    """The address is known, the method is not."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: set[str]) -> None:
        super().__init__(f"This address knows {', '.join(sorted(allowed))} only.")
        self.allowed = allowed


_CODES = {408: "timeout", 415: "unsupported_media_type"}


async def tell(request: web.Request, error: HubError) -> web.Response:
    """The error as JSON."""
    findings = []
    if isinstance(error, Refused):
        findings = [Problem(f.level, f.check, f.message, f.fix) for f in error.findings]
    failure = Failure(
        code=_CODES.get(error.status, error.code),
        message=error.message,
        hint=error.hint,
        request_id=request_id(request),
        findings=findings,
    )
    headers = {"Cache-Control": "no-store", **rate_headers(request)}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    if isinstance(error, SignInNeeded):
        # Not Basic: a browser must not keep a token for pages of other sites to use.
        headers["WWW-Authenticate"] = 'Bearer realm="hubd"'
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.allowed))
    return json_response(ErrorAnswer(failure), error.status, headers)
