"""The API of the Hugging Face Hub, for its unmodified clients."""

from __future__ import annotations

from aiohttp import web

from hubd.http.context import tell_errors
from hubd.http.hf.endpoint import Endpoint
from hubd.http.hf.errors import tell
from hubd.http.hf.table import ENDPOINTS

__all__ = ["ENDPOINTS", "Endpoint", "add_to"]
# At the root for the Hub's own clients; CSGHub's choose one by ``--source``.
MOUNTS = ("", "/hf", "/ms", "/csg")


def add_to(app: web.Application, prefix: str) -> None:
    """Add its routes below a prefix, which clients have at the end of their ``HF_ENDPOINT``."""
    app.add_routes([endpoint.route(prefix) for endpoint in ENDPOINTS])
    tell_errors(app, f"{prefix}/api/", tell)
