"""Repositories: find, make, change, move, delete."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from hubd.core import duplicate, repos, trash
from hubd.core.rows import Repo
from hubd.http.api.endpoint import REPO, Call, Endpoint, Page
from hubd.http.api.shapes import Answer, Mark, Name, Request, Time, maybe_when, when
from hubd.http.context import public_url
from hubd.names import MAX_REF_BYTES
from hubd.types import Gate, RepoRef, RepoType, Visibility, Wanted

Description = Annotated[str, Meta(max_length=500)]
Branch = Annotated[str, Meta(min_length=1, max_length=MAX_REF_BYTES)]


class RepoAnswer(Answer, frozen=True, kw_only=True):
    """A repository; ``path`` is its address below the hub's root."""

    type: RepoType
    namespace: str
    name: str
    path: str
    description: str
    visibility: Visibility
    gate: Gate
    archived: bool
    default_branch: str
    object_format: str
    size_bytes: int
    created_at: Time
    updated_at: Time
    pushed_at: Time | None
    http_url: str
    ssh_url: str


class DeletedRepo(Answer, frozen=True, kw_only=True):
    """A repository in the trash, and when it will be gone for good."""

    id: int
    type: RepoType
    name: str
    deleted_at: Time
    purged_at: Time


class Restoration(Request, frozen=True, kw_only=True):
    """Where to a repository comes back."""

    name: Annotated[Name, Meta(description="None: the one it had.")] | None = None


class ReposQuery(Request, frozen=True, kw_only=True):
    """Which repositories, and which part of the list."""

    type: RepoType | None = None
    namespace: Name | None = None
    search: Annotated[str, Meta(max_length=200)] = ""
    sort: Literal["updated", "name"] = "updated"
    after: Annotated[Mark, Meta(pattern=r"^\d{1,9}$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class NewRepo(Request, frozen=True, kw_only=True):
    """A repository to be; without a visibility it gets the namespace's own."""

    type: RepoType = RepoType.MODEL
    namespace: Annotated[Name, Meta(description="None: one's own.")] | None = None
    name: Name
    description: Description = ""
    visibility: Visibility | None = None
    default_branch: Branch = "main"
    object_format: Literal["sha1", "sha256"] = "sha1"


class RepoChange(Request, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    description: Description | None = None
    visibility: Visibility | None = None
    default_branch: Branch | None = None
    archived: bool | None = None


class Move(Request, frozen=True, kw_only=True):
    """Another name, another owner, or both; what is left out stays."""

    namespace: Name | None = None
    name: Name | None = None


class Copy(Request, frozen=True, kw_only=True):
    """The copy to be: without a namespace in one's own, without a name under the same."""

    namespace: Name | None = None
    name: Name | None = None
    visibility: Annotated[
        Visibility | None, Meta(description="None: the namespace's own, and never more than here.")
    ] = None


def _repo_answer(call: Call, repo: Repo) -> RepoAnswer:
    path = repo.ref.path
    return RepoAnswer(
        type=repo.type,
        namespace=repo.namespace,
        name=repo.name,
        path=path,
        description=repo.description,
        visibility=repo.visibility,
        gate=repo.gate,
        archived=repo.archived_at is not None,
        default_branch=repo.default_branch,
        object_format=repo.object_format,
        size_bytes=repo.size_bytes,
        created_at=when(repo.created_at),
        updated_at=when(repo.updated_at),
        pushed_at=maybe_when(repo.pushed_at),
        http_url=f"{public_url(call.request)}/{path}",
        ssh_url=f"{call.core.ssh_url}/{path}",
    )


async def list_repos(call: Call, query: ReposQuery) -> Page[RepoAnswer]:
    """The repositories that one may see."""
    found, after = await repos.listing(
        call.core,
        call.actor,
        Wanted(type=query.type, namespace=query.namespace, search=query.search),
        sort=query.sort,
        after=query.after,
        limit=query.limit,
    )
    return Page([_repo_answer(call, repo) for repo in found], after)


async def create_repo(call: Call, body: NewRepo) -> RepoAnswer:
    """Make an empty repository."""
    namespace = body.namespace or call.actor.name or "anonymous"
    found = await repos.create(
        call.core,
        call.actor,
        RepoRef.parse(body.type, f"{namespace}/{body.name}"),
        visibility=body.visibility,
        object_format=body.object_format,
        default_branch=body.default_branch,
        description=body.description,
    )
    return _repo_answer(call, found.repo)


async def get_repo(call: Call) -> RepoAnswer:
    """One repository."""
    return _repo_answer(call, (await repos.find(call.core, call.actor, call.ref)).repo)


async def update_repo(call: Call, body: RepoChange) -> RepoAnswer:
    """Change settings of a repository."""
    repo = await repos.change(
        call.core,
        call.actor,
        call.ref,
        description=body.description,
        visibility=body.visibility,
        default_branch=body.default_branch,
        archived=body.archived,
    )
    return _repo_answer(call, repo)


async def move_repo(call: Call, body: Move) -> RepoAnswer:
    """Rename or transfer; the old address redirects, for git too."""
    old = call.ref
    new = RepoRef.parse(old.type, f"{body.namespace or old.namespace}/{body.name or old.name}")
    return _repo_answer(call, await repos.rename(call.core, call.actor, old, new))


async def duplicate_repo(call: Call, body: Copy) -> RepoAnswer:
    """Make a copy: branches, tags and large files; whoever makes it must be let in by a gate."""
    old = call.ref
    new = RepoRef.parse(old.type, f"{body.namespace or call.actor.name}/{body.name or old.name}")
    found = await duplicate.duplicate(call.core, call.actor, old, new, visibility=body.visibility)
    return _repo_answer(call, found.repo)


async def delete_repo(call: Call) -> None:
    """Put into the trash, from where it can be restored for a week."""
    await repos.delete(call.core, call.actor, call.ref)


async def list_trash(call: Call) -> Page[DeletedRepo]:
    """The deleted repositories of a user or organization, the latest first."""
    found = await trash.listing(call.core, call.actor, call.names["namespace"])
    return Page(
        [
            DeletedRepo(
                id=repo.id,
                type=repo.type,
                name=repo.name,
                deleted_at=when(repo.deleted_at or 0),
                purged_at=when((repo.deleted_at or 0) + trash.DAYS * 86400),
            )
            for repo in found
        ],
        None,
    )


async def restore_repo(call: Call, body: Restoration) -> RepoAnswer:
    """Take a repository out of the trash, to an address that is free."""
    namespace = call.names["namespace"]
    repo = await trash.restore(call.core, call.actor, namespace, call.id, body.name)
    return _repo_answer(call, repo)


_TRASH = "/namespaces/{namespace}/trash"
ENDPOINTS = [
    Endpoint("GET", "/repos", list_repos, "List repositories", refusals=(404,)),
    Endpoint("POST", "/repos", create_repo, "Create a repository", status=201),
    Endpoint("GET", REPO, get_repo, "Get a repository"),
    Endpoint("PATCH", REPO, update_repo, "Change a repository"),
    Endpoint("DELETE", REPO, delete_repo, "Delete a repository"),
    Endpoint("GET", _TRASH, list_trash, "List deleted repositories"),
    Endpoint("POST", _TRASH + "/{id}/restore", restore_repo, "Restore a repository"),
    Endpoint("POST", REPO + "/copies", duplicate_repo, "Duplicate a repository", status=201),
    Endpoint("PUT", REPO + "/address", move_repo, "Rename or transfer a repository"),
]
