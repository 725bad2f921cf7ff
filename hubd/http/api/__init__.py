"""Our own JSON API, ``/api/hub/v1``."""

from __future__ import annotations

from aiohttp import web


def add_to(app: web.Application) -> None:
    """Add its routes."""
