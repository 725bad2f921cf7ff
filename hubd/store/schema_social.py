"""The tables of what people have to do with each other's repositories."""

from __future__ import annotations

import sqlalchemy as sa

from hubd.store.schema import _BigId, _id, _Time, _to, metadata

__all__ = ["metadata"]

likes = sa.Table(
    "likes",
    metadata,
    sa.Column("user_id", _BigId, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "repo_id",
        _BigId,
        sa.ForeignKey("repos.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sa.Column("created_at", _Time, nullable=False),
)

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

# Where an account wants to be told; the secret is sealed.
webhooks = sa.Table(
    "webhooks",
    metadata,
    _id(),
    _to("user_id", "users.id", index=True),
    sa.Column("url", sa.String(2000), nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("domains", sa.JSON, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sqlite_autoincrement=True,
)

# What a webhook watches: a user's or organization's repositories, or one repository.
webhook_watches = sa.Table(
    "webhook_watches",
    metadata,
    _id(),
    _to("webhook_id", "webhooks.id", index=True),
    _to("namespace_id", "namespaces.id", null=True, index=True),
    _to("repo_id", "repos.id", null=True, index=True),
)

# What is to be sent, and what came of it; ``payload`` is what happened, as it was then.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    _id(),
    _to("webhook_id", "webhooks.id"),
    sa.Column("repo_id", _BigId, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("scope", sa.String(32), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", _Time),
    sa.Column("status", sa.Integer),
    sa.Column("answer", sa.String(500), nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("finished_at", _Time),
    sqlite_autoincrement=True,
)
sa.Index("ix_webhook_deliveries_due", webhook_deliveries.c.next_at)
sa.Index("ix_webhook_deliveries_webhook", webhook_deliveries.c.webhook_id, webhook_deliveries.c.id)

# Lists of repositories that a user or organization shows; ``mark`` ends the address.
collections = sa.Table(
    "collections",
    metadata,
    _id(),
    _to("namespace_id", "namespaces.id", index=True),
    sa.Column("title", sa.String(100), nullable=False),
    sa.Column("description", sa.String(500), nullable=False),
    sa.Column("private", sa.Boolean, nullable=False),
    sa.Column("theme", sa.String(16), nullable=False),
    sa.Column("mark", sa.String(24), nullable=False, unique=True),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("updated_at", _Time, nullable=False, index=True),
    sa.UniqueConstraint("namespace_id", "title"),
    sqlite_autoincrement=True,
)

# What a collection lists: a repository or another collection.
collection_items = sa.Table(
    "collection_items",
    metadata,
    _id(),
    _to("collection_id", "collections.id"),
    _to("repo_id", "repos.id", null=True, index=True),
    _to("nested_id", "collections.id", null=True, index=True),
    sa.Column("note", sa.String(500), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.UniqueConstraint("collection_id", "repo_id"),
    sa.UniqueConstraint("collection_id", "nested_id"),
    sqlite_autoincrement=True,
)

collection_votes = sa.Table(
    "collection_votes",
    metadata,
    sa.Column("user_id", _BigId, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "collection_id",
        _BigId,
        sa.ForeignKey("collections.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)

# Who follows which user or organization.
follows = sa.Table(
    "follows",
    metadata,
    sa.Column("user_id", _BigId, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "namespace_id",
        _BigId,
        sa.ForeignKey("namespaces.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sa.Column("created_at", _Time, nullable=False),
)

# What a Space's program finds in its environment; the value of a secret is sealed.
space_values = sa.Table(
    "space_values",
    metadata,
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("is_secret", sa.Boolean, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("description", sa.String(500), nullable=False),
    sa.Column("updated_at", _Time, nullable=False),
)

# How a Space is wanted to run; without a row as every Space at first.
space_wishes = sa.Table(
    "space_wishes",
    metadata,
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("hardware", sa.String(64), nullable=False),
    sa.Column("sleep_seconds", sa.Integer),
    sa.Column("paused", sa.Boolean, nullable=False),
)
