"""Tree objects read."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hubd.errors import Unavailable

MODE_TREE = 0o040000
MODE_FILE = 0o100644
MODE_LINK = 0o120000
MODE_SUBMODULE = 0o160000
MODE_EXECUTABLE = 0o100755


class TreeEntry(msgspec.Struct, frozen=True):
    """One line of a tree; ``name`` has undecodable bytes as surrogates."""

    mode: int
    name: str
    name_raw: bytes
    oid: str

    @classmethod
    def of(cls, mode: int, name: str, oid: str) -> TreeEntry:
        """An entry by its name as text."""
        return cls(mode, name, name.encode("utf-8", "surrogateescape"), oid)

    @property
    def is_tree(self) -> bool:
        """Whether this is a folder."""
        return self.mode == MODE_TREE

    @property
    def is_link(self) -> bool:
        """Whether this is a symbolic link."""
        return self.mode == MODE_LINK

    @property
    def is_submodule(self) -> bool:
        """Whether this is a commit of another repository."""
        return self.mode == MODE_SUBMODULE


def parse_tree(data: bytes, oid_bytes: int) -> list[TreeEntry]:
    """The entries of a tree object in git's order; ``oid_bytes`` is 20 or 32."""
    entries: list[TreeEntry] = []
    position, end = 0, len(data)
    try:
        while position < end:
            space = data.index(b" ", position)
            nul = data.index(b"\0", space)
            mode = int(data[position:space], 8)
            raw = data[space + 1 : nul]
            position = nul + 1 + oid_bytes
            if position > end:
                raise ValueError("cut off")
            oid = data[nul + 1 : position].hex()
            name = raw.decode("utf-8", "surrogateescape")
            entries.append(TreeEntry(mode, name, raw, oid))
    except ValueError as error:
        raise Unavailable("A tree object is malformed.") from error
    return entries


def serialize_tree(entries: Iterable[TreeEntry]) -> bytes:
    """The tree object with these entries; Git orders a folder as if its name ended with a slash."""
    ordered = sorted(entries, key=lambda e: e.name_raw + b"/" if e.is_tree else e.name_raw)
    return b"".join(b"%o %b\0" % (e.mode, e.name_raw) + bytes.fromhex(e.oid) for e in ordered)
