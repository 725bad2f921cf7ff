"""The table of pages."""

from __future__ import annotations

from aiohttp import web


def add_to(app: web.Application) -> None:
    """Add its routes."""
