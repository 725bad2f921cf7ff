"""Commits made by the hub itself: the tree is changed in memory, the new objects become a pack.

Nothing is ever written into the repository here: the pack goes through ``receive-pack`` like any
push (``hubd.git.push``). There is no work tree either, so that a committed link leads nowhere.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from hubd.errors import EntryNotFound, Invalid, RevisionNotFound, Unavailable
from hubd.git.log import LATEST, Person
from hubd.git.objects import Batch
from hubd.git.packs import PackWriter, object_format_of
from hubd.git.process import Git
from hubd.git.trees import (
    MODE_EXECUTABLE,
    MODE_FILE,
    MODE_TREE,
    TreeEntry,
    serialize_tree,
)
from hubd.types import RepoPath

MAX_MESSAGE = 1024 * 1024
_MAX_ZONE = 14 * 60
# What git itself removes from the ends of names, as it would make the line ambiguous.
_CRUD = " .,:;<>\"\\'\t"


class AddFile(msgspec.Struct, frozen=True):
    """Put a file there, new or instead of another; ``executable`` None keeps what it was."""

    path: str
    content: bytes | Path
    executable: bool | None = None


class DeleteFile(msgspec.Struct, frozen=True):
    """Remove a file, link or submodule."""

    path: str


class DeleteFolder(msgspec.Struct, frozen=True):
    """Remove a folder with all that is in it."""

    path: str


class CopyFile(msgspec.Struct, frozen=True):
    """Put a file of a commit (by default the parent) there, without reading it."""

    source: str
    path: str
    commit: str | None = None


Operation = AddFile | DeleteFile | DeleteFolder | CopyFile


class Pack:
    """New objects in a temporary file that has no name; close it, or use ``with``.

    ``unchanged`` says that the commit has the tree of its parent.
    """

    def __init__(
        self, file: BinaryIO, oid: str, tree: str, size: int, objects: int, *, unchanged: bool
    ) -> None:
        self.file = file
        self.oid = oid
        self.tree = tree
        self.size = size
        self.objects = objects
        self.unchanged = unchanged

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the space back."""
        self.file.close()


class _File(msgspec.Struct):
    """A leaf that changes: an object that is there, or content still to be written."""

    mode: int
    oid: str = ""
    content: bytes | Path | None = None


class _Folder:
    """A folder that changes, with the entries that do not."""

    def __init__(self, entries: Mapping[str, TreeEntry] | None = None) -> None:
        self.kept = dict(entries or {})
        self.new: dict[str, _File | _Folder] = {}

    def get(self, name: str) -> TreeEntry | _File | _Folder | None:
        return self.new.get(name) or self.kept.get(name)

    def put(self, name: str, item: _File | _Folder) -> None:
        self.kept.pop(name, None)
        self.new[name] = item

    def drop(self, name: str) -> None:
        self.kept.pop(name, None)
        self.new.pop(name, None)


async def build_commit(
    git: Git,
    path: Path,
    parent: str | None,
    operations: Sequence[Operation],
    message: str,
    author: Person,
    committer: Person,
    *,
    object_format: str = "sha1",
    more_parents: Sequence[str] = (),
) -> Pack:
    """Make the objects of a commit on top of ``parent`` (None: the first of its branch).

    The operations apply in order. ``object_format`` counts without a parent only. Raises
    ``Invalid`` (path, link on the way, folder in place of a file) or ``EntryNotFound`` (nothing to
    delete or copy). Caller closes the pack.
    """
    if parent is not None:
        object_format = object_format_of(parent)
    if len(message.encode("utf-8", "replace")) > MAX_MESSAGE or "\0" in message:
        raise Invalid("A commit message has at most 1 MiB and no NUL character.")
    async with Batch(git, path) as batch:
        editor = _Editor(batch, parent)
        root_oid = await editor.load()
        for operation in operations:
            await editor.apply(operation)
    parents = [*([parent] if parent else []), *more_parents]
    head = _commit_head(parents, author, committer)
    git.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    return await asyncio.to_thread(
        _write, git.scratch, object_format, editor.root, head, message, root_oid
    )


