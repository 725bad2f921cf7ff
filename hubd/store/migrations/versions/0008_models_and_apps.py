"""What model files say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # They are read anew when lists are asked for, and say more now.
    op.execute("DELETE FROM cards")
    op.create_table(
        "model_facts",
        sa.Column("oid", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("oid", name=op.f("pk_model_facts")),
    )
