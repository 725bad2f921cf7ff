"""Repositories as a whole: list, make, show, change, delete, like."""

from __future__ import annotations

import msgspec

from hubd.core import browse, cards, cardtags, founding, overview, repos
from hubd.core.browse import EmptyRepoError
from hubd.core.overview import Facts
from hubd.core.rows import Repo
from hubd.errors import Invalid, NotBuilt, RepoNotFound
from hubd.http.context import public_url
from hubd.http.csg.endpoint import REPO, Endpoint, Listed, Span
from hubd.http.csg.shapes import CloneUrls, Owner, RepoShown, Resource, Tag
from hubd.http.hf.endpoint import TYPES, Call, names_of
from hubd.http.hf.shapes import when
from hubd.names import check_name
from hubd.types import RepoRef, RepoType, Visibility, Wanted

_SORTS = {
    "": "updated",
    "trending": "likes",
    "recently_update": "updated",
    "most_download": "updated",
    "most_favorite": "likes",
    "most_star": "likes",
}
# Categories whose tags the Hub's cards give a prefix.
_PREFIXED = {"license", "dataset"}
_MOST_TAGS = 20
_MAX_ROW = 2**53


class NewRepo(msgspec.Struct):
    """A repository to make; what clients send beside this has no meaning here."""

    namespace: str
    name: str
    private: bool | None = None
    description: str = ""
    default_branch: str = ""
    license: str = ""
    sdk: str = ""


class Changes(msgspec.Struct):
    """What to change of a repository; None leaves as it is."""

    private: bool | None = None
    description: str | None = None
    default_branch: str | None = None


class ToTransfer(msgspec.Struct):
    """Who gets a repository."""

    new_namespace: str


def _visibility(private: bool | None) -> Visibility | None:  # noqa: FBT001
    if private is None:
        return None
    return Visibility.PRIVATE if private else Visibility.PUBLIC


def _card(asked: NewRepo, kind: RepoType) -> str:
    """What a new repository's README.md says of it, in the words of the Hub's cards."""
    facts = {"license": asked.license}
    if kind is RepoType.SPACE:
        facts |= {"title": asked.name, "sdk": asked.sdk}
    # A JSON string is one of YAML too.
    lines = [
        f"{key}: {msgspec.json.encode(text).decode()}\n" for key, text in facts.items() if text
    ]
    return f"---\n{''.join(lines)}---\n" if lines else ""


def _tag(text: str) -> Tag:
    category, colon, name = text.partition(":")
    return Tag(name=name, category=category) if colon else Tag(name=text)


def _shown(call: Call, facts: Facts) -> RepoShown:
    repo = facts.repo
    # As git is given it: with the type, also that of models.
    path = f"{repo.type}s/{repo.ref.repo_id}.git"
    tags = [_tag(text) for text in facts.card.tags]
    return RepoShown(
        id=repo.id,
        repository_id=repo.id,
        name=repo.name,
        nickname=repo.name,
        path=repo.ref.repo_id,
        description=repo.description,
        private=repo.visibility is not Visibility.PUBLIC,
        visibility=repo.visibility.value,
        default_branch=repo.default_branch,
        likes=facts.likes,
        license=next((tag.name for tag in tags if tag.category == "license"), ""),
        tags=tags,
        repository=CloneUrls(
            http_clone_url=f"{public_url(call.request)}/{path}",
            ssh_clone_url=f"{call.core.ssh_url}/{path}" if call.core.ssh_url else "",
        ),
        namespace=Owner(path=repo.namespace),
        created_at=when(repo.created_at),
        updated_at=when(repo.pushed_at or repo.created_at),
    )


async def create(call: Call) -> RepoShown:
    """Make a repository with its first commit; 409 if it is there."""
    asked = await call.body(NewRepo)
    ref = RepoRef.parse(names_of(call.name("types")), f"{asked.namespace}/{asked.name}")
    repo = await founding.create(
        call.core,
        call.actor,
        ref,
        visibility=_visibility(asked.private),
        default_branch=asked.default_branch or "main",
        description=asked.description,
        card=_card(asked, ref.type),
    )
    return await _now(call, repo.ref)


async def get(call: Call) -> RepoShown:
    """What a repository is."""
    return await _now(call, call.ref)


async def _now(call: Call, ref: RepoRef) -> RepoShown:
    try:
        at: browse.At | None = await browse.at(call.core, call.actor, ref)
    except EmptyRepoError:
        at = None
    return _shown(call, await overview.of(call.core, call.actor, ref, at))


async def update(call: Call) -> RepoShown:
    """Change what is said of a repository, who may read it, its default branch."""
    asked = await call.body(Changes)
    repo = await repos.change(
        call.core,
        call.actor,
        call.ref,
        description=asked.description,
        visibility=_visibility(asked.private),
        default_branch=asked.default_branch or None,
    )
    return await _now(call, repo.ref)


async def delete(call: Call) -> None:
    """Put a repository into the trash."""
    await repos.delete(call.core, call.actor, call.ref)


