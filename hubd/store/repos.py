"""Owner of ``repos``, ``repo_redirects`` and ``collaborators``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.errors import Conflict, NotFound
from hubd.names import fold_name
from hubd.store import events, schema
from hubd.store.engine import Connection
from hubd.store.orgs import Member
from hubd.store.rows import inserted, many, now, one
from hubd.types import Gate, RepoRef, RepoType, Role, Visibility

_table = schema.repos
_redirects = schema.repo_redirects
_people = schema.collaborators
_names = schema.namespaces


class Repo(msgspec.Struct, frozen=True):
    """A repository; ``namespace`` is the owner's name as it is now."""

    id: int
    type: RepoType
    namespace_id: int
    namespace: str
    name: str
    visibility: Visibility
    gate: Gate
    default_branch: str
    object_format: str
    description: str
    archived_at: float | None
    deleted_at: float | None
    created_at: float
    created_by: int | None
    pushed_at: float | None
    updated_at: float
    size_bytes: int

    @property
    def ref(self) -> RepoRef:
        """The address."""
        return RepoRef(self.type, self.namespace, self.name)


def columns() -> list[sa.ColumnElement[object]]:
    """The columns of a ``Repo``, from ``repos`` joined with ``namespaces``."""
    return [
        _names.c.name.label("namespace") if field == "namespace" else _table.c[field]
        for field in Repo.__struct_fields__
    ]


JOIN = sa.join(_table, _names, _table.c.namespace_id == _names.c.id)
_SELECT = sa.select(*columns()).select_from(JOIN)


async def add(
    conn: Connection,
    *,
    type: RepoType,  # noqa: A002
    namespace_id: int,
    name: str,
    visibility: Visibility,
    default_branch: str,
    object_format: str,
    created_by: int | None,
    description: str = "",
) -> int:
    """A new row; raises ``Conflict`` if the address is taken. Ends a redirect from it."""
    await _require_free(conn, type, namespace_id, name, None)
    repo_id = inserted(
        await conn.execute(
            sa.insert(_table).values(
                type=type.value,
                namespace_id=namespace_id,
                name=name,
                name_fold=fold_name(name),
                visibility=visibility.value,
                default_branch=default_branch,
                object_format=object_format,
                description=description,
                created_at=now(),
                updated_at=now(),
                created_by=created_by,
                size_bytes=0,
                pushes_since_maintenance=0,
            )
        )
    )
    await events.add(conn, events.REPO_CREATED, repo_id)
    return repo_id


async def _require_free(
    conn: Connection, repo_type: RepoType, namespace_id: int, name: str, own_id: int | None
) -> None:
    taken = await conn.execute(
        sa.select(_table.c.id).where(
            _table.c.type == repo_type.value,
            _table.c.namespace_id == namespace_id,
            _table.c.name_fold == fold_name(name),
            _table.c.deleted_at.is_(None),
        )
    )
    if any(row.id != own_id for row in taken):
        raise Conflict(f"A {repo_type.value} named {name!r} exists already.")
    await conn.execute(
        sa.delete(_redirects).where(
            _redirects.c.type == repo_type.value,
            _redirects.c.namespace_id == namespace_id,
            _redirects.c.name_fold == fold_name(name),
        )
    )


async def by_id(conn: Connection, repo_id: int) -> Repo | None:
    """One repository, in the trash or not."""
    return one(Repo, (await conn.execute(_SELECT.where(_table.c.id == repo_id))).first())


async def rename(conn: Connection, repo_id: int, namespace_id: int, name: str) -> None:
    """Change owner or name; the old address redirects."""
    repo = await by_id(conn, repo_id)
    if repo is None or repo.deleted_at is not None:
        raise NotFound("Repository not found.")
    await _require_free(conn, repo.type, namespace_id, name, repo_id)
    if (repo.namespace_id, fold_name(repo.name)) != (namespace_id, fold_name(name)):
        await conn.execute(
            sa.insert(_redirects).values(
                type=repo.type.value,
                namespace_id=repo.namespace_id,
                name_fold=fold_name(repo.name),
                repo_id=repo_id,
            )
        )
    await _set(conn, repo_id, namespace_id=namespace_id, name=name, name_fold=fold_name(name))
    before = {"from": repo.ref.repo_id, "from_owner": repo.namespace_id}
    await events.add(conn, events.REPO_MOVED, repo_id, before)


async def _set(conn: Connection, repo_id: int, **values: object) -> None:
    await conn.execute(
        sa.update(_table).where(_table.c.id == repo_id).values(updated_at=now(), **values)
    )


