"""Folders and files of a repository at a revision."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from aiohttp import web

from hubd.core import browse, models, overview
from hubd.errors import Invalid, NotFound
from hubd.types import RepoPath, RepoRef, RepoType
from hubd.web import notebooks, previews, tensors
from hubd.web.links import Links
from hubd.web.place import Place
from hubd.web.raw import image_type
from hubd.web.render import RENDERER, Document, plain

FOLDER_PAGE = 500
_MARKDOWN = (".md", ".markdown", ".mdown")
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


async def home(place: Place) -> web.StreamResponse:
    """The first page: the card; for code the files; for an empty repository what to paste."""
    try:
        at, _ = await place.at()
    except browse.EmptyRepoError:
        return place.show("empty.html", "card", origin=place.visit.origin)
    if place.ref.type is RepoType.CODE:
        return await _folder(place, at, RepoPath(""), "files")
    listed = await browse.tree(place.visit.core, at, limit=FOLDER_PAGE, with_sizes=False)
    readme = await _readme(place, at, RepoPath(""), listed.entries)
    if readme is None:
        return await _folder(place, at, RepoPath(""), "card")
    last = await browse.commits(place.visit.core, at, limit=1)
    facts = await overview.of(place.visit.core, place.visit.actor, place.ref, at)
    return place.show(
        "card.html",
        "card",
        at=at,
        readme=readme,
        total=listed.total,
        last=last[0],
        size=facts.storage,
        facts=card_facts(facts.card.data or {}, facts.card.pipeline_tag),
        tags=[tag for tag in facts.card.tags if ":" not in tag],
    )


async def like(place: Place) -> web.StreamResponse:
    """Like it, or no longer."""
    visit = place.visit
    wanted = visit.text("on") == "1"
    await overview.like(visit.core, visit.actor, place.ref, likes_it=wanted)
    return visit.go(place.links.home)


# What a card says of itself, in this order: the field and its words.
_FACTS = (
    ("license", "License"),
    ("language", "Language"),
    ("base_model", "Base model"),
    ("datasets", "Trained on"),
    ("library_name", "Library"),
    ("task_categories", "Task"),
    ("size_categories", "Size"),
    ("metrics", "Metrics"),
)
_REFERRING = {"base_model": RepoType.MODEL, "datasets": RepoType.DATASET}
_MOST_FACTS = 20


def card_facts(
    data: Mapping[str, Any], task: str | None
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Facts of a card: each with its values and the address that a value leads to, or none."""
    found: list[tuple[str, list[tuple[str, str]]]] = [("Task", [(task, "")])] if task else []
    for key, words in _FACTS:
        value = data.get(key)
        values = value if isinstance(value, list) else [value]
        texts = [v for v in values[:_MOST_FACTS] if isinstance(v, str) and v]
        if texts:
            found.append((words, [(text, _leads_to(key, text)) for text in texts]))
    return found


def _leads_to(key: str, text: str) -> str:
    """The page of a model or dataset that a card names; empty for anything else."""
    try:
        return Links(RepoRef.parse(_REFERRING[key], text)).home if key in _REFERRING else ""
    except Invalid:
        return ""


async def tree(place: Place) -> web.StreamResponse:
    """A folder; the address of a file leads on to its page."""
    try:
        at, path = await place.at()
    except browse.EmptyRepoError:
        return place.show("empty.html", "files", origin=place.visit.origin)
    return await _folder(place, at, path, "files")


async def _folder(place: Place, at: browse.At, path: RepoPath, tab: str) -> web.StreamResponse:
    visit = place.visit
    offset = whole(visit.query("offset"))
    try:
        listed = await browse.tree(
            visit.core, at, path, offset=offset, limit=FOLDER_PAGE, with_commits=True
        )
    except Invalid:
        return visit.go(place.links.blob(at.revision, path))
    last = await browse.commits(visit.core, at, path, limit=1)
    following = offset + FOLDER_PAGE
    base = place.links.tree(at.revision, path)
    return await _show_at(
        place,
        "tree.html",
        tab,
        at,
        path,
        listed=listed,
        last=last[0] if last else None,
        readme=await _readme(place, at, path, listed.entries) if offset == 0 else None,
        next_page=f"{base}?offset={following}" if following < listed.total else "",
        first=offset == 0,
        base=base,
    )


