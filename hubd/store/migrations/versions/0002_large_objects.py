"""Large objects: content, links, uploads, locks and quotas."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "objects",
        sa.Column("oid", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("oid", name=op.f("pk_objects")),
    )
    op.create_table(
        "lfs_locks",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("ref", sa.String(length=1024), nullable=False),
        sa.Column("locked_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_lfs_locks_repo_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_lfs_locks_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lfs_locks")),
        sa.UniqueConstraint("repo_id", "path", name=op.f("uq_lfs_locks_repo_id_path")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_lfs_locks_user_id"), "lfs_locks", ["user_id"], unique=False)
    op.create_table(
        "object_links",
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("oid", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["oid"], ["objects.oid"], name=op.f("fk_object_links_oid")),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_object_links_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "oid", name=op.f("pk_object_links")),
    )
    op.create_index(op.f("ix_object_links_oid"), "object_links", ["oid"], unique=False)
    op.create_table(
        "quotas",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("namespace_id", BIG_ID, nullable=True),
        sa.Column("repo_id", BIG_ID, nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("objects", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["namespace_id"],
            ["namespaces.id"],
            name=op.f("fk_quotas_namespace_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_quotas_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quotas")),
        sa.UniqueConstraint("namespace_id", name=op.f("uq_quotas_namespace_id")),
        sa.UniqueConstraint("repo_id", name=op.f("uq_quotas_repo_id")),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("oid", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("part_size", sa.BigInteger(), nullable=False),
        sa.Column("handle", sa.String(length=1024), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_uploads_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_expires_at"), "uploads", ["expires_at"], unique=False)
    op.create_index(op.f("ix_uploads_repo_id"), "uploads", ["repo_id"], unique=False)
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["uploads.id"],
            name=op.f("fk_upload_parts_upload_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("upload_id", "number", name=op.f("pk_upload_parts")),
    )
