"""A repository of one's own that begins as a copy of another: history kept, large files linked.

Only what branches and tags reach is copied, as a push of the hub to itself: what was deleted, and
what waits in pull requests, stays where it is.
"""

from __future__ import annotations

from hubd.core import commits, gates, push, repos
from hubd.core.context import Core
from hubd.core.repos import Found
from hubd.errors import Conflict, HubError, Invalid
from hubd.git.copy import pack_of
from hubd.git.push import RefMove
from hubd.lfs import content
from hubd.store import audit, objects
from hubd.types import Actor, Gate, RepoAction, RepoRef, Visibility

_COPIED = ("refs/heads/", "refs/tags/")
_OBJECTS_AT_ONCE = 1000


async def duplicate(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    new: RepoRef,
    *,
    visibility: Visibility | None = None,
) -> Found:
    """Copy a repository whose files the actor may read.

    Without a ``visibility`` the copy of one that is not public is seen by as few; a gate stays.
    Raises ``Conflict`` if the name is taken, ``Refused`` if a check has something against it.
    """
    source = await repos.find(core, actor, ref, RepoAction.FETCH)
    if new.type is not ref.type:
        raise Invalid("A copy has the type of its original.")
    seen = source.repo.visibility
    if visibility is None and seen is not Visibility.PUBLIC:
        visibility = seen
    await repos.ensure_directory(core, source.repo)
    made = await repos.create(
        core,
        actor,
        new,
        visibility=visibility,
        object_format=source.repo.object_format,
        default_branch=source.repo.default_branch,
        description=source.repo.description,
    )
    try:
        if source.repo.gate is not Gate.OFF:
            await gates.set_gate(core, actor, made.repo.ref, source.repo.gate)
        await _link_objects(core, actor, source, made)
        await _copy_history(core, actor, source, made)
    except HubError:
        # Half a copy would answer "exists" to the next try.
        await repos.delete(core, actor, made.repo.ref)
        raise
    details = {"from": source.repo.ref.path}
    await core.store.write(
        lambda conn: audit.add(conn, actor, "repo.duplicate", made.repo.ref.path, details)
    )
    return await repos.find(core, actor, made.repo.ref)


async def _link_objects(core: Core, actor: Actor, source: Found, made: Found) -> None:
    after = ""
    while True:
        async with core.store.read() as conn:
            links = await objects.page_of_links(
                conn, source.repo.id, after=after, limit=_OBJECTS_AT_ONCE
            )
        if not links:
            return
        after = links[-1].oid
        await content.adopt(core.lfs, actor, made.repo, {link.oid: link.size for link in links})


async def _copy_history(core: Core, actor: Actor, source: Found, made: Found) -> None:
    known = await core.refs.get(source.path)
    tips = {name: oid for name, (oid, _) in known.names.items() if name.startswith(_COPIED)}
    if not tips:
        return
    if len(tips) > core.config.refs_per_push:
        raise Conflict("It has more branches and tags than one push may have.")
    moves = [RefMove(name, "0" * len(oid), oid) for name, oid in tips.items()]
    async with core.limits.pack(actor, source.repo.id):
        pack = await pack_of(core.git, source.path, tips.values())
    with pack:
        reading = await push.admit(core, actor, made.repo.ref)
        await commits.push_moves(core, reading, moves, (), pack)
