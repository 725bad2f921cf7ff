"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_name", sa.String(length=128), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=256), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_action"), "audit", ["action"], unique=False)
    op.create_index(op.f("ix_audit_actor_name"), "audit", ["actor_name"], unique=False)
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_index(op.f("ix_audit_target"), "audit", ["target"], unique=False)
    op.create_table(
        "namespaces",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=96), nullable=False),
        sa.Column("name_fold", sa.String(length=96), nullable=False),
        sa.Column("skeleton", sa.String(length=96), nullable=False),
        sa.Column("full_name", sa.String(length=200), nullable=False),
        sa.Column("default_visibility", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_namespaces")),
        sa.UniqueConstraint("name_fold", name=op.f("uq_namespaces_name_fold")),
        sa.UniqueConstraint("skeleton", name=op.f("uq_namespaces_skeleton")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "namespace_redirects",
        sa.Column("name_fold", sa.String(length=96), nullable=False),
        sa.Column("skeleton", sa.String(length=96), nullable=False),
        sa.Column("namespace_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"],
            ["namespaces.id"],
            name=op.f("fk_namespace_redirects_namespace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("name_fold", name=op.f("pk_namespace_redirects")),
    )
    op.create_index(
        op.f("ix_namespace_redirects_namespace_id"),
        "namespace_redirects",
        ["namespace_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_namespace_redirects_skeleton"), "namespace_redirects", ["skeleton"], unique=False
    )
    op.create_table(
        "repos",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("namespace_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=96), nullable=False),
        sa.Column("name_fold", sa.String(length=96), nullable=False),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("default_branch", sa.String(length=200), nullable=False),
        sa.Column("object_format", sa.String(length=8), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("archived_at", sa.Double(), nullable=True),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", BIG_ID, nullable=True),
        sa.Column("pushed_at", sa.Double(), nullable=True),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("pushes_since_maintenance", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"],
            ["namespaces.id"],
            name=op.f("fk_repos_namespace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repos")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_repos_deleted_at"), "repos", ["deleted_at"], unique=False)
    op.create_index(op.f("ix_repos_namespace_id"), "repos", ["namespace_id"], unique=False)
    op.create_index(op.f("ix_repos_updated_at"), "repos", ["updated_at"], unique=False)
    op.create_index(
        "uq_repos_address",
        "repos",
        ["type", "namespace_id", "name_fold"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "users",
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("email", sa.String(length=256), nullable=True),
        sa.Column("password_hash", sa.String(length=256), nullable=True),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("disabled_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["id"], ["namespaces.id"], name=op.f("fk_users_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "collaborators",
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_collaborators_repo_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_collaborators_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "user_id", name=op.f("pk_collaborators")),
    )
    op.create_index(op.f("ix_collaborators_user_id"), "collaborators", ["user_id"], unique=False)
    op.create_table(
        "org_members",
        sa.Column("org_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["namespaces.id"], name=op.f("fk_org_members_org_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_org_members_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "user_id", name=op.f("pk_org_members")),
    )
    op.create_index(op.f("ix_org_members_user_id"), "org_members", ["user_id"], unique=False)
    op.create_table(
        "pushes",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_name", sa.String(length=128), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=True),
        sa.Column("token_id", BIG_ID, nullable=True),
        sa.Column("key_id", BIG_ID, nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("process_group", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.Double(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_pushes_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pushes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_pushes_repo_id"), "pushes", ["repo_id"], unique=False)
    op.create_index(op.f("ix_pushes_state"), "pushes", ["state"], unique=False)
    op.create_table(
        "ref_rules",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("pattern", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("push_role", sa.SmallInteger(), nullable=False),
        sa.Column("allow_force", sa.Boolean(), nullable=False),
        sa.Column("allow_delete", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_ref_rules_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ref_rules")),
        sa.UniqueConstraint(
            "repo_id", "kind", "pattern", name=op.f("uq_ref_rules_repo_id_kind_pattern")
        ),
    )
    op.create_index(op.f("ix_ref_rules_repo_id"), "ref_rules", ["repo_id"], unique=False)
    op.create_table(
        "repo_redirects",
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("namespace_id", BIG_ID, nullable=False),
        sa.Column("name_fold", sa.String(length=96), nullable=False),
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"],
            ["namespaces.id"],
            name=op.f("fk_repo_redirects_namespace_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_redirects_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "type", "namespace_id", "name_fold", name=op.f("pk_repo_redirects")
        ),
    )
    op.create_index(op.f("ix_repo_redirects_repo_id"), "repo_redirects", ["repo_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("last_seen_at", sa.Double(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_sessions_secret_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "ssh_keys",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=True),
        sa.Column("repo_id", BIG_ID, nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=100), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("can_write", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_used_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_ssh_keys_repo_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_ssh_keys_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssh_keys")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_ssh_keys_fingerprint")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_ssh_keys_repo_id"), "ssh_keys", ["repo_id"], unique=False)
    op.create_index(op.f("ix_ssh_keys_user_id"), "ssh_keys", ["user_id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.SmallInteger(), nullable=False),
        sa.Column("namespace_ids", sa.JSON(), nullable=False),
        sa.Column("repo_ids", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("last_used_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_tokens_secret_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("push_id", BIG_ID, nullable=True),
        sa.Column("ref", sa.String(length=1024), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["push_id"], ["pushes.id"], name=op.f("fk_events_push_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_events_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("kind", "push_id", "ref", name=op.f("uq_events_kind_push_id_ref")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_repo_ref", "events", ["repo_id", "ref"], unique=False)
    op.create_table(
        "push_refs",
        sa.Column("push_id", BIG_ID, nullable=False),
        sa.Column("ref", sa.String(length=1024), nullable=False),
        sa.Column("old_oid", sa.String(length=64), nullable=False),
        sa.Column("new_oid", sa.String(length=64), nullable=False),
        sa.Column("applied", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["push_id"], ["pushes.id"], name=op.f("fk_push_refs_push_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("push_id", "ref", name=op.f("pk_push_refs")),
    )