class _Editor:
    """Applies operations to the tree of a commit, reading only the folders on the way."""

    def __init__(self, batch: Batch, parent: str | None) -> None:
        self._batch = batch
        self._parent = parent
        self.root = _Folder()

    async def load(self) -> str | None:
        """Read the root; returns its id."""
        if self._parent is None:
            return None
        oid = await self._batch.tree_of(self._parent)
        if oid is None:
            raise RevisionNotFound("The parent commit does not exist.")
        self.root = await self._read(oid)
        return oid

    async def _read(self, oid: str) -> _Folder:
        return _Folder(await self._batch.tree(oid))

    async def apply(self, operation: Operation) -> None:
        """Change the tree; raises ``Invalid`` or ``NotFound`` with the path in the sentence."""
        place = RepoPath.parse(operation.path)
        if not place:
            raise Invalid("An operation needs a path.")
        match operation:
            case AddFile():
                await self._add(place, operation)
            case DeleteFile():
                await self._delete(place, folder=False)
            case DeleteFolder():
                await self._delete(place, folder=True)
            case CopyFile():
                mode, oid = await self._source(operation)
                folder = await self._enter(place)
                _check_leaf(folder.get(place.name), place)
                folder.put(place.name, _File(mode, oid))

    async def _add(self, place: RepoPath, operation: AddFile) -> None:
        folder = await self._enter(place)
        before = folder.get(place.name)
        _check_leaf(before, place)
        if operation.executable is None:
            was = isinstance(before, TreeEntry | _File) and before.mode == MODE_EXECUTABLE
            mode = MODE_EXECUTABLE if was else MODE_FILE
        else:
            mode = MODE_EXECUTABLE if operation.executable else MODE_FILE
        folder.put(place.name, _File(mode, content=operation.content))

    async def _delete(self, place: RepoPath, *, folder: bool) -> None:
        parent = await self._enter(place, create=False)
        found = parent.get(place.name)
        if found is None:
            raise EntryNotFound(f"There is no {str(place)!r} to delete.")
        if _is_folder(found) != folder:
            raise Invalid(f"{str(place)!r} is {'no' if folder else 'a'} folder.")
        parent.drop(place.name)

    async def _enter(self, place: RepoPath, *, create: bool = True) -> _Folder:
        """The folder that a path lies in; never through a link or submodule."""
        here = self.root
        parts = place.split("/")
        for depth, name in enumerate(parts[:-1], 1):
            item = here.get(name)
            if isinstance(item, _Folder):
                here = item
                continue
            if item is None and not create:
                raise EntryNotFound(f"There is no {str(place)!r} to delete.")
            if isinstance(item, TreeEntry) and item.is_tree:
                below = await self._read(item.oid)
            elif item is None:
                below = _Folder()
            else:
                raise Invalid(f"{'/'.join(parts[:depth])!r} is {_what(item)}, not a folder.")
            here.put(name, below)
            here = below
        return here

    async def _source(self, operation: CopyFile) -> tuple[int, str]:
        commit = operation.commit or self._parent
        oid = await self._batch.tree_of(commit) if commit else None
        entry: TreeEntry | None = None
        for name in RepoPath.parse(operation.source).split("/"):
            entry = None
            if oid is None:
                break
            entry = (await self._batch.tree(oid)).get(name)
            oid = entry.oid if entry is not None and entry.is_tree else None
        if entry is None or entry.mode not in {MODE_FILE, MODE_EXECUTABLE}:
            raise EntryNotFound(f"There is no file {operation.source!r} to copy.")
        return entry.mode, entry.oid


def _is_folder(item: TreeEntry | _File | _Folder) -> bool:
    return isinstance(item, _Folder) or (isinstance(item, TreeEntry) and item.is_tree)


def _what(item: TreeEntry | _File | _Folder) -> str:
    if isinstance(item, TreeEntry) and item.is_link:
        return "a symbolic link"
    if isinstance(item, TreeEntry) and item.is_submodule:
        return "a submodule"
    return "a file"


def _check_leaf(item: TreeEntry | _File | _Folder | None, place: RepoPath) -> None:
    if item is not None and _is_folder(item):
        raise Invalid(f"{str(place)!r} is a folder.")
    if isinstance(item, TreeEntry) and item.is_submodule:
        raise Invalid(f"{str(place)!r} is a submodule.")


