"""What cards say, and likes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _to(column: str, target: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [target], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE"
    )


def upgrade() -> None:
    op.create_table(
        "cards",
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("commit_oid", sa.String(length=64), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        _to("repo_id", "repos.id", "cards"),
        sa.PrimaryKeyConstraint("repo_id", name=op.f("pk_cards")),
    )
    op.create_table(
        "card_tags",
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("tag", sa.String(length=200), nullable=False),
        _to("repo_id", "repos.id", "card_tags"),
        sa.PrimaryKeyConstraint("repo_id", "tag", name=op.f("pk_card_tags")),
    )
    op.create_index(op.f("ix_card_tags_tag"), "card_tags", ["tag"], unique=False)
    op.create_table(
        "likes",
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("repo_id", BIG_ID, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        _to("user_id", "users.id", "likes"),
        _to("repo_id", "repos.id", "likes"),
        sa.PrimaryKeyConstraint("user_id", "repo_id", name=op.f("pk_likes")),
    )
    op.create_index(op.f("ix_likes_repo_id"), "likes", ["repo_id"], unique=False)
