"""Cards: what the head of a README.md says of a repository, and the tags that follow from it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import msgspec
import structlog
import yaml

from hubd import access
from hubd.core import browse, listing, models
from hubd.core.browse import At
from hubd.core.context import Core
from hubd.errors import HubError, Invalid
from hubd.store import cards as table
from hubd.store.cards import Card
from hubd.store.repos import Repo
from hubd.types import Actor, RepoType

MAX_HEAD = 256 * 1024
_MAX_README = 1024 * 1024
_MAX_CONFIG = 256 * 1024
# The C parser recurses in C without looking at its stack: depth is counted before it builds.
_MAX_DEPTH = 40
_MAX_EVENTS = 50_000
_CATCH_UP_SECONDS = 2.0
_MOST_TAGS = 500
_HEAD = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_SDKS = ("gradio", "streamlit", "docker", "static")
# Fields of a card that become tags, by the prefix of the tag.
_MODEL_TAGS = {"datasets": "dataset", "license": "license", "base_model": "base_model"}
_DATASET_TAGS = {
    "task_categories": "task_categories",
    "task_ids": "task_ids",
    "annotations_creators": "annotations_creators",
    "language_creators": "language_creators",
    "language": "language",
    "license": "license",
    "multilinguality": "multilinguality",
    "size_categories": "size_categories",
    "source_datasets": "source_datasets",
}
_CONFIG_KEYS = ("architectures", "model_type", "auto_map", "quantization_config")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a card, and what could be better."""

    errors: list[str]
    warnings: list[str]


def front_matter(readme: bytes) -> dict[str, Any] | None:
    """The YAML head of a README; None without one. Raises ``Invalid`` with the reason."""
    found = _HEAD.match(readme[:_MAX_README].decode("utf-8", "replace"))
    if found is None:
        return None
    return parsed(found[1])


def split(readme: str) -> tuple[str, str]:
    """The YAML head of a README, empty without one, and what follows it."""
    found = _HEAD.match(readme)
    return (found[1], readme[found.end() :].removeprefix("\n")) if found else ("", readme)


