"""CSGHub's own API below ``/api/v1``; its mappings of the Hub's calls are mounts of ``http/hf``."""

from __future__ import annotations

from aiohttp import web

from hubd.http.context import tell_errors
from hubd.http.csg.endpoint import PREFIX, tell
from hubd.http.csg.table import ENDPOINTS

__all__ = ["ENDPOINTS", "add_to"]


def add_to(app: web.Application) -> None:
    """Add its routes; before the Hub's, whose errors below ``/api/`` are told in another form."""
    app.add_routes([endpoint.route(PREFIX) for endpoint in ENDPOINTS])
    tell_errors(app, f"{PREFIX}/", tell)