async def transfer(call: Call) -> None:
    """Give a repository to another user or organization; the old address redirects."""
    asked = await call.body(ToTransfer)
    ref = call.ref
    new = RepoRef.parse(ref.type, f"{asked.new_namespace}/{ref.name}")
    await repos.rename(call.core, call.actor, ref, new)


async def listing(call: Call) -> Listed:
    """Repositories that the caller may see, by words and tags."""
    return await _page(call, None)


async def of_owner(call: Call) -> Listed:
    """Those of a user or organization."""
    return await _page(call, check_name(call.name("owner"), "namespace"))


async def _page(call: Call, namespace: str | None) -> Listed:
    kind, span = names_of(call.name("types")), Span.of(call)
    if call.text("source") not in {"", "local", "opencsg"}:
        raise NotBuilt("Mirrors are not there on this hub yet.")
    if call.text("sort") not in _SORTS:
        raise Invalid(f"Lists cannot be sorted by {call.text('sort')[:50]!r}.")
    prefixes = [f"{name}:" if name in _PREFIXED else "" for name in call.words("tag_category")]
    names = call.words("tag_name")[:_MOST_TAGS]
    # A category for each name, in their order, or none.
    prefixes += [""] * (len(names) - len(prefixes))
    tags = [prefix + name for prefix, name in zip(prefixes, names, strict=False)]
    wanted = Wanted(type=kind, namespace=namespace, search=call.text("search"), tags=tags)
    found, _ = await overview.listing(
        call.core,
        call.actor,
        wanted,
        sort=_SORTS[call.text("sort")],
        after=str(span.start),
        limit=span.count,
    )
    total = await repos.count(call.core, call.actor, wanted)
    return Listed([_shown(call, facts) for facts in found], total)


async def liked(call: Call) -> Listed:
    """What a user likes, of one type."""
    kind, span = names_of(call.name("types")), Span.of(call)
    found = await overview.liked(call.core, call.actor, call.name("user"), limit=10_000)
    refs = [RepoRef(one.type, one.namespace, one.name) for one in found if one.type is kind]
    part = span.part(refs)
    return Listed([await _now(call, ref) for ref in part.items], part.total)


async def like(call: Call) -> None:
    """Like a repository."""
    await _like(call, likes_it=True)


async def unlike(call: Call) -> None:
    """Like it no longer."""
    await _like(call, likes_it=False)


async def _like(call: Call, *, likes_it: bool) -> None:
    if call.actor.is_signed_in and call.name("user").lower() != call.actor.name.lower():
        raise Invalid("You can like for yourself only.")
    repo = await _by_number(call)
    await overview.like(call.core, call.actor, repo.ref, likes_it=likes_it)


async def _by_number(call: Call) -> Repo:
    number = int(call.name("id"))
    if number > _MAX_ROW:
        raise RepoNotFound("Repository not found.")
    return await repos.by_id(call.core, number)


async def tags(call: Call) -> list[Tag]:
    """All tags that repositories of a type (``scope``) have."""
    scope = call.text("scope") or "model"
    if scope not in set(RepoType):
        raise Invalid("The scope is model, dataset, space or code.")
    found = await cards.tags(call.core, call.actor, RepoType(scope))
    return [_tag(text) for text in found]


async def put_tags(call: Call) -> None:
    """Set the tags of a category, in the card at the head of README.md."""
    names = await call.body(list[str])
    await cardtags.put(call.core, call.actor, call.ref, call.name("category"), names)


async def space_resources(_call: Call) -> list[Resource]:
    """Hardware for Spaces: an entry that says there is none, since clients stop without any."""
    return [Resource(id=0, name="none: Spaces are not run on this hub yet", is_available=False)]


_LIKE = r"/user/{user}/likes/{id:\d{1,18}}"
ENDPOINTS = [
    Endpoint("GET", f"/{TYPES}", listing, "List repositories"),
    Endpoint("POST", f"/{TYPES}", create, "Make a repository"),
    Endpoint("GET", REPO, get, "What a repository is"),
    Endpoint("PUT", REPO, update, "Change a repository"),
    Endpoint("DELETE", REPO, delete, "Delete a repository"),
    Endpoint("POST", REPO + "/transfer", transfer, "Give a repository to another owner"),
    Endpoint("GET", f"/user/{{owner}}/{TYPES}", of_owner, "Those of a user"),
    Endpoint("GET", f"/organization/{{owner}}/{TYPES}", of_owner, "Those of an organization"),
    Endpoint("PUT", _LIKE, like, "Like"),
    Endpoint("DELETE", _LIKE, unlike, "Like no longer"),
    Endpoint("GET", f"/user/{{user}}/likes/{TYPES}", liked, "What a user likes"),
    Endpoint("GET", "/tags", tags, "All tags"),
    Endpoint("POST", REPO + "/tags/{category}", put_tags, "Set the tags of a category"),
    Endpoint("GET", "/space_resources", space_resources, "Hardware for Spaces"),
]
