"""In whose quota an object counts that a reader brought for a pull request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("object_links", sa.Column("charged_to", BIG_ID, nullable=True))
    op.create_index(
        op.f("ix_object_links_charged_to"), "object_links", ["charged_to"], unique=False
    )
