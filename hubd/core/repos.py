"""Repositories: find, create, rename, move, change and delete."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubd import access
from hubd.core.context import Core
from hubd.errors import (
    Conflict,
    Denied,
    Gated,
    GatedSignIn,
    Invalid,
    NotFound,
    RepoNotFound,
    Unavailable,
)
from hubd.names import check_name
from hubd.obs.failpoints import afail
from hubd.store import audit, namespaces, queries, repos, users
from hubd.store.engine import Connection
from hubd.store.orgs import Member
from hubd.store.repos import Repo
from hubd.types import (
    Actor,
    ActorKind,
    NamespaceAction,
    RefName,
    RepoAction,
    RepoRef,
    RequestState,
    Role,
    Visibility,
    Wanted,
)

DOING = {
    RepoAction.READ: "read this repository",
    RepoAction.FETCH: "read the files of this repository",
    RepoAction.PUSH: "push to this repository",
    RepoAction.UPLOAD: "upload files to this repository",
    RepoAction.ASK_ACCESS: "ask for access to this repository",
    RepoAction.ANSWER_REQUESTS: "decide who gets the files of this repository",
    RepoAction.DISCUSS: "take part in this repository's discussions",
    RepoAction.MODERATE: "moderate this repository's discussions",
    RepoAction.MANAGE_SETTINGS: "change this repository's settings",
    RepoAction.CHANGE_VISIBILITY: "change who sees this repository",
    RepoAction.RENAME: "rename this repository",
    RepoAction.TRANSFER: "transfer this repository",
    RepoAction.ARCHIVE: "archive this repository",
    RepoAction.DELETE: "delete this repository",
    RepoAction.MANAGE_ACCESS: "manage who has access to this repository",
    RepoAction.MAINTAIN: "maintain this repository",
    RepoAction.BREAK_LOCKS: "break the locks of others",
    RepoAction.REMOVE_OBJECTS: "remove large files of this repository",
    RepoAction.RUN_SPACE: "decide how this Space runs",
}
OBJECT_FORMATS = ("sha1", "sha256")


@dataclass(frozen=True, slots=True)
class Found:
    """A repository that the actor may act on; ``moved`` if it was asked for by an old name.

    ``files`` is what the rules say of the bytes of its files, ``request`` where the actor's own
    request for them stands.
    """

    repo: Repo
    path: Path
    role: Role
    moved: bool
    files: access.Verdict = access.Verdict.ALLOW
    request: RequestState | None = None

    @property
    def has_files(self) -> bool:
        """Whether the actor may have the bytes of its files."""
        return self.files is access.Verdict.ALLOW


async def find(
    core: Core, actor: Actor, ref: RepoRef, action: RepoAction = RepoAction.READ
) -> Found:
    """Look up and judge in one step; raises ``NotFound`` for what the actor may not know of."""
    found = await core.store.remembered(queries.repo_access, ref, actor.user_id)
    if found is None:
        raise RepoNotFound("Repository not found.")
    facts = access.repo_facts(found)
    verdict = access.decide(actor, action, facts)
    if action is not RepoAction.FETCH:
        access.require(verdict, DOING[action])
    files = access.decide(actor, RepoAction.FETCH, facts)
    path, role = core.path_of(found.repo.id), access.repo_role(actor, facts)
    judged = Found(found.repo, path, role, found.moved, files, found.request)
    if action is RepoAction.FETCH:
        require_files(core, judged)
    return judged


async def find_for_upload(core: Core, actor: Actor, ref: RepoRef) -> Found:
    """For who may push, or may at least open a pull request, which its objects precede."""
    try:
        return await find(core, actor, ref, RepoAction.PUSH)
    except Denied:
        if not actor.is_signed_in:
            raise
    found = await find(core, actor, ref, RepoAction.UPLOAD)
    require_files(core, found)
    return found


async def find_for_content(core: Core, actor: Actor, ref: RepoRef, *, may_write: bool) -> Found:
    """For who brings or fetches large files."""
    if may_write:
        return await find_for_upload(core, actor, ref)
    return await find(core, actor, ref, RepoAction.FETCH)


_TOLD = {
    None: "{} is restricted and you are not in the authorized list. Visit {} to ask for access.",
    RequestState.PENDING: "{} is restricted. Your request awaits a review of its owners.",
    RequestState.REJECTED: "{} is restricted. Your request was rejected by its owners.",
}


def require_files(core: Core, found: Found) -> None:
    """Raise unless whom a repository was found for may have the bytes of its files.

    Whatever reads bytes of files, or what of them changed, comes through here.
    """
    repo = found.repo
    what, url = f"Access to {repo.type} {repo.ref.repo_id}", f"{core.origin}/{repo.ref.path}"
    match found.files:
        case access.Verdict.GATED:
            told = _TOLD.get(found.request, _TOLD[None])
            raise Gated(told.format(what, url))
        case access.Verdict.GATED_SIGN_IN:
            raise GatedSignIn(f"{what} is restricted. Sign in, or visit {url} to ask for access.")
        case verdict:
            access.require(verdict, DOING[RepoAction.FETCH])


async def by_id(core: Core, repo_id: int) -> Repo:
    """A repository that a signed address or the daemon itself names; raises ``NotFound``."""
    async with core.store.read() as conn:
        repo = await repos.by_id(conn, repo_id)
    if repo is None or repo.deleted_at is not None:
        raise RepoNotFound("Repository not found.")
    return repo


async def create(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    *,
    visibility: Visibility | None = None,
    object_format: str = "sha1",
    default_branch: str = "main",
    description: str = "",
) -> Found:
    """Make an empty repository; the row comes first and the directory follows it."""
    if object_format not in OBJECT_FORMATS:
        raise Invalid("The object format is sha1 or sha256.")
    RefName.branch(default_branch)
    check_name(ref.name, "repository")
    namespace_id, shown_name, default = await _creatable(core, actor, ref.namespace)

    async def work(conn: Connection) -> int:
        repo_id = await repos.add(
            conn,
            type=ref.type,
            namespace_id=namespace_id,
            name=ref.name,
            visibility=visibility or default,
            default_branch=default_branch,
            object_format=object_format,
            created_by=actor.user_id,
            description=description,
        )
        await audit.add(conn, actor, "repo.create", RepoRef(ref.type, shown_name, ref.name).path)
        return repo_id

    repo_id = await core.store.write(work)
    await afail("repo.after_row")
    async with core.store.read() as conn:
        repo = await repos.by_id(conn, repo_id)
    assert repo is not None, "just written"  # noqa: S101
    path = await ensure_directory(core, repo)
    await afail("repo.after_dir")
    return Found(repo, path, Role.ADMIN, moved=False)


async def _creatable(core: Core, actor: Actor, name: str) -> tuple[int, str, Visibility]:
    """The namespace's id, name and default visibility, if the actor may create in it."""
    async with core.store.read() as conn:
        found = await namespaces.by_name(conn, name)
        role = (
            await queries.namespace_role(conn, found[0].id, actor.user_id) if found else Role.NONE
        )
    if found is None:
        # Namespaces are no secret, but a stranger learns nothing from the difference.
        if actor.kind is ActorKind.ANONYMOUS:
            access.require(access.Verdict.SIGN_IN, "create a repository")
        raise NotFound(
            f"There is no user or organization named {name!r}.",
            hint="Create the repository in your own namespace.",
        )
    verdict = access.decide_namespace(actor, NamespaceAction.CREATE_REPO, found[0].id, role)
    access.require(verdict, f"create repositories in {found[0].name}")
    return found[0].id, found[0].name, found[0].default_visibility


