"""The table of what model files say; the rest of the schema is ``schema``."""

from __future__ import annotations

import sqlalchemy as sa

from hubd.store.schema import _Time, metadata

# By the id of the content, in Git or behind a pointer: it is the same in every repository.
model_facts = sa.Table(
    "model_facts",
    metadata,
    sa.Column("oid", sa.String(64), primary_key=True),
    # What its name says it is; another name must not decide for this one.
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
)
