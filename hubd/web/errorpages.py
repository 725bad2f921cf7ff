"""Errors as pages: what happened, what to do, and the request id."""

from __future__ import annotations

from aiohttp import web

from hubd.errors import HubError, SignInNeeded
from hubd.http.context import plain_error, request_id
from hubd.web.visit import Visit, sign_in_address, visit_of

_TITLES = {
    400: "This cannot be understood",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Not possible now",
    413: "Too large",
    422: "Refused",
    429: "Too many requests",
    500: "Something broke",
    503: "Not available now",
}


async def tell(request: web.Request, error: HubError) -> web.StreamResponse:
    """The page of an error; who must sign in is brought there."""
    if "Authorization" in request.headers:
        # A program, at one of the addresses that take its token.
        return plain_error(error)
    visit = request.get("visit")
    if not isinstance(visit, Visit):
        try:
            visit = await visit_of(request)
        except Exception:  # noqa: BLE001
            # The database may be what failed; the sentence goes out without a page around it.
            return plain_error(error)
    if isinstance(error, SignInNeeded):
        response = visit.go(sign_in_address(visit))
    else:
        response = visit.show(
            "error.html",
            error.status,
            error=error,
            title=_TITLES.get(error.status, "Not possible"),
            findings=getattr(error, "findings", ()),
            id=request_id(request),
        )
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(retry_after)))
    return response