async def _show_at(
    place: Place, template: str, tab: str, at: browse.At, path: RepoPath, **more: Any
) -> web.Response:
    """A page about a path at a revision, with the way there and the other revisions."""
    revisions = await place.revisions()
    return place.show(template, tab, at=at, path=path, crumbs=crumbs(path), **more, **revisions)


def whole(text: str) -> int:
    """A number in the address; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0  # noqa: PLR2004


def crumbs(path: RepoPath) -> list[tuple[str, str]]:
    """Each folder on the way to a path: its name and its own path."""
    parts = path.split("/") if path else []
    return [(part, "/".join(parts[: n + 1])) for n, part in enumerate(parts)]


async def _readme(
    place: Place, at: browse.At, folder: RepoPath, entries: list[browse.Entry]
) -> dict[str, Any] | None:
    blob = await browse.readme(place.visit.core, at, entries)
    if blob is None or blob.text is None:
        return None
    document = Document(None, "")
    if blob.entry.name.lower().endswith(_MARKDOWN):
        document = await _document(place, at, folder, blob.text)
    return {"entry": blob.entry, "document": document, "text": blob.text}


async def _document(place: Place, at: browse.At, folder: str, text: str) -> Document:
    """Rendered, its relative links leading to the same revision."""
    renderer = place.visit.request.config_dict[RENDERER]
    return await renderer.markdown(text, **_addresses(place, at, folder))


def _addresses(place: Place, at: browse.At, folder: str) -> dict[str, str]:
    """Where relative links of a document in this folder lead."""
    links, revision = place.links, at.revision
    return {
        "folder": folder,
        "blob": links.at("blob", revision) + "/",
        "raw": links.at("raw", revision) + "/",
    }


async def blob(place: Place) -> web.StreamResponse:
    """A file; the address of a folder leads on to its page."""
    at, path = await place.at()
    if not path:
        return place.visit.go(place.links.tree(at.revision))
    try:
        found = await browse.blob(place.visit.core, at, path)
    except Invalid:
        return place.visit.go(place.links.tree(at.revision, path))
    last = await browse.commits(place.visit.core, at, path, limit=1)
    return await _show_at(
        place,
        "blob.html",
        "files",
        at,
        path,
        entry=found.entry,
        blob=found,
        last=last[0] if last else None,
        **{**_NOTHING, **await _view(place, at, path, found)},
    )


# What blob.html looks at; ``view`` says which part of it is shown.
_LARGEST_PICTURE = 20 * 1000**2
_NOTHING: dict[str, Any] = {
    "view": "",
    "code": None,
    "document": None,
    "rows": None,
    "target": None,
    "encoding": "",
    "hidden_characters": False,
    "has_source": False,
    "head": None,
    "cells": [],
    "more": 0,
}


async def _view(place: Place, at: browse.At, path: RepoPath, found: browse.Blob) -> dict[str, Any]:
    if found.entry.kind == "link":
        return {"view": "link", "target": _link_target(path, found)}
    view = _view_without_text(found)
    if view in {"lfs", "binary", "huge"}:
        head = await models.tensors(place.visit.core, at, found.entry)
        if head is not None:
            return tensors.shown(head) if "tensors" in head else {"view": view, "head": head}
    return {"view": view} if view else await _text_view(place, at, path, found)


def _view_without_text(found: browse.Blob) -> str:
    """Which page fits a file that has no text to show; empty if it has."""
    entry = found.entry
    played = previews.played_as(entry.name) if entry.lfs or found.text is None else ""
    cases = (
        ("submodule", entry.kind == "submodule"),
        ("image", entry.lfs is not None and _is_large_picture(entry.name, entry.lfs.size)),
        (played, bool(played) and found.data != b""),
        ("lfs", entry.lfs is not None),
        ("empty", found.data == b""),
        ("image", _shows_as_image(entry, found.data or b"")),
        ("huge", found.data is None),
        ("binary", found.is_binary),
    )
    return next((view for view, fits in cases if fits), "")


def _is_large_picture(name: str, size: int) -> bool:
    return previews.is_picture(name) and size <= _LARGEST_PICTURE


def _shows_as_image(entry: browse.Entry, data: bytes) -> bool:
    suffix = PurePosixPath(entry.name.lower()).suffix
    return previews.is_picture(entry.name) and (
        not data or suffix == ".svg" or bool(image_type(data))
    )


async def _text_view(
    place: Place, at: browse.At, path: RepoPath, found: browse.Blob
) -> dict[str, Any]:
    assert found.data is not None, "small enough to have been read"  # noqa: S101
    text, encoding = found.text, ""
    if text is None:
        text, encoding = found.data.decode("latin-1"), "Latin-1"
    common = {"encoding": encoding, "hidden_characters": not _BIDI.isdisjoint(text)}
    if path.lower().endswith(_MARKDOWN) and not place.visit.query("plain"):
        document = await _document(place, at, path.parent, text)
        if document.html is not None:
            return {"view": "document", "document": document, "has_source": True, **common}
    if previews.is_table(path) and not place.visit.query("plain"):
        rows = previews.table(path, text)
        if rows is not None:
            return {"view": "table", "rows": rows, "has_source": True, **common}
    renderer = place.visit.request.config_dict[RENDERER]
    if path.lower().endswith(notebooks.SUFFIX) and not place.visit.query("plain"):
        notebook = await asyncio.to_thread(notebooks.parse, text)
        if notebook is not None:
            cells = await notebooks.shown(renderer, notebook, _addresses(place, at, path.parent))
            more = len(notebook.cells) - len(cells)
            return {"view": "notebook", "cells": cells, "more": more, "has_source": True, **common}
    code = await renderer.code(text, path.name) if not encoding else plain(text)
    return {"view": "code", "code": code, **common}


async def blame(place: Place) -> web.StreamResponse:
    """A file with the commit that each of its lines comes from; what has no lines, its page."""
    at, path = await place.at()
    own = place.links.blob(at.revision, path)
    try:
        found = await browse.blob(place.visit.core, at, path)
    except Invalid:
        return place.visit.go(own)
    if found.text is None or not found.data or found.entry.kind != "file":
        return place.visit.go(own)
    renderer = place.visit.request.config_dict[RENDERER]
    code = await renderer.code(found.text, path.name)
    spans = await browse.blame(place.visit.core, at, path)
    if sum(span.count for span in spans) != len(code.lines):
        # To git a carriage return alone ends no line.
        code = plain(found.text.replace("\r", ""))
    return await _show_at(
        place,
        "blame.html",
        "files",
        at,
        path,
        entry=found.entry,
        code=code,
        spans=spans,
    )


def _link_target(path: RepoPath, found: browse.Blob) -> tuple[str, str]:
    """What a symbolic link holds, and the path in the repository it leads to (or empty)."""
    text = (found.data or b"").decode("utf-8", "replace")
    resolved = posixpath.normpath(posixpath.join(path.parent, text))
    try:
        inside = RepoPath.parse(resolved) if not text.startswith("/") and resolved != "." else ""
    except Invalid:
        inside = ""
    return text, inside


async def history(place: Place) -> web.StreamResponse:
    """The commits of a revision, or those that changed one path."""
    at, path = await place.at()
    skip = whole(place.visit.query("skip"))
    found = await browse.commits(place.visit.core, at, path, skip=skip, limit=COMMITS + 1)
    if not found and path and not skip:
        raise NotFound(f"There is no history of {str(path)!r}.")
    base = place.links.commits(at.revision, path)
    return await _show_at(
        place,
        "commits.html",
        "commits",
        at,
        path,
        commits=found[:COMMITS],
        next_page=f"{base}?skip={skip + COMMITS}" if len(found) > COMMITS else "",
        first=skip == 0,
        base=base,
    )


COMMITS = 40


async def commit(place: Place) -> web.StreamResponse:
    """One commit, and what it changed."""
    at, info, diff = await browse.commit(place.visit.core, place.visit.actor, place.ref, place.rest)
    base = info.parents[0] if info.parents else None
    return place.show(
        "commit.html", "commits", commit=info, diff=diff, base_oid=base, head_oid=at.commit
    )
