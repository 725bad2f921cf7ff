"""How many approvals a merge into a protected branch needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "ref_rules", sa.Column("approvals", sa.SmallInteger(), nullable=False, server_default="0")
    )
