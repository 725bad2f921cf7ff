"""Jinja for aiohttp: the environment, its filters, and static files under content addresses."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from aiohttp import web
from markupsafe import Markup

from hubd.errors import NotFound
from hubd.web import previews

_HERE = Path(__file__).parent
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain",
}
_STEPS = (
    (31536000, "year"),
    (2592000, "month"),
    (604800, "week"),
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A style, script or picture of ours, ready to send."""

    address: str
    content_type: str
    data: bytes
    zipped: bytes


class Pages:
    """Templates and static files; one per application."""

    def __init__(self) -> None:
        self.static = _load_static(_HERE / "static")
        self._by_address = {file.address: file for file in self.static.values()}
        self._env = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.do"],
        )
        self._env.filters.update(
            path=path_quoted,
            size=size,
            ago=ago,
            moment=moment,
            short=short,
            count=count,
            groupby_day=by_day,
            large_change=previews.large_change,
            is_picture=previews.is_picture,
            pair=lambda name: (name, name),
        )
        self._env.globals["static"] = lambda name: self.static[name].address

    def render(self, template: str, values: Mapping[str, Any]) -> bytes:
        """A page; what is not UTF-8 in names from git shows as a question mark."""
        return self._env.get_template(template).render(values).encode("utf-8", "replace")

    async def serve(self, request: web.Request) -> web.Response:
        """A static file; its address changes with its content, so browsers may keep it."""
        file = self._by_address.get(request.path)
        if file is None:
            raise NotFound("Not found.")
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        body = file.data
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = file.zipped
        text = file.content_type.startswith("text/")
        return web.Response(
            body=body,
            headers=headers,
            content_type=file.content_type,
            charset="utf-8" if text else None,
        )


PAGES: web.AppKey[Pages] = web.AppKey("pages", Pages)


def _load_static(folder: Path) -> dict[str, StaticFile]:
    found: dict[str, StaticFile] = {}
    for path in sorted(folder.iterdir()):
        kind = _TYPES.get(path.suffix)
        if kind is None:
            continue
        data = path.read_bytes()
        mark = hashlib.sha256(data).hexdigest()[:16]
        found[path.name] = StaticFile(
            f"/-/static/{mark}/{path.name}", kind, data, gzip.compress(data, mtime=0)
        )
    return found


def path_quoted(text: str) -> str:
    """A path from git as part of an address; bytes that are no UTF-8 stay what they are."""
    return quote(text.encode("utf-8", "surrogateescape"), safe="/")


def size(number: float | None) -> str:
    """Bytes for people: ``1.4 MB``; powers of 1000, as the Hub counts."""
    if number is None:
        return ""
    value = float(number)
    if value < 1000:  # noqa: PLR2004
        return f"{int(value)} B"
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":  # noqa: PLR2004
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"  # noqa: PLR2004
    return ""


def count(number: int) -> str:
    """A whole number with thin groups."""
    return f"{number:,}"


def moment(seconds: float | None) -> str:
    """A time as ``2026-11-23 09:24 UTC``."""
    if seconds is None:
        return ""
    return _datetime(seconds).strftime("%Y-%m-%d %H:%M UTC")


def _datetime(seconds: float) -> datetime:
    # What a commit claims may lie outside of what a calendar has.
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def ago(seconds: float | None) -> Markup:
    """A time as ``3 days ago``, with the exact one as its title."""
    if seconds is None:
        return Markup("never")
    age = time.time() - seconds
    words = "just now"
    for step, name in _STEPS:
        if abs(age) >= step:
            number = int(abs(age) // step)
            amount = f"{number} {name}{'' if number == 1 else 's'}"
            words = f"{amount} ago" if age > 0 else f"in {amount}"
            break
    exact = _datetime(seconds)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.isoformat(), moment(seconds), words
    )


def short(oid: str) -> str:
    """The beginning of an object id."""
    return oid[:8]


def by_day(commits: Sequence[Any]) -> list[dict[str, Any]]:
    """Commits under the days on which they were made, in the order of the history."""
    days: list[dict[str, Any]] = []
    for commit in commits:
        name = f"{_datetime(commit.committer.time):%B %-d, %Y}"
        if not days or days[-1]["name"] != name:
            days.append({"name": name, "commits": []})
        days[-1]["commits"].append(commit)
    return days
