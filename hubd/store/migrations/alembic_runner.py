"""Applies revisions by Alembic; loaded only when there is something to apply."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from hubd.errors import Unavailable


def scripts() -> ScriptDirectory:
    """The revisions of this program."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def upgrade(conn: sa.Connection, now: str | None, target: str) -> None:
    """Apply what lies between, in the caller's transaction; raises ``Unavailable`` if unknown."""
    known = scripts()
    if now is not None and now not in {script.revision for script in known.walk_revisions()}:
        raise Unavailable(
            "The database was written by a newer hubd.", hint="Install that version or newer."
        )
    context = EnvironmentContext(
        Config(),
        known,
        fn=lambda rev, _context: known._upgrade_revs(target, rev),  # noqa: SLF001
    )
    with context:
        context.configure(
            connection=conn,
            render_as_batch=True,
            transactional_ddl=True,
            transaction_per_migration=False,
        )
        context.run_migrations()
