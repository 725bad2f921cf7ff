"""Tags set by hand: a commit that changes one field at the head of README.md, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from hubd.core import browse, cards, commits, listing, repos
from hubd.core.browse import EmptyRepoError
from hubd.core.context import Core
from hubd.errors import Conflict, Invalid
from hubd.types import Actor, RepoAction, RepoRef, RepoType

_README = "README.md"
_MAX_README = 1024 * 1024
_MOST = 100
# The field of a card that has the tags of a category, and whether it takes several.
_FIELDS = {
    "license": ("license", False),
    "language": ("language", True),
    "framework": ("library_name", False),
    "other": ("tags", True),
}
_TASKS = {RepoType.MODEL: ("pipeline_tag", False), RepoType.DATASET: ("task_categories", True)}


async def put(core: Core, actor: Actor, ref: RepoRef, category: str, tags: Sequence[str]) -> None:
    """Replace the tags of a category (license, language, framework, task or other) by these.

    Raises ``Invalid`` for another category, and for a card that cannot be changed line by line.
    """
    repo = (await repos.find(core, actor, ref, RepoAction.PUSH)).repo
    field, several = _field(category, repo.type)
    if len(tags) > (_MOST if several else 1):
        raise Invalid(f"The category {category!r} has too many tags.")
    try:
        at = await browse.at(core, actor, ref)
        readme = await listing.head(core, at, _README, _MAX_README)
        if readme is None and await listing.some(core, at, [_README]):
            raise Conflict("README.md is no file that the hub can change.")
    except EmptyRepoError:
        at, readme = None, None
    value = list(tags) if several else next(iter(tags), None)
    changed = edited(readme or b"", field, value or None)
    if changed != readme:
        change = commits.AddFile(_README, changed)
        parent = at.commit if at is not None else None
        await commits.commit(core, actor, ref, [change], f"Set {field}", parent=parent)


def _field(category: str, kind: RepoType) -> tuple[str, bool]:
    found = _TASKS.get(kind) if category == "task" else _FIELDS.get(category)
    if found is None:
        raise Invalid(f"Tags of the category {category[:50]!r} cannot be set on a {kind}.")
    return found


def edited(readme: bytes, field: str, value: str | list[str] | None) -> bytes:
    """A README whose head has this value in a field, or None: has it not; the rest as it was."""
    try:
        text = readme.decode()
    except UnicodeDecodeError:
        raise Invalid("README.md is not UTF-8.") from None
    head, rest = cards.split(text)
    # The field's line, and what belongs to it: lines further in, or of a list.
    block = re.compile(rf"^{field}[ \t]*:.*\n(?:(?:[ \t].*|-[ \t].*|[ \t]*)\n)*", re.MULTILINE)
    kept = block.sub("", head)
    # A JSON value is one of YAML too.
    line = f"{field}: {msgspec.json.encode(value).decode()}\n" if value is not None else ""
    others = {name: data for name, data in _data(head).items() if name != field}
    after = others if value is None else {**others, field: value}
    if _data(kept) != others or _data(kept + line) != after:
        raise Invalid("The head of README.md cannot be changed by itself.", hint="Edit the file.")
    new = kept + line
    return f"---\n{new}---\n{rest}".encode() if new or head else readme


def _data(head: str) -> dict[str, Any]:
    lines = (line.strip() for line in head.splitlines())
    return cards.parsed(head) if any(line and line[0] != "#" for line in lines) else {}
