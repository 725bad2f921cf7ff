"""Our own JSON API, ``/api/hub/v1``."""

from __future__ import annotations

from aiohttp import web

from hubd.http.api import docs
from hubd.http.api.endpoint import PREFIX
from hubd.http.api.problems import MethodNotAllowed, tell
from hubd.http.api.table import ENDPOINTS
from hubd.http.context import Handler, tell_errors


def add_to(app: web.Application) -> None:
    """Add its routes; an application below the other, so that 404 and 405 are its own."""
    api = web.Application(middlewares=[_methods])
    api.add_routes([endpoint.route() for endpoint in ENDPOINTS])
    api.add_routes(docs.routes())
    app.add_subapp(PREFIX, api)
    tell_errors(app, "/api/hub/", tell)


@web.middleware
async def _methods(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        raise MethodNotAllowed(error.allowed_methods) from error