async def ensure_directory(core: Core, repo: Repo) -> Path:
    """The repository's directory, made if a crash came between row and directory.

    Raises ``Unavailable`` if data that once was there is gone.
    """
    path = core.path_of(repo.id)
    if await asyncio.to_thread((path / "HEAD").exists):
        return path
    if repo.pushed_at is not None:
        raise Unavailable(
            "The data of this repository is missing on the server.",
            hint="Tell the operator.",
        )
    await core.git.init_bare(path, repo.object_format, repo.default_branch)
    return path


async def listing(
    core: Core,
    actor: Actor,
    wanted: Wanted,
    *,
    sort: str = "updated",
    after: str | None = None,
    limit: int = 50,
) -> tuple[list[Repo], str | None]:
    """A page of what the actor may read, and the mark of the next page."""
    async with core.store.read() as conn:
        namespace_id = await _namespace_id(conn, wanted.namespace)
        return await queries.visible_repos(
            conn,
            access.visible(actor),
            wanted,
            namespace_id=namespace_id,
            sort=sort,
            after=after,
            limit=limit,
        )


async def count(core: Core, actor: Actor, wanted: Wanted) -> int:
    """How many repositories all pages of ``listing`` have."""
    async with core.store.read() as conn:
        namespace_id = await _namespace_id(conn, wanted.namespace)
        return await queries.visible_count(
            conn, access.visible(actor), wanted, namespace_id=namespace_id
        )


async def _namespace_id(conn: Connection, name: str | None) -> int | None:
    if name is None:
        return None
    found = await namespaces.by_name(conn, name)
    if found is None:
        raise NotFound(f"There is no user or organization named {name!r}.")
    return found[0].id


async def rename(core: Core, actor: Actor, ref: RepoRef, new: RepoRef) -> Repo:
    """Change name or owner; the old address goes on to work as a redirect."""
    check_name(new.name, "repository")
    if new.type is not ref.type:
        raise Invalid("A repository keeps its type.")
    found = await find(core, actor, ref, RepoAction.RENAME)
    target = found.repo.namespace_id
    if new.namespace.lower() != found.repo.namespace.lower():
        await find(core, actor, ref, RepoAction.TRANSFER)
        target, _, _ = await _creatable(core, actor, new.namespace)

    async def work(conn: Connection) -> None:
        await repos.rename(conn, found.repo.id, target, new.name)
        await audit.add(conn, actor, "repo.rename", found.repo.ref.path, {"to": new.path})
        await afail("repo.rename.before_commit")

    await core.store.write(work)
    return await by_id(core, found.repo.id)


