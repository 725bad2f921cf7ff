"""What stands at a path of a commit: folders, files, and the large files behind pointers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hubd.errors import EntryNotFound
from hubd.git.log import CommitInfo
from hubd.git.objects import Batch
from hubd.git.trees import TreeEntry
from hubd.lfs import pointers
from hubd.lfs.pointers import Pointer
from hubd.types import RepoPath


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a folder; ``size`` is that of the real file, also behind a pointer."""

    name: str
    path: str
    kind: str
    mode: int
    oid: str
    size: int | None = None
    lfs: Pointer | None = None
    last: CommitInfo | None = None

    @property
    def is_folder(self) -> bool:
        """Whether other entries are below it."""
        return self.kind == "folder"


async def line_at(batch: Batch, commit: str, path: RepoPath) -> TreeEntry | None:
    """The tree entry of a path that is not the root; never goes through a link or submodule."""
    oid = await batch.tree_of(commit)
    entry: TreeEntry | None = None
    for name in path.split("/"):
        if oid is None:
            return None
        entry = (await batch.tree(oid)).get(name)
        oid = entry.oid if entry is not None and entry.is_tree else None
    return entry


async def folder_at(batch: Batch, commit: str, path: RepoPath) -> str:
    """The tree of a folder; raises ``EntryNotFound``."""
    if path:
        entry = await line_at(batch, commit, path)
        oid = entry.oid if entry is not None and entry.is_tree else None
    else:
        oid = await batch.tree_of(commit)
    if oid is None:
        raise EntryNotFound(f"There is no folder {str(path)!r} at {commit[:12]}.")
    return oid


async def described(
    batch: Batch, lines: Iterable[tuple[str, TreeEntry]], *, with_sizes: bool = True
) -> list[Entry]:
    """Tree entries, each with its whole path, as people know them."""
    lines = list(lines)
    files = [line.oid for _, line in lines if not line.is_tree and not line.is_submodule]
    sizes: dict[str, int] = {}
    found: dict[str, Pointer] = {}
    if with_sizes and files:
        infos = [info for info in await batch.info_many(files) if info is not None]
        sizes = {info.oid: info.size for info in infos}
        small = [info.oid for info in infos if pointers.may_be(info.size)]
        for oid, data in (await batch.contents_many(small) if small else {}).items():
            pointer = pointers.parse(data)
            if pointer is not None:
                found[oid] = pointer
    return [_entry(path, line, sizes, found) for path, line in lines]


def _entry(path: str, line: TreeEntry, sizes: dict[str, int], found: dict[str, Pointer]) -> Entry:
    kind = "file"
    if line.is_tree:
        kind = "folder"
    elif line.is_link:
        kind = "link"
    elif line.is_submodule:
        kind = "submodule"
    pointer = found.get(line.oid) if kind == "file" else None
    size = pointer.size if pointer else sizes.get(line.oid)
    return Entry(line.name, path, kind, line.mode, line.oid, size, pointer)
