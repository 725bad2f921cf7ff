"""Revisions of the schema, applied by the daemon at start."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from hubd.errors import Unavailable


@cache
def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def head() -> str:
    """The newest revision that this program knows."""
    found = _scripts().get_current_head()
    assert found is not None, "there is always a first revision"  # noqa: S101
    return found


def revision(conn: sa.Connection) -> str | None:
    """The database's revision; None before the first."""
    return MigrationContext.configure(conn).get_current_revision()


def upgrade(conn: sa.Connection) -> None:
    """Apply what is missing, in the caller's transaction; raises ``Unavailable`` if it is newer."""
    scripts = _scripts()
    now = revision(conn)
    if now == head():
        return
    if now is not None and now not in {script.revision for script in scripts.walk_revisions()}:
        raise Unavailable(
            "The database was written by a newer hubd.", hint="Install that version or newer."
        )
    context = EnvironmentContext(
        Config(),
        scripts,
        fn=lambda rev, _context: scripts._upgrade_revs(head(), rev),  # noqa: SLF001
    )
    with context:
        context.configure(
            connection=conn,
            render_as_batch=True,
            transactional_ddl=True,
            transaction_per_migration=False,
        )
        context.run_migrations()
