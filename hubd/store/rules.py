"""Owner of ``ref_rules``: which branches and tags are protected, and how."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.errors import Conflict
from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import inserted, many, now
from hubd.types import Role

_table = schema.ref_rules


class RefRule(msgspec.Struct, frozen=True):
    """Refs of a kind that match a shell pattern, and what may be done to them."""

    id: int
    repo_id: int
    pattern: str
    kind: str
    push_role: Role
    allow_force: bool
    allow_delete: bool
    approvals: int
    created_at: float

    @classmethod
    def for_default_branch(cls, repo_id: int, branch: str) -> RefRule:
        """The rule a default branch has without being told."""
        return cls(0, repo_id, branch, "branch", Role.WRITE, False, False, 0, 0.0)


_FOR_REPO = (
    sa.select(*[_table.c[name] for name in RefRule.__struct_fields__])
    .where(_table.c.repo_id == sa.bindparam("repo"))
    .order_by(_table.c.id)
)


async def for_repo(conn: Connection, repo_id: int) -> Sequence[RefRule]:
    """The rules of a repository, oldest first."""
    return many(RefRule, await conn.execute(_FOR_REPO, {"repo": repo_id}))


async def add(
    conn: Connection,
    *,
    repo_id: int,
    pattern: str,
    kind: str,
    push_role: Role,
    allow_force: bool,
    allow_delete: bool,
    approvals: int,
) -> int:
    """A new rule; raises ``Conflict`` if the pattern has one."""
    if any(r.pattern == pattern and r.kind == kind for r in await for_repo(conn, repo_id)):
        raise Conflict(f"There is a rule for {pattern!r} already.")
    return inserted(
        await conn.execute(
            sa.insert(_table).values(
                repo_id=repo_id,
                pattern=pattern,
                kind=kind,
                push_role=push_role.value,
                allow_force=allow_force,
                allow_delete=allow_delete,
                approvals=approvals,
                created_at=now(),
            )
        )
    )


async def remove(conn: Connection, repo_id: int, rule_id: int) -> bool:
    """Lift a rule; whether there was one."""
    done = await conn.execute(
        sa.delete(_table).where(_table.c.repo_id == repo_id, _table.c.id == rule_id)
    )
    return done.rowcount > 0
