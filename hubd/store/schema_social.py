"""The tables of what people have to do with each other's repositories: gates."""

from __future__ import annotations

import sqlalchemy as sa

from hubd.store.schema import _BigId, _id, _Time, _to, metadata

__all__ = ["metadata"]

# Who asked for the files of a gated repository, or was let in unasked; what was filled in.
access_requests = sa.Table(
    "access_requests",
    metadata,
    _id(),
    _to("repo_id", "repos.id"),
    _to("user_id", "users.id", index=True),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("asked", sa.Boolean, nullable=False),
    sa.Column("fields", sa.JSON, nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("answered_at", _Time),
    sa.Column("answered_by", _BigId),
    sa.UniqueConstraint("repo_id", "user_id"),
    sqlite_autoincrement=True,
)
