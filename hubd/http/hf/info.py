"""What a repository is: its info at a revision, and lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType, field

from hubd.core import cards, listing, models, overview
from hubd.core.browse import At, EmptyRepoError
from hubd.core.overview import Facts
from hubd.core.rows import row_id
from hubd.errors import Invalid, NotFound, RepoNotFound
from hubd.http.hf.endpoint import (
    REPO,
    TYPES,
    Call,
    Endpoint,
    Page,
    at_revision,
    moved,
    names_of,
    selected,
)
from hubd.http.hf.shapes import Shape, Sibling, Tag, gated, sibling, when
from hubd.types import RepoType, Visibility, Wanted

_COMMON = """
    author cardData createdAt disabled downloads downloadsAllTime gated lastModified likes private
    resourceGroup sha siblings tags trendingScore usedStorage visibility
"""
_FIELDS = {
    RepoType.MODEL: f"""{_COMMON} baseModels childrenModelCount config evalResults gguf inference
        inferenceProviderMapping library_name mask_token model-index pipeline_tag safetensors
        spaces transformersInfo widgetData""",
    RepoType.DATASET: f"{_COMMON} citation description mainSize paperswithcode_id",
    RepoType.SPACE: f"{_COMMON} datasets models region runtime sdk subdomain",
    RepoType.CODE: _COMMON,
}
FIELDS = {kind: frozenset(text.split()) for kind, text in _FIELDS.items()}
_SORTS = {
    "lastModified": "updated",
    "last_modified": "updated",
    "createdAt": "created",
    "created_at": "created",
    "likes": "likes",
    "trendingScore": "likes",
    "trending_score": "likes",
    "downloads": "updated",
}
# Parameters that name a tag, and the prefix it has.
_TAG_PARAMETERS = {"pipeline_tag": "", "library": "", "tags": "", "filter": ""}
_SIZE = re.compile(r"(?P<side>min|max):(?P<number>\d{1,18}(?:\.\d{1,9})?)(?P<unit>[KMBTkmbt]?)")
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_PAGE = 100
_MOST = 1000


class RepoInfo(Shape, frozen=True, kw_only=True):
    """A repository."""

    number: str = field(name="_id")
    id: str
    model_id: str | UnsetType = UNSET
    author: str
    sha: str | UnsetType = UNSET
    last_modified: str
    created_at: str
    private: bool
    visibility: str
    gated: str | bool = False
    disabled: bool = False
    downloads: int = 0
    downloads_all_time: int | UnsetType = UNSET
    likes: int
    trending_score: int | UnsetType = UNSET
    tags: list[str]
    pipeline_tag: str | UnsetType = field(default=UNSET, name="pipeline_tag")
    library_name: str | UnsetType = field(default=UNSET, name="library_name")
    card_data: dict[str, Any] | UnsetType = UNSET
    model_index: Any = field(default=UNSET, name="model-index")
    config: dict[str, Any] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    sdk: str | UnsetType = UNSET
    safetensors: dict[str, Any] | UnsetType = UNSET
    gguf: dict[str, Any] | UnsetType = UNSET
    used_storage: int | UnsetType = UNSET
    siblings: list[Sibling] | UnsetType = UNSET
    security_repo_status: dict[str, Any] | UnsetType = UNSET


def _shape(facts: Facts, **more: Any) -> RepoInfo:
    repo, card = facts.repo, facts.card
    is_model = repo.type is RepoType.MODEL
    data = card.data if card.data is not None else UNSET
    return RepoInfo(
        number=row_id(repo.id),
        id=repo.ref.repo_id,
        model_id=repo.ref.repo_id if is_model else UNSET,
        author=repo.namespace,
        sha=facts.commit or UNSET,
        last_modified=when(repo.pushed_at or repo.created_at),
        created_at=when(repo.created_at),
        private=repo.visibility is not Visibility.PUBLIC,
        visibility=repo.visibility.value,
        gated=gated(repo.gate),
        likes=facts.likes,
        tags=card.tags,
        pipeline_tag=card.pipeline_tag or UNSET,
        library_name=card.library_name or UNSET,
        card_data=data,
        model_index=(card.data or {}).get("model-index", UNSET) if is_model else UNSET,
        config=dict(facts.config) if is_model and facts.config else UNSET,
        description=repo.description or UNSET if repo.type is RepoType.DATASET else UNSET,
        sdk=card.sdk or UNSET,
        safetensors=card.safetensors or UNSET,
        gguf=card.gguf or UNSET,
        **more,
    )


async def get_info(call: Call) -> object:
    """A repository at its main branch."""
    return await _info(call, "main")


async def get_info_at(call: Call) -> object:
    """A repository at a revision."""
    return await _info(call, call.name("rev"))


async def _info(call: Call, revision: str) -> web.Response | dict[str, Any] | RepoInfo:
    expand = call.words("expand")
    try:
        at: At | None = await call.at(revision)
    except EmptyRepoError:
        at = None
    facts = await overview.of(call.core, call.actor, call.ref, at)
    if facts.moved:
        return moved(call, call.ref, facts.repo.ref)
    more: dict[str, Any] = {"used_storage": facts.storage}
    if not expand or "siblings" in expand:
        more["siblings"] = await _siblings(call, at, blobs=call.flag("blobs"))
    if call.flag("securityStatus"):
        more["security_repo_status"] = {"scansDone": False, "filesWithIssues": []}
    return _expanded(_shape(facts, **more), expand, facts.repo.type)


def _expanded(info: RepoInfo, expand: list[str], kind: RepoType) -> dict[str, Any] | RepoInfo:
    if not expand:
        return info
    zero = {"downloadsAllTime": 0, "trendingScore": info.likes}
    value: dict[str, Any] = zero | msgspec.to_builtins(info)
    return selected(value, expand, FIELDS[kind])


async def _siblings(call: Call, at: At | None, *, blobs: bool) -> list[Sibling]:
    files = await listing.files(call.core, at, with_sizes=blobs) if at is not None else []
    return [sibling(entry, blobs=blobs) for entry in files]


async def list_repos(call: Call) -> Page:
    """Repositories that the caller may see, by author, words and tags."""
    kind = names_of(call.name("types"))
    expand, full = call.words("expand"), call.flag("full")
    limit = call.number("limit", _PAGE, _MOST)
    wanted = Wanted(
        type=kind,
        namespace=call.text("author") or None,
        search=" ".join(call.words("search")),
        tags=_wanted_tags(call),
        parameters=_wanted_size(call),
        gated=call.flag("gated") if call.text("gated") else None,
    )
    sort, cursor = _sort(call), call.text("cursor") or None
    try:
        found, after = await overview.listing(
            call.core, call.actor, wanted, sort=sort, after=cursor, limit=max(1, limit)
        )
    except NotFound:
        return Page([], None)
    with_siblings = "siblings" in expand or (full and not expand)
    shown = [await _listed(call, facts, with_siblings=with_siblings) for facts in found]
    return Page([_expanded(info, expand, kind) for info in shown], after)


def _wanted_tags(call: Call) -> Sequence[str]:
    tags = [value for name in _TAG_PARAMETERS for value in call.words(name)]
    # Old clients join several by commas.
    tags = [part for tag in tags for part in tag.split(",") if part]
    for name in ("datasets", "models"):
        tags += [f"{name.removesuffix('s')}:{value}" for value in call.words(name)]
    return tags[:20]


def _wanted_size(call: Call) -> tuple[int | None, int | None] | None:
    """``min:6B,max:128B``, of which either may be left out; raises ``Invalid``."""
    text = call.text("num_parameters")
    if not text:
        return None
    bounds: dict[str, int] = {}
    for part in text.split(","):
        found = _SIZE.fullmatch(part.strip())
        if found is None or found["side"] in bounds:
            raise Invalid("num_parameters is like min:6B,max:128B.")
        number = float(found["number"]) * _UNITS[found["unit"].upper()]
        bounds[found["side"]] = round(min(number, 2.0**62))
    return bounds.get("min"), bounds.get("max")


def _sort(call: Call) -> str:
    asked = call.text("sort")
    if asked and asked not in _SORTS:
        raise Invalid(f"Lists cannot be sorted by {asked[:50]!r}.")
    return _SORTS.get(asked, "updated")


async def _listed(call: Call, facts: Facts, *, with_siblings: bool) -> RepoInfo:
    more: dict[str, Any] = {}
    if with_siblings:
        ref = facts.repo.ref
        at = await at_revision(call.core, call.actor, ref, facts.commit) if facts.commit else None
        more["siblings"] = await _siblings(call, at, blobs=False)
    info = _shape(facts, **more)
    if call.flag("cardData") or call.flag("full") or call.words("expand"):
        return info
    return msgspec.structs.replace(info, card_data=UNSET)


class ShardedHeads(Shape, frozen=True, kw_only=True):
    """The index of a sharded model without its map, which the heads repeat, and the heads."""

    index: dict[str, msgspec.Raw]
    headers: dict[str, msgspec.Raw]


async def sharded_heads(call: Call) -> ShardedHeads | web.Response:
    """The heads of all shards of a model at its main branch."""
    at = await call.at("main")
    if at.found.moved:
        return moved(call, call.ref, at.found.repo.ref)
    index, heads = await models.headers(call.core, at, call.name("path"))
    return ShardedHeads(index={"metadata": index.metadata}, headers=heads)


async def tags_by_type(call: Call) -> dict[str, list[Tag]]:
    """The tags that models or datasets have, by their kind."""
    found: dict[str, list[Tag]] = {}
    for tag in await cards.tags(call.core, call.actor, names_of(call.name("types"))):
        prefix, colon, label = tag.partition(":")
        kind = prefix if colon else "other"
        shown = Tag(id=tag, label=label if colon else tag, type=kind)
        found.setdefault(kind, []).append(shown)
    return found


async def no_namespace(call: Call) -> None:
    """Repositories without an owner's name do not exist here."""
    raise RepoNotFound(f"Repository {call.name('name')!r} not found.")


ENDPOINTS = [
    Endpoint("GET", "/api/" + TYPES, list_repos, "List repositories"),
    Endpoint("GET", "/api/{types:models|datasets}-tags-by-type", tags_by_type, "All tags"),
    Endpoint("GET", "/api/" + TYPES + "/{name}", no_namespace, "A name without an owner"),
    Endpoint(
        "GET",
        REPO.replace(TYPES, "{types:models}") + "/safetensors-metadata/{path:.+}",
        sharded_heads,
        "The heads of a sharded model's files",
    ),
    Endpoint("GET", REPO, get_info, "What a repository is"),
    Endpoint("GET", REPO + "/revision/{rev}", get_info_at, "What it is at a revision"),
]
