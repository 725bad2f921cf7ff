"""Repositories as a whole."""

from __future__ import annotations

import msgspec

from hubd.core import founding
from hubd.http.csg.endpoint import Endpoint
from hubd.http.csg.shapes import Resource
from hubd.http.hf.endpoint import TYPES, Call
from hubd.types import RepoRef, RepoType, Visibility


class NewRepo(msgspec.Struct):
    """A repository to make; what clients send beside this has no meaning here."""

    namespace: str
    name: str
    private: bool | None = None
    description: str = ""
    default_branch: str = ""
    license: str = ""
    sdk: str = ""


def _card(asked: NewRepo, kind: RepoType) -> str:
    """What a new repository's README.md says of it, in the words of the Hub's cards."""
    facts = {"license": asked.license}
    if kind is RepoType.SPACE:
        facts |= {"title": asked.name, "sdk": asked.sdk}
    lines = [
        f"{name}: {msgspec.json.encode(text).decode()}\n" for name, text in facts.items() if text
    ]
    return f"---\n{''.join(lines)}---\n" if lines else ""


async def create(call: Call) -> dict[str, str]:
    """Make a repository with its first commit; 409 if it is there."""
    asked = await call.body(NewRepo)
    kind = call.name("types").removesuffix("s")
    ref = RepoRef.parse(kind, f"{asked.namespace}/{asked.name}")
    visibility = None
    if asked.private is not None:
        visibility = Visibility.PRIVATE if asked.private else Visibility.PUBLIC
    repo = await founding.create(
        call.core,
        call.actor,
        ref,
        visibility=visibility,
        default_branch=asked.default_branch or "main",
        description=asked.description,
        card=_card(asked, ref.type),
    )
    return {"path": repo.ref.repo_id}


async def space_resources(_call: Call) -> list[Resource]:
    """Hardware for Spaces: an entry that says there is none, since clients stop without any."""
    return [Resource(id=0, name="none: Spaces are not run on this hub yet", is_available=False)]


ENDPOINTS = [
    Endpoint("POST", f"/{TYPES}", create, "Make a repository"),
    Endpoint("GET", "/space_resources", space_resources, "Hardware for Spaces"),
]
