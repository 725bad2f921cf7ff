"""The large files of a repository, also those that only its history names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hubd.core import repos
from hubd.core.context import Core
from hubd.core.repos import Found
from hubd.git import reach
from hubd.lfs import content, pointers
from hubd.lfs.content import check_oid
from hubd.store import audit, objects
from hubd.store.engine import Connection
from hubd.types import Actor, RepoAction, RepoRef


@dataclass(frozen=True, slots=True)
class LargeFile:
    """An object that a repository has; ``path`` is where some commit has it, empty for nowhere."""

    oid: str
    size: int
    path: str
    created_at: float


async def listing(
    core: Core, actor: Actor, ref: RepoRef, *, after: str = "", limit: int = 1000
) -> Sequence[LargeFile]:
    """Large files in the order of their ids, those after a given one."""
    found = await repos.find(core, actor, ref, RepoAction.FETCH)
    async with core.store.read() as conn:
        links = await objects.page_of_links(conn, found.repo.id, after=after, limit=limit)
    paths = await _paths(core, found, {link.oid for link in links})
    return [
        LargeFile(link.oid, link.size, paths.get(link.oid, ""), link.created_at) for link in links
    ]


async def _paths(core: Core, found: Found, wanted: set[str]) -> dict[str, str]:
    """Where commits have these objects; of several places one."""
    paths: dict[str, str] = {}
    if not wanted:
        return paths
    await repos.ensure_directory(core, found.repo)
    batch = await core.objects.batch(found.path)
    async for names in reach.named(core.git, found.path, pointers.MAX_POINTER):
        for oid, data in (await batch.contents_many(list(names))).items():
            pointer = pointers.parse(data)
            if pointer is not None and pointer.oid in wanted:
                paths.setdefault(pointer.oid, names[oid])
        if len(paths) == len(wanted):
            break
    return paths


async def share(
    core: Core, actor: Actor, ref: RepoRef, target: RepoRef, oids: Collection[str]
) -> list[str]:
    """Give another repository these objects, so that commits there may name them.

    The actor may have the files of the one and may push to the other. Returns those that the first
    has not, or that are not to be had; raises ``QuotaExceeded`` if the other has no room.
    """
    source = await repos.find(core, actor, ref, RepoAction.FETCH)
    other = await repos.find(core, actor, target, RepoAction.PUSH)
    known = await content.links(core.lfs, source.repo.id, [check_oid(oid) for oid in oids])
    sizes = {oid: link.size for oid, link in known.items()}
    given = await content.adopt(core.lfs, actor, other.repo, sizes)
    return [oid for oid in oids if oid not in given]


async def remove(core: Core, actor: Actor, ref: RepoRef, oids: Collection[str]) -> int:
    """Take objects from a repository for good, whatever its commits say; how many it had.

    Their bytes go with the next collection, unless another repository has them.
    """
    found = await repos.find(core, actor, ref, RepoAction.REMOVE_OBJECTS)
    for oid in oids:
        check_oid(oid)

    async def work(conn: Connection) -> int:
        gone = await objects.unlink(conn, found.repo.id, oids)
        await audit.add(conn, actor, "repo.remove_objects", found.repo.ref.path, {"count": gone})
        return gone

    return await core.store.write(work)
