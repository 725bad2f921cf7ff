"""A repository with its first commit, as the clients of other hubs expect a new one."""

from __future__ import annotations

from hubd.core import commits, repos
from hubd.core.context import Core
from hubd.core.largefiles import ATTRIBUTES, FIRST_ATTRIBUTES
from hubd.errors import HubError
from hubd.store.repos import Repo
from hubd.types import Actor, RepoRef, Visibility


async def create(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    *,
    visibility: Visibility | None = None,
    default_branch: str = "main",
    description: str = "",
    card: str = "",
) -> Repo:
    """Make a repository whose default branch has attributes for large files.

    ``card`` is the text of its README.md, which a Space has to have. Raises ``Conflict`` if there
    is one of this name.
    """
    found = await repos.create(
        core,
        actor,
        ref,
        visibility=visibility,
        default_branch=default_branch,
        description=description,
    )
    changes = [commits.AddFile(ATTRIBUTES, FIRST_ATTRIBUTES.encode())]
    if card:
        changes.append(commits.AddFile("README.md", card.encode()))
    try:
        await commits.commit(core, actor, found.repo.ref, changes, "initial commit")
    except HubError:
        # A repository without its first commit would answer "exists" to the next try.
        await repos.delete(core, actor, found.repo.ref)
        raise
    return found.repo
