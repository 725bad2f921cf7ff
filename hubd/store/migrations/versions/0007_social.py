"""Webhooks with their deliveries, collections, follows, what Spaces run with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", BIG_ID, autoincrement=True, nullable=False)


def _to(column: str, target: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [target], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE"
    )


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*(columns or ("id",)), name=op.f(f"pk_{table}"))


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def upgrade() -> None:
    op.add_column(
        "events", sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    untold = sa.text("told IS 0" if op.get_bind().dialect.name == "sqlite" else "told IS false")
    op.create_index(
        "ix_events_untold", "events", ["id"], sqlite_where=untold, postgresql_where=untold
    )
    _webhooks()
    _collections()
    _follows()
    _spaces()


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        _id(),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("domains", sa.JSON(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        _to("user_id", "users.id", "webhooks"),
        _key("webhooks"),
        sqlite_autoincrement=True,
    )
    _index("webhooks", "user_id")
    op.create_table(
        "webhook_watches",
        _id(),
        sa.Column("webhook_id", BIG_ID, nullable=False),
        sa.Column("namespace_id", BIG_ID, nullable=True),
        sa.Column("repo_id", BIG_ID, nullable=True),
        _to("webhook_id", "webhooks.id", "webhook_watches"),
        _to("namespace_id", "namespaces.id", "webhook_watches"),
        _to("repo_id", "repos.id", "webhook_watches"),
        _key("webhook_watches"),
    )
    for column in ("webhook_id", "namespace_id", "repo_id"):
        _index("webhook_watches", column)
    op.create_table(
        "webhook_deliveries",
        _id(),
        sa.Column("webhook_id", BIG_ID, nullable=False),
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        _to("webhook_id", "webhooks.id", "webhook_deliveries"),
        _key("webhook_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["next_at"])
    op.create_index("ix_webhook_deliveries_webhook", "webhook_deliveries", ["webhook_id", "id"])


def _collections() -> None:
    op.create_table(
        "collections",
        _id(),
        sa.Column("namespace_id", BIG_ID, nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("theme", sa.String(length=16), nullable=False),
        sa.Column("mark", sa.String(length=24), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        _to("namespace_id", "namespaces.id", "collections"),
        _key("collections"),
        sa.UniqueConstraint("mark", name=op.f("uq_collections_mark")),
        sa.UniqueConstraint(
            "namespace_id", "title", name=op.f("uq_collections_namespace_id_title")
        ),
        sqlite_autoincrement=True,
    )
    _index("collections", "namespace_id")
    _index("collections", "updated_at")
    items = "collection_items"
    op.create_table(
        items,
        _id(),
        sa.Column("collection_id", BIG_ID, nullable=False),
        sa.Column("repo_id", BIG_ID, nullable=True),
        sa.Column("nested_id", BIG_ID, nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        _to("collection_id", "collections.id", items),
        _to("repo_id", "repos.id", items),
        _to("nested_id", "collections.id", items),
        _key(items),
        *(
            sa.UniqueConstraint(
                "collection_id", column, name=op.f(f"uq_{items}_collection_id_{column}")
            )
            for column in ("repo_id", "nested_id")
        ),
        sqlite_autoincrement=True,
    )
    _index(items, "repo_id")
    _index(items, "nested_id")
    op.create_table(
        "collection_votes",
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("collection_id", BIG_ID, nullable=False),
        _to("user_id", "users.id", "collection_votes"),
        _to("collection_id", "collections.id", "collection_votes"),
        _key("collection_votes", "user_id", "collection_id"),
    )
    _index("collection_votes", "collection_id")


def _follows() -> None:
    op.create_table(
        "follows",
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("namespace_id", BIG_ID, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        _to("user_id", "users.id", "follows"),
        _to("namespace_id", "namespaces.id", "follows"),
        _key("follows", "user_id", "namespace_id"),
    )
    _index("follows", "namespace_id")


def _spaces() -> None:
    op.create_table(
        "space_values",
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("is_secret", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        _to("repo_id", "repos.id", "space_values"),
        _key("space_values", "repo_id", "key"),
    )
    op.create_table(
        "space_wishes",
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("hardware", sa.String(length=64), nullable=False),
        sa.Column("sleep_seconds", sa.Integer(), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        _to("repo_id", "repos.id", "space_wishes"),
        _key("space_wishes", "repo_id"),
    )
