"""The tables of Xet: objects held as chunks."""

from __future__ import annotations

import sqlalchemy as sa

from hubd.store.schema import _BigId, _Time, metadata

__all__ = ["metadata"]

# Chunks packed together, as Xet clients send them; size counts the packed chunks.
xorbs = sa.Table(
    "xorbs",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("used_at", _Time, nullable=False, index=True),
)


def _to_xorb(name: str = "xorb", *, cascade: bool = True) -> sa.Column[str]:
    target = sa.ForeignKey("xorbs.hash", ondelete="CASCADE" if cascade else None)
    return sa.Column(name, sa.String(64), target, primary_key=True, index=True)


# Who sent which xorb to which repository: his proof that he has all its bytes.
xorb_uploads = sa.Table(
    "xorb_uploads",
    metadata,
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", _BigId, primary_key=True, autoincrement=False),
    _to_xorb(),
)

# Objects that are held as chunks, by the hash that Xet clients call them.
xet_files = sa.Table(
    "xet_files",
    metadata,
    sa.Column(
        "oid", sa.String(64), sa.ForeignKey("objects.oid", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("hash", sa.String(64), nullable=False, index=True),
)

# Which xorbs they need: the chunks [first, last) and perhaps not all of those.
xet_file_xorbs = sa.Table(
    "xet_file_xorbs",
    metadata,
    sa.Column(
        "oid", sa.String(64), sa.ForeignKey("xet_files.oid", ondelete="CASCADE"), primary_key=True
    ),
    _to_xorb(cascade=False),
    sa.Column("first", sa.Integer, nullable=False),
    sa.Column("last", sa.Integer, nullable=False),
)

# The chunks that clients may ask for, and where each lies.
xet_chunks = sa.Table(
    "xet_chunks",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    _to_xorb(),
    sa.Column("place", sa.Integer, nullable=False),
)

# Counts up when chunks that clients may remember of a repository have gone; no row: 0.
xet_epochs = sa.Table(
    "xet_epochs",
    metadata,
    sa.Column("repo_id", _BigId, sa.ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
)
