"""The web application: plumbing around all routes, health, metrics, Git, API and (added) pages."""

from __future__ import annotations

import hmac
import ipaddress

from aiohttp import web

from hubd.core import health
from hubd.core.context import Core
from hubd.errors import NotFound
from hubd.http import api, csg, hf, lfs, lfs_locks, lfs_parts, smart, xet
from hubd.http.context import CORE, ERRORS, core_of, peer_address, surround
from hubd.http.ending import say_close

MAX_BODY = 32 * 1024 * 1024
MAX_HEADER = 16 * 1024


def build(core: Core) -> web.Application:
    """Everything but pages."""
    app = web.Application(middlewares=[surround], client_max_size=MAX_BODY)
    app[CORE] = core
    app[ERRORS] = []
    app.on_response_prepare.append(say_close)
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
        ]
    )
    api.add_to(app)
    csg.add_to(app)
    for mount in hf.MOUNTS:
        hf.add_to(app, mount)
    for room in (lfs, lfs_parts, lfs_locks):
        app.add_routes(room.routes())
    xet.add_to(app)
    app.add_routes(smart.routes())
    return app


async def healthz(_request: web.Request) -> web.Response:
    """The loop turns."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """The database and the disk answer; says also what is amiss and stops nothing else."""
    faults = await health.faults(core_of(request))
    if faults:
        return web.Response(status=503, text="\n".join(faults) + "\n")
    return web.Response(text="\n".join(["ok", *await health.lacks(core_of(request))]) + "\n")


async def metrics(request: web.Request) -> web.Response:
    """Prometheus' text form; for loopback addresses, or with the token of the settings."""
    core = core_of(request)
    token = core.config.metrics_token
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        allowed = hmac.compare_digest(given.encode(), token.encode())
    else:
        # The peer itself, not what a proxy says of it: a proxy must use the token.
        forwarded = "X-Forwarded-For" in request.headers
        allowed = ipaddress.ip_address(peer_address(request) or "::").is_loopback and not forwarded
    if not allowed:
        raise NotFound("Not found.")
    return web.Response(
        body=core.metrics.render(), headers={"Content-Type": core.metrics.content_type}
    )
