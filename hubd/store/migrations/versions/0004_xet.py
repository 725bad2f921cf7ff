"""Objects held as chunks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "xorbs",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_xorbs")),
    )
    op.create_index(op.f("ix_xorbs_used_at"), "xorbs", ["used_at"], unique=False)
    op.create_table(
        "xorb_uploads",
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("xorb", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_xorb_uploads_repo_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["xorb"], ["xorbs.hash"], name=op.f("fk_xorb_uploads_xorb"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "user_id", "xorb", name=op.f("pk_xorb_uploads")),
    )
    op.create_index(op.f("ix_xorb_uploads_xorb"), "xorb_uploads", ["xorb"], unique=False)
    op.create_table(
        "xet_files",
        sa.Column("oid", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["oid"], ["objects.oid"], name=op.f("fk_xet_files_oid"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("oid", name=op.f("pk_xet_files")),
    )
    op.create_index(op.f("ix_xet_files_hash"), "xet_files", ["hash"], unique=False)
    op.create_table(
        "xet_file_xorbs",
        sa.Column("oid", sa.String(length=64), nullable=False),
        sa.Column("xorb", sa.String(length=64), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["oid"], ["xet_files.oid"], name=op.f("fk_xet_file_xorbs_oid"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["xorb"], ["xorbs.hash"], name=op.f("fk_xet_file_xorbs_xorb")),
        sa.PrimaryKeyConstraint("oid", "xorb", name=op.f("pk_xet_file_xorbs")),
    )
    op.create_index(op.f("ix_xet_file_xorbs_xorb"), "xet_file_xorbs", ["xorb"], unique=False)
    op.create_table(
        "xet_chunks",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("xorb", sa.String(length=64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["xorb"], ["xorbs.hash"], name=op.f("fk_xet_chunks_xorb"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", "xorb", name=op.f("pk_xet_chunks")),
    )
    op.create_index(op.f("ix_xet_chunks_xorb"), "xet_chunks", ["xorb"], unique=False)
    op.create_table(
        "xet_epochs",
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_xet_epochs_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", name=op.f("pk_xet_epochs")),
    )
