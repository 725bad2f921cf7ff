"""Revisions of the schema, applied by the daemon at start."""

from __future__ import annotations

import sqlalchemy as sa

# The newest revision in ``versions/``; a test compares. Known here so that a database which is up
# to date costs no Alembic in the daemon's memory.
HEAD = "0011"
URL_VARIABLE = "HUBD_MIGRATE_URL"


def revision(conn: sa.Connection) -> str | None:
    """The database's revision; None before the first."""
    if not sa.inspect(conn).has_table("alembic_version"):
        return None
    found = conn.execute(sa.text("SELECT version_num FROM alembic_version"))
    return found.scalar_one_or_none()


def upgrade(conn: sa.Connection) -> None:
    """Apply what is missing, in the caller's transaction; raises ``Unavailable`` if it is newer."""
    now = revision(conn)
    if now == HEAD:
        return
    from hubd.store.migrations import alembic_runner  # noqa: PLC0415

    alembic_runner.upgrade(conn, now, HEAD)
