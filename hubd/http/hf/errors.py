"""How the Hub's clients are told a refusal: status, ``X-Error-Code``, ``X-Error-Message``, body."""

from __future__ import annotations

from aiohttp import web

from hubd.errors import (
    Denied,
    EntryNotFound,
    Gated,
    GatedSignIn,
    HubError,
    Outdated,
    Refused,
    RepoNotFound,
    RevisionNotFound,
    SignInNeeded,
)
from hubd.http.api.endpoint import json_response, rate_headers
from hubd.http.context import request_id

_CODES: tuple[tuple[type[HubError], str], ...] = (
    (Gated, "GatedRepo"),
    (GatedSignIn, "GatedRepo"),
    (RepoNotFound, "RepoNotFound"),
    (RevisionNotFound, "RevisionNotFound"),
    (EntryNotFound, "EntryNotFound"),
)
_STATUS: dict[type[HubError], int] = {Outdated: 412}
_MAX_HEADER = 1000
BAD_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105 - the clients' words
# Where an error's details have the commit that was looked at.
COMMIT = "repo_commit"


class BadToken(SignInNeeded):
    """The credential that came is not valid."""

    def __init__(self) -> None:
        super().__init__(BAD_TOKEN)


def sentence(error: HubError) -> str:
    """All that a person is told, every finding of the checks included."""
    if isinstance(error, Refused):
        found = [f"{f.message} {f.fix}".strip() for f in error.findings]
        return "\n".join([error.message, *found])
    return error.sentence


def status_of(error: HubError, *, anonymous: bool) -> int:
    """The status; for a stranger a private repository and none are the same 401."""
    if isinstance(error, RepoNotFound) and anonymous:
        return SignInNeeded.status
    if isinstance(error, Refused) and all(f.check == "protected-refs" for f in error.findings):
        return Denied.status
    return _STATUS.get(type(error), error.status)


def render(request: web.Request, error: HubError, *, anonymous: bool) -> web.Response:
    """The answer in the form of the Hub."""
    status = status_of(error, anonymous=anonymous)
    text = sentence(error)
    headers = {
        "X-Error-Message": _header(text),
        "X-Request-Id": request_id(request),
        "Access-Control-Expose-Headers": "X-Error-Code,X-Error-Message,X-Request-Id,X-Repo-Commit",
        "Cache-Control": "no-store",
        **rate_headers(request),
    }
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    if code is not None:
        headers["X-Error-Code"] = code
    if COMMIT in error.details:
        headers["X-Repo-Commit"] = str(error.details[COMMIT])
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    if isinstance(error, SignInNeeded):
        headers["WWW-Authenticate"] = 'Bearer realm="hubd"'
    return json_response({"error": text}, status, headers)


def _header(text: str) -> str:
    """Text as a header can carry it: one line, ASCII."""
    line = " ".join(text.split())
    return line.encode("ascii", "backslashreplace").decode()[:_MAX_HEADER]


async def tell(request: web.Request, error: HubError) -> web.StreamResponse:
    """For addresses that no endpoint answers."""
    return render(request, error, anonymous=False)