@lru_cache(maxsize=64)
def parsed(text: str) -> dict[str, Any]:
    """YAML that is a mapping, as JSON can say it; not to be changed. Raises ``Invalid``."""
    if len(text) > MAX_HEAD:
        raise Invalid(f"The YAML at the head of the card is longer than {MAX_HEAD} characters.")
    try:
        _bound(text)
        found = yaml.load(text, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where is not None else ""
        reason = getattr(error, "problem", None) or str(error) or "it is malformed"
        raise Invalid(f"The YAML at the head of the card cannot be read{line}: {reason}.") from None
    if not isinstance(found, dict):
        raise Invalid("The YAML at the head of the card must be a mapping.")
    plain: dict[str, Any] = _plain(found)
    return plain


def _bound(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, yaml.CSafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("aliases are not supported")  # noqa: TRY004
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH or count > _MAX_EVENTS:
            raise ValueError("it is too deep or too large")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(_plain(name)): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**63:
        return value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    # Neither JSON nor a database has a use for these.
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def validate(content: str, repo_type: RepoType) -> Verdict:
    """Judge a README before it is committed."""
    try:
        data = front_matter(content.encode("utf-8", "replace"))
    except Invalid as error:
        return Verdict([error.sentence], [])
    if data is None:
        return Verdict([], ["empty or missing yaml metadata in repo card"])
    errors = [
        f'"{name}" must be a text or a list of texts'
        for name in ("license", "language", "tags", "datasets", "base_model")
        if not _is_texts(data.get(name))
    ]
    if repo_type is RepoType.SPACE and data.get("sdk") not in {None, *_SDKS}:
        errors.append(f'"sdk" must be one of {", ".join(_SDKS)}')
    return Verdict(errors, [])


def _is_texts(value: Any) -> bool:
    # YAML reads the language "no" as a boolean.
    plain = (str, int, float, bool)
    return (
        value is None
        or isinstance(value, plain)
        or (isinstance(value, list) and all(isinstance(item, plain) for item in value))
    )


def _texts(value: Any) -> list[str]:
    if value is False:
        return ["no"]
    if isinstance(value, str | int):
        return [str(value)]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def described(
    repo_type: RepoType,
    data: Mapping[str, Any] | None,
    config: Mapping[str, Any],
    paths: Iterable[str],
) -> Card:
    """What follows from a card, a model's ``config.json`` and the names of the files."""
    card = dict(data) if data is not None else None
    head = card or {}
    library = _text(head.get("library_name"))
    if repo_type is RepoType.MODEL and library is None and _text(config.get("model_type")):
        library = "transformers"
    pipeline = _text(head.get("pipeline_tag")) if repo_type is RepoType.MODEL else None
    sdk = _text(head.get("sdk")) if repo_type is RepoType.SPACE else None
    tags = list(dict.fromkeys(_tags(repo_type, head, config, paths, library, pipeline, sdk)))
    return Card(card, tags[:_MOST_TAGS], pipeline, library, sdk)


def _tags(
    repo_type: RepoType,
    head: Mapping[str, Any],
    config: Mapping[str, Any],
    paths: Iterable[str],
    *single: str | None,
) -> Iterator[str]:
    yield from (text for text in single if text)
    if repo_type is RepoType.MODEL:
        suffixes = {path.rpartition(".")[2] for path in paths if "/" not in path}
        yield from (kind for kind in ("safetensors", "gguf", "onnx") if kind in suffixes)
        yield from _texts(config.get("model_type"))
        yield from _texts(head.get("language"))
    yield from _texts(head.get("tags"))
    fields = _DATASET_TAGS if repo_type is RepoType.DATASET else _MODEL_TAGS
    for name, prefix in fields.items():
        yield from (f"{prefix}:{text}" for text in _texts(head.get(name)))


async def of(core: Core, at: At) -> tuple[Card, dict[str, Any]]:
    """The card at a commit, and of a model what its configuration says."""
    kind = at.found.repo.type
    readme = await listing.head(core, at, "README.md", _MAX_README)
    try:
        data = front_matter(readme) if readme else None
    except Invalid:
        data = None
    config: dict[str, Any] = {}
    if kind is RepoType.MODEL:
        config = _config(await listing.head(core, at, "config.json", _MAX_CONFIG))
    page, _ = await listing.page(core, at, limit=1000)
    card = described(kind, data, config, [e.path for e in page if not e.is_folder])
    if kind is RepoType.MODEL:
        tensors, gguf = await models.of(core, at, page)
        card = msgspec.structs.replace(card, safetensors=tensors, gguf=gguf)
    return card, config


def _config(data: bytes | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data) if data else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: found[name] for name in _CONFIG_KEYS if name in found}


async def catch_up(core: Core) -> None:
    """Read the cards of repositories that were pushed to since, before they are searched.

    Stops after two seconds; what is left is read next time.
    """
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while time.monotonic() < deadline:
        async with core.store.read() as conn:
            stale = await table.stale(conn, 20)
        if not stale:
            return
        for repo in stale:
            await _refresh(core, repo)


async def _refresh(core: Core, repo: Repo) -> None:
    seen_at = repo.updated_at
    try:
        at = await browse.at(core, Actor.system(), repo.ref)
        commit, card = at.commit, (await of(core, at))[0]
    except HubError as error:
        # Listed without a card, rather than not at all.
        log.info("cards.unreadable", repo_id=repo.id, reason=error.message)
        commit, card = "", Card()
    await core.store.write(lambda conn: table.put(conn, repo.id, commit, seen_at, card))


async def tags(core: Core, actor: Actor, repo_type: RepoType) -> list[str]:
    """The tags of what the actor may see, the most used first."""
    await catch_up(core)
    async with core.store.read() as conn:
        return await table.tags(conn, access.visible(actor), repo_type.value, 5000)