async def _configure(conn: Connection, repo_id: int, **values: object) -> None:
    """Set what those who watch a repository want to know."""
    await _set(conn, repo_id, **values)
    await events.add(conn, events.REPO_CHANGED, repo_id)


async def set_visibility(conn: Connection, repo_id: int, visibility: Visibility) -> None:
    """Change who may read."""
    await _configure(conn, repo_id, visibility=visibility.value)


async def set_gate(conn: Connection, repo_id: int, gate: Gate) -> None:
    """Change whether its files must be asked for."""
    await _configure(conn, repo_id, gate=gate.value)


async def set_archived(conn: Connection, repo_id: int, at: float | None) -> None:
    """Read-only from a time on, or writable with None."""
    await _configure(conn, repo_id, archived_at=at)


async def set_default_branch(conn: Connection, repo_id: int, branch: str) -> None:
    """Change what HEAD names."""
    await _configure(conn, repo_id, default_branch=branch)


async def set_description(conn: Connection, repo_id: int, description: str) -> None:
    """Change the line shown in lists."""
    await _configure(conn, repo_id, description=description)


async def trash(conn: Connection, repo_id: int) -> None:
    """Delete, restorable."""
    await _set(conn, repo_id, deleted_at=now())
    await events.add(conn, events.REPO_DELETED, repo_id)


async def restore(conn: Connection, repo: Repo, name: str) -> None:
    """Take out of the trash under a name; raises ``Conflict`` if that is taken."""
    await _require_free(conn, repo.type, repo.namespace_id, name, repo.id)
    await _set(conn, repo.id, deleted_at=None, name=name, name_fold=fold_name(name))
    await events.add(conn, events.REPO_CREATED, repo.id)


async def trashed_of(conn: Connection, namespace_id: int) -> Sequence[Repo]:
    """What lies in a namespace's trash, the latest first."""
    mine = sa.and_(_table.c.namespace_id == namespace_id, _table.c.deleted_at.is_not(None))
    latest = _table.c.deleted_at.desc()
    return many(Repo, await conn.execute(_SELECT.where(mine).order_by(latest)))


async def trashed_before(conn: Connection, before: float) -> Sequence[Repo]:
    """What has lain in the trash since before a time."""
    return many(Repo, await conn.execute(_SELECT.where(_table.c.deleted_at < before)))


async def purge(conn: Connection, repo_id: int) -> None:
    """Remove the row and all that hangs on it; its directory is gone by then."""
    await conn.execute(sa.delete(_table).where(_table.c.id == repo_id))


async def touch_pushed(conn: Connection, repo_id: int, at: float) -> None:
    """A push came."""
    await _set(
        conn,
        repo_id,
        pushed_at=at,
        pushes_since_maintenance=_table.c.pushes_since_maintenance + 1,
    )


async def due_for_maintenance(conn: Connection, pushes: int) -> Sequence[Repo]:
    """Repositories that took so many pushes since the last repack, most first."""
    count = _table.c.pushes_since_maintenance
    query = _SELECT.where(_table.c.deleted_at.is_(None), count >= pushes)
    return many(Repo, await conn.execute(query.order_by(count.desc()).limit(20)))


async def maintained(conn: Connection, repo_id: int, size: int | None) -> None:
    """A repack is done; ``size`` in bytes if it was measured."""
    values: dict[str, int] = {"pushes_since_maintenance": 0}
    if size is not None:
        values["size_bytes"] = size
    await conn.execute(sa.update(_table).where(_table.c.id == repo_id).values(**values))


async def collaborators(conn: Connection, repo_id: int) -> Sequence[Member]:
    """Who has a role of their own, by name."""
    found = await conn.execute(
        sa.select(_people.c.user_id, _names.c.name, _names.c.full_name, _people.c.role)
        .join(_names, _names.c.id == _people.c.user_id)
        .where(_people.c.repo_id == repo_id)
        .order_by(_names.c.name_fold)
    )
    return many(Member, found)


async def set_collaborator(conn: Connection, repo_id: int, user_id: int, role: Role) -> None:
    """Give a role, in place of the one before."""
    await remove_collaborator(conn, repo_id, user_id)
    await conn.execute(sa.insert(_people).values(repo_id=repo_id, user_id=user_id, role=role.value))


async def remove_collaborator(conn: Connection, repo_id: int, user_id: int) -> bool:
    """Take a role; whether there was one."""
    done = await conn.execute(
        sa.delete(_people).where(_people.c.repo_id == repo_id, _people.c.user_id == user_id)
    )
    return done.rowcount > 0
