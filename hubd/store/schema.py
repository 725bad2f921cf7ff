"""All tables but those of ``schema_xet``, ``schema_social``, ``schema_models``, ``schema_oauth``.

Times are UTC epoch seconds; ids are never used twice.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Time: sa.Double[float] = sa.Double()


def _id() -> sa.Column[int]:
    return sa.Column("id", _BigId, primary_key=True, autoincrement=True)


def _to(name: str, target: str, *, null: bool = False, index: bool = False) -> sa.Column[int]:
    return sa.Column(
        name,
        _BigId,
        sa.ForeignKey(target, ondelete="CASCADE"),
        nullable=null,
        index=index or None,
    )


namespaces = sa.Table(
    "namespaces",
    metadata,
    _id(),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("name", sa.String(96), nullable=False),
    sa.Column("name_fold", sa.String(96), nullable=False, unique=True),
    sa.Column("skeleton", sa.String(96), nullable=False, unique=True),
    sa.Column("full_name", sa.String(200), nullable=False),
    sa.Column("default_visibility", sa.String(16), nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sqlite_autoincrement=True,
)

namespace_redirects = sa.Table(
    "namespace_redirects",
    metadata,
    sa.Column("name_fold", sa.String(96), primary_key=True),
    sa.Column("skeleton", sa.String(96), nullable=False, index=True),
    _to("namespace_id", "namespaces.id", index=True),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column(
        "id",
        _BigId,
        sa.ForeignKey("namespaces.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("email", sa.String(256), unique=True),
    sa.Column("password_hash", sa.String(256)),
    sa.Column("is_admin", sa.Boolean, nullable=False),
    sa.Column("must_change_password", sa.Boolean, nullable=False),
    sa.Column("disabled_at", _Time),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("language", sa.String(16)),
)

org_members = sa.Table(
    "org_members",
    metadata,
    sa.Column(
        "org_id", _BigId, sa.ForeignKey("namespaces.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "user_id",
        _BigId,
        sa.ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sa.Column("role", sa.SmallInteger, nullable=False),
)

repos = sa.Table(
    "repos",
    metadata,
    _id(),
    sa.Column("type", sa.String(8), nullable=False),
    _to("namespace_id", "namespaces.id", index=True),
    sa.Column("name", sa.String(96), nullable=False),
    sa.Column("name_fold", sa.String(96), nullable=False),
    sa.Column("visibility", sa.String(16), nullable=False),
    sa.Column("gate", sa.String(8), nullable=False, server_default="off"),
    sa.Column("default_branch", sa.String(200), nullable=False),
    sa.Column("object_format", sa.String(8), nullable=False),
    sa.Column("description", sa.String(500), nullable=False),
    sa.Column("archived_at", _Time),
    sa.Column("deleted_at", _Time, index=True),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("created_by", _BigId),
    sa.Column("pushed_at", _Time),
    sa.Column("updated_at", _Time, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("pushes_since_maintenance", sa.Integer, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index(
    "uq_repos_address",
    repos.c.type,
    repos.c.namespace_id,
    repos.c.name_fold,
    unique=True,
    sqlite_where=repos.c.deleted_at.is_(None),
    postgresql_where=repos.c.deleted_at.is_(None),
)

repo_redirects = sa.Table(
    "repo_redirects",
    metadata,
    sa.Column("type", sa.String(8), primary_key=True),
    sa.Column(
        "namespace_id",
        _BigId,
        sa.ForeignKey("namespaces.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("name_fold", sa.String(96), primary_key=True),
    _to("repo_id", "repos.id", index=True),
)

collaborators = sa.Table(
    "collaborators",
    metadata,
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "user_id",
        _BigId,
        sa.ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sa.Column("role", sa.SmallInteger, nullable=False),
)

ref_rules = sa.Table(
    "ref_rules",
    metadata,
    _id(),
    _to("repo_id", "repos.id", index=True),
    sa.Column("pattern", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("push_role", sa.SmallInteger, nullable=False),
    sa.Column("allow_force", sa.Boolean, nullable=False),
    sa.Column("allow_delete", sa.Boolean, nullable=False),
    sa.Column("approvals", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("created_at", _Time, nullable=False),
    sa.UniqueConstraint("repo_id", "kind", "pattern"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    _id(),
    _to("user_id", "users.id", index=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("prefix", sa.String(16), nullable=False),
    sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("scope", sa.SmallInteger, nullable=False),
    sa.Column("namespace_ids", sa.JSON, nullable=False),
    sa.Column("repo_ids", sa.JSON, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("expires_at", _Time),
    sa.Column("last_used_at", _Time),
    sa.Column("revoked_at", _Time),
    sqlite_autoincrement=True,
)

ssh_keys = sa.Table(
    "ssh_keys",
    metadata,
    _id(),
    _to("user_id", "users.id", null=True, index=True),
    _to("repo_id", "repos.id", null=True, index=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("fingerprint", sa.String(100), nullable=False, unique=True),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("can_write", sa.Boolean, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("last_used_at", _Time),
    sqlite_autoincrement=True,
)

sessions = sa.Table(
    "sessions",
    metadata,
    _id(),
    _to("user_id", "users.id", index=True),
    sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("expires_at", _Time, nullable=False),
    sa.Column("last_seen_at", _Time, nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("user_agent", sa.String(200), nullable=False),
    sqlite_autoincrement=True,
)

pushes = sa.Table(
    "pushes",
    metadata,
    _id(),
    _to("repo_id", "repos.id", index=True),
    sa.Column("state", sa.String(8), nullable=False, index=True),
    sa.Column("channel", sa.String(8), nullable=False),
    sa.Column("actor_kind", sa.String(16), nullable=False),
    sa.Column("actor_name", sa.String(128), nullable=False),
    sa.Column("user_id", _BigId),
    sa.Column("token_id", _BigId),
    sa.Column("key_id", _BigId),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(32), nullable=False),
    sa.Column("process_group", sa.Integer, nullable=False),
    sa.Column("process_started", _Time, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("finished_at", _Time),
    sqlite_autoincrement=True,
)

push_refs = sa.Table(
    "push_refs",
    metadata,
    sa.Column("push_id", _BigId, sa.ForeignKey("pushes.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("ref", sa.String(1024), primary_key=True),
    sa.Column("old_oid", sa.String(64), nullable=False),
    sa.Column("new_oid", sa.String(64), nullable=False),
    sa.Column("applied", sa.Boolean),
)

# One row per ref that moved, and of whatever else webhooks wait for; later work starts here.
events = sa.Table(
    "events",
    metadata,
    _id(),
    sa.Column("kind", sa.String(32), nullable=False),
    _to("repo_id", "repos.id"),
    _to("push_id", "pushes.id", null=True),
    sa.Column("ref", sa.String(1024), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    # Whether the webhooks that wait for it have their deliveries; true if none waits.
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.UniqueConstraint("kind", "push_id", "ref"),
    sqlite_autoincrement=True,
)
sa.Index("ix_events_repo_ref", events.c.repo_id, events.c.ref)
sa.Index(
    "ix_events_untold",
    events.c.id,
    sqlite_where=events.c.told.is_(False),
    postgresql_where=events.c.told.is_(False),
)

audit = sa.Table(
    "audit",
    metadata,
    _id(),
    sa.Column("at", _Time, nullable=False, index=True),
    sa.Column("actor_kind", sa.String(16), nullable=False),
    sa.Column("actor_name", sa.String(128), nullable=False, index=True),
    sa.Column("user_id", _BigId),
    sa.Column("action", sa.String(64), nullable=False, index=True),
    sa.Column("target", sa.String(256), nullable=False, index=True),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("channel", sa.String(8), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(32), nullable=False),
    sqlite_autoincrement=True,
)

# Content, shared by all repositories; who may read it is in object_links alone.
objects = sa.Table(
    "objects",
    metadata,
    sa.Column("oid", sa.String(64), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
)

# A repository's right to an object. used_at moves whenever somebody relies on the link, so that
# collection never takes what a push in flight counts on.
object_links = sa.Table(
    "object_links",
    metadata,
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "oid",
        sa.String(64),
        sa.ForeignKey("objects.oid"),
        primary_key=True,
        index=True,
    ),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("user_id", _BigId),
    # In whose quota it counts if not in that of the repository's namespace: the author's of a pull
    # request that is not merged.
    sa.Column("charged_to", _BigId, index=True),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("used_at", _Time, nullable=False),
)

# Uploads that take several requests. handle is what the back end calls the bytes so far.
uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    _to("repo_id", "repos.id", index=True),
    sa.Column("user_id", _BigId),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("oid", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("part_size", sa.BigInteger, nullable=False),
    sa.Column("handle", sa.String(1024), nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("expires_at", _Time, nullable=False, index=True),
)

upload_parts = sa.Table(
    "upload_parts",
    metadata,
    sa.Column(
        "upload_id",
        sa.String(32),
        sa.ForeignKey("uploads.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.String(128), nullable=False),
)

lfs_locks = sa.Table(
    "lfs_locks",
    metadata,
    _id(),
    _to("repo_id", "repos.id"),
    sa.Column("path", sa.String(1024), nullable=False),
    _to("user_id", "users.id", index=True),
    sa.Column("ref", sa.String(1024), nullable=False),
    sa.Column("locked_at", _Time, nullable=False),
    sa.UniqueConstraint("repo_id", "path"),
    sqlite_autoincrement=True,
)

# Limits set for one namespace or one repository; without a row the settings' defaults hold.
quotas = sa.Table(
    "quotas",
    metadata,
    _id(),
    sa.Column(
        "namespace_id", _BigId, sa.ForeignKey("namespaces.id", ondelete="CASCADE"), unique=True
    ),
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), unique=True),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("objects", sa.BigInteger),
)

# Discussions and pull requests of a repository share one numbering.
discussions = sa.Table(
    "discussions",
    metadata,
    _id(),
    _to("repo_id", "repos.id"),
    sa.Column("num", sa.Integer, nullable=False),
    sa.Column("title", sa.String(300), nullable=False),
    sa.Column("is_pull", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(8), nullable=False),
    _to("author_id", "users.id", index=True),
    sa.Column("pinned", sa.Boolean, nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False),
    # A pull request's target, full name, and what its merge made of it.
    sa.Column("base", sa.String(1024), nullable=False),
    sa.Column("merge_oid", sa.String(64), nullable=False),
    sa.Column("comments", sa.Integer, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("updated_at", _Time, nullable=False),
    sa.UniqueConstraint("repo_id", "num"),
    sqlite_autoincrement=True,
)

# The last number given, so that two who open at once wait for each other.
discussion_counters = sa.Table(
    "discussion_counters",
    metadata,
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
)

# What happened in a discussion, in the order of ids.
discussion_events = sa.Table(
    "discussion_events",
    metadata,
    _id(),
    _to("discussion_id", "discussions.id", index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    _to("author_id", "users.id", index=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("edited_at", _Time),
    sa.Column("edits", sa.Integer, nullable=False),
    sa.Column("hidden", sa.Boolean, nullable=False),
    sqlite_autoincrement=True,
)

# What the card (README.md) of a repository's default branch says; ``seen_at`` is the updated_at of
# the repository that it was read for: one that changed later is read again before it is listed.
cards = sa.Table(
    "cards",
    metadata,
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seen_at", _Time, nullable=False),
    sa.Column("commit_oid", sa.String(64), nullable=False),
    sa.Column("card", sa.JSON, nullable=False),
)

card_tags = sa.Table(
    "card_tags",
    metadata,
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", sa.String(200), primary_key=True, index=True),
)