async def build_one(git: Git, kind: str, body: bytes, object_format: str, tree: str = "") -> Pack:
    """A pack of one object: a tag, or a commit whose ``tree`` the repository has."""
    git.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)

    def fill(writer: PackWriter) -> tuple[str, str]:
        return writer.add(kind, body), tree

    return await asyncio.to_thread(_packed, git.scratch, object_format, fill, None)


def _write(
    scratch: Path,
    object_format: str,
    root: _Folder,
    head: bytes,
    message: str,
    before: str | None,
) -> Pack:
    """Write blobs, then trees from the leaves up, then the commit."""

    def fill(writer: PackWriter) -> tuple[str, str]:
        entry = _write_folder(writer, root, "")
        tree = entry.oid if entry is not None else writer.add("tree", b"")
        return writer.add("commit", _commit_body(tree, head, message)), tree

    return _packed(scratch, object_format, fill, before)


def _packed(
    scratch: Path,
    object_format: str,
    fill: Callable[[PackWriter], tuple[str, str]],
    before: str | None,
) -> Pack:
    """What ``fill`` writes, which returns the ids of the main object and of its tree."""
    file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - the pack owns it
    try:
        writer = PackWriter(file, object_format)
        oid, tree = fill(writer)
        size = writer.finish()
    except BaseException as error:
        file.close()
        if isinstance(error, OSError):
            raise Unavailable(
                "The server cannot store this commit.", details={"error": str(error)}
            ) from error
        raise
    return Pack(file, oid, tree, size, writer.count, unchanged=tree == before)


def _write_folder(writer: PackWriter, folder: _Folder, name: str) -> TreeEntry | None:
    """The folder's entry in its parent, None if nothing is left in it."""
    entries = list(folder.kept.values())
    for below, item in folder.new.items():
        entry = (
            _write_folder(writer, item, below)
            if isinstance(item, _Folder)
            else _write_file(writer, item, below)
        )
        if entry is not None:
            entries.append(entry)
    if not entries:
        return None
    return TreeEntry.of(MODE_TREE, name, writer.add("tree", serialize_tree(entries)))


def _write_file(writer: PackWriter, item: _File, name: str) -> TreeEntry:
    oid = item.oid
    if isinstance(item.content, Path):
        oid = writer.add_file(item.content)
    elif item.content is not None:
        oid = writer.add("blob", item.content)
    return TreeEntry.of(item.mode, name, oid)


def commit_body(
    tree: str, parents: Sequence[str], author: Person, committer: Person, message: str
) -> bytes:
    """The content of a commit object (gitformat-commit)."""
    return _commit_body(tree, _commit_head(parents, author, committer), message)


def tag_body(oid: str, name: str, tagger: Person, message: str) -> bytes:
    """The content of a tag object for a commit (git-mktag)."""
    head = f"object {oid}\ntype commit\ntag {name}\ntagger {_signature(tagger)}\n\n"
    text = message if message.endswith("\n") else message + "\n"
    return (head + text).encode("utf-8", "replace")


def _commit_body(tree: str, head: bytes, message: str) -> bytes:
    text = message if message.endswith("\n") else message + "\n"
    return b"tree " + tree.encode() + b"\n" + head + b"\n" + text.encode("utf-8", "replace")


def _commit_head(parents: Sequence[str], author: Person, committer: Person) -> bytes:
    lines = [f"parent {oid}" for oid in parents]
    lines += [f"author {_signature(author)}", f"committer {_signature(committer)}"]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _signature(person: Person) -> str:
    """``NAME <EMAIL> SECONDS ZONE``, with nothing in it that could end a part early."""
    name = _clean(person.name) or _clean(person.email.partition("@")[0]) or "unknown"
    sign, minutes = ("-" if person.tz < 0 else "+"), min(abs(person.tz), _MAX_ZONE)
    zone = f"{sign}{minutes // 60:02d}{minutes % 60:02d}"
    seconds = min(max(int(person.time), 0), LATEST)
    return f"{name} <{_clean(person.email)}> {seconds} {zone}"


def _clean(text: str) -> str:
    kept = "".join(c for c in text if c not in "<>" and (c >= " ") and c != "\x7f")
    return kept.strip(_CRUD)