async def set_visibility(core: Core, actor: Actor, ref: RepoRef, visibility: Visibility) -> Repo:
    """Change who may read."""
    found = await find(core, actor, ref, RepoAction.CHANGE_VISIBILITY)

    async def work(conn: Connection) -> None:
        await repos.set_visibility(conn, found.repo.id, visibility)
        details = {"from": found.repo.visibility.value, "to": visibility.value}
        await audit.add(conn, actor, "repo.visibility", found.repo.ref.path, details)

    await core.store.write(work)
    return await by_id(core, found.repo.id)


async def set_archived(core: Core, actor: Actor, ref: RepoRef, *, archived: bool) -> Repo:
    """Make read-only, or writable again."""
    found = await find(core, actor, ref, RepoAction.ARCHIVE)

    async def work(conn: Connection) -> None:
        await repos.set_archived(conn, found.repo.id, time.time() if archived else None)
        action = "repo.archive" if archived else "repo.unarchive"
        await audit.add(conn, actor, action, found.repo.ref.path)

    await core.store.write(work)
    return await by_id(core, found.repo.id)


async def set_description(core: Core, actor: Actor, ref: RepoRef, description: str) -> Repo:
    """Change the line shown in lists."""
    if len(description) > 500:  # noqa: PLR2004
        raise Invalid("A description has at most 500 characters.")
    found = await find(core, actor, ref, RepoAction.MANAGE_SETTINGS)
    await core.store.write(lambda conn: repos.set_description(conn, found.repo.id, description))
    return await by_id(core, found.repo.id)


async def set_default_branch(core: Core, actor: Actor, ref: RepoRef, branch: str) -> Repo:
    """Make HEAD point to another branch, which must exist unless the repository is empty."""
    name = RefName.branch(branch)
    found = await find(core, actor, ref, RepoAction.MANAGE_SETTINGS)
    refs = await core.refs.get(found.path)
    if refs.names and refs.oid_of(name) is None:
        raise NotFound(f"There is no branch {branch!r}.")

    async def work(conn: Connection) -> None:
        await repos.set_default_branch(conn, found.repo.id, branch)
        details = {"from": found.repo.default_branch, "to": branch}
        await audit.add(conn, actor, "repo.default_branch", found.repo.ref.path, details)

    with core.refs.changing(found.path):
        await core.store.write(work)
        await core.git.set_head(found.path, name)
    return await by_id(core, found.repo.id)


async def change(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    *,
    description: str | None = None,
    visibility: Visibility | None = None,
    default_branch: str | None = None,
    archived: bool | None = None,
) -> Repo:
    """Several settings at once; None leaves as it is.

    The same right is needed for each, so that only a branch that is not there can stop half-way;
    it is looked at first.
    """
    repo = (await find(core, actor, ref)).repo
    if archived is False:
        repo = await set_archived(core, actor, ref, archived=False)
    if default_branch is not None:
        repo = await set_default_branch(core, actor, ref, default_branch)
    if description is not None:
        repo = await set_description(core, actor, ref, description)
    if visibility is not None:
        repo = await set_visibility(core, actor, ref, visibility)
    if archived:
        repo = await set_archived(core, actor, ref, archived=True)
    return repo


async def delete(core: Core, actor: Actor, ref: RepoRef) -> None:
    """Put into the trash, from where it can be restored for a week."""
    found = await find(core, actor, ref, RepoAction.DELETE)

    async def work(conn: Connection) -> None:
        await repos.trash(conn, found.repo.id)
        await audit.add(conn, actor, "repo.delete", found.repo.ref.path)

    await core.store.write(work)
    await afail("repo.delete.after_row")


async def collaborators(core: Core, actor: Actor, ref: RepoRef) -> Sequence[Member]:
    """Who has a role of their own on this repository."""
    found = await find(core, actor, ref, RepoAction.MANAGE_ACCESS)
    async with core.store.read() as conn:
        return await repos.collaborators(conn, found.repo.id)


async def grant(core: Core, actor: Actor, ref: RepoRef, user: str, role: Role) -> None:
    """Give a user a role on this repository, or take it with ``Role.NONE``."""
    found = await find(core, actor, ref, RepoAction.MANAGE_ACCESS)
    async with core.store.read() as conn:
        account = await users.by_name(conn, user)
    if account is None:
        raise NotFound(f"There is no user named {user!r}.")
    if account.id == found.repo.namespace_id:
        raise Conflict("The owner has every right already.")

    async def work(conn: Connection) -> None:
        if role is Role.NONE:
            if not await repos.remove_collaborator(conn, found.repo.id, account.id):
                raise NotFound(f"{account.name} has no role of their own here.")
        else:
            await repos.set_collaborator(conn, found.repo.id, account.id, role)
        details = {"user": account.name, "role": role.label}
        await audit.add(conn, actor, "repo.grant", found.repo.ref.path, details)

    await core.store.write(work)
