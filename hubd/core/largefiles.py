"""Which files of a commit are large ones, kept outside Git, and how they come into it."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hubd.core import repos
from hubd.core.browse import EmptyRepoError
from hubd.core.browse import at as commit_at
from hubd.core.context import Core
from hubd.core.entries import described, line_at
from hubd.core.patterns import Rules, ignore_rules, is_ignored, large_rules
from hubd.errors import Invalid
from hubd.git.objects import Batch
from hubd.git.write import AddFile, CopyFile, DeleteFile, DeleteFolder
from hubd.lfs import content, pointers
from hubd.lfs.pointers import Pointer
from hubd.store.repos import Repo
from hubd.types import Actor, RepoAction, RepoPath, RepoRef

ATTRIBUTES = ".gitattributes"
# Files above this size, in bytes, are large whatever the attributes say of their names.
THRESHOLD = 10 * 1000 * 1000
_MAX_RULES = 256 * 1024
# The types of files that models and datasets are made of.
_PATTERNS = (
    "*.7z *.arrow *.avro *.bin *.bz2 *.ckpt *.ftz *.gguf *.gz *.h5 *.joblib *.lz4 *.mlmodel"
    " *.model *.msgpack *.npy *.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar"
    " *.safetensors saved_model/**/* *.tar.* *.tar *.tflite *.tgz *.wasm *.xz *.zip *.zst"
    " *tfevents*"
)
_SUFFIX = " filter=lfs diff=lfs merge=lfs -text\n"
FIRST_ATTRIBUTES = "".join(f"{pattern}{_SUFFIX}" for pattern in _PATTERNS.split())


@dataclass(frozen=True, slots=True)
class AddLarge:
    """Put a large file there, whose content was uploaded; ``size`` None: as it was."""

    path: str
    oid: str
    size: int | None = None


Operation = AddFile | DeleteFile | DeleteFolder | CopyFile
Change = Operation | AddLarge


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that a client wants to commit; ``sample`` is how it begins."""

    path: str
    size: int
    sample: bytes = b""


@dataclass(frozen=True, slots=True)
class Planned:
    """How it is to be sent; ``oid`` is what is there now: SHA-256 of a large file, else git's."""

    path: str
    large: bool
    ignored: bool
    oid: str | None


def sample_of(text: str) -> bytes:
    """The bytes of a sample in base64; raises ``Invalid``."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("A sample is base64.") from None


class Tracking:
    """What the ``.gitattributes`` files of a tree, perhaps changed, say about large files."""

    def __init__(
        self, batch: Batch, commit: str | None, changed: Mapping[str, bytes] | None = None
    ) -> None:
        self._batch = batch
        self._commit = commit
        self._changed = changed or {}
        self._rules: dict[str, Rules[bool]] = {}

    async def is_large(self, path: RepoPath) -> bool:
        """Whether the path is tracked; the file nearest to it that says something counts."""
        folder, verdict = path, None
        while verdict is None and folder:
            folder = folder.parent
            rules = await self._of(folder)
            below = path.removeprefix(f"{folder}/") if folder else str(path)
            verdict = rules.value_of(below)
        return bool(verdict)

    async def _of(self, folder: RepoPath) -> Rules[bool]:
        if folder not in self._rules:
            self._rules[folder] = large_rules((await self.text(folder)).decode("utf-8", "replace"))
        return self._rules[folder]

    async def text(self, folder: RepoPath) -> bytes:
        """The attributes file of a folder; empty if there is none."""
        path = folder.child(ATTRIBUTES)
        if path in self._changed:
            return self._changed[path]
        return await _small_file(self._batch, self._commit, path) if self._commit else b""


async def _small_file(batch: Batch, commit: str, path: RepoPath) -> bytes:
    line = await line_at(batch, commit, path)
    if line is None or line.is_tree or line.is_submodule:
        return b""
    info = await batch.info(line.oid)
    if info is None or info.size > _MAX_RULES:
        return b""
    return (await batch.contents_many([line.oid]))[line.oid]


async def plan(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    revision: str | None,
    wanted: Sequence[Wanted],
    *,
    ignore: str | None = None,
    for_pull: bool = False,
) -> tuple[str | None, list[Planned]]:
    """The commit that is there now, and how each file is to be sent.

    ``ignore`` is a gitignore file to use instead of the repository's.
    """
    action = RepoAction.DISCUSS if for_pull else RepoAction.PUSH
    found = await repos.find(core, actor, ref, action)
    try:
        commit: str | None = (await commit_at(core, actor, ref, revision)).commit
    except EmptyRepoError:
        commit = None
    batch = await core.objects.batch(found.path)
    if ignore is None and commit is not None:
        ignore = (await _small_file(batch, commit, RepoPath(".gitignore"))).decode(
            "utf-8", "replace"
        )
    ignored = ignore_rules(ignore or "")
    tracking = Tracking(batch, commit)
    planned = []
    for one in wanted:
        path = RepoPath.parse(one.path)
        if not path:
            raise Invalid("A file needs a path.")
        large = one.size > 0 and (
            one.size > THRESHOLD or _is_binary(one.sample) or await tracking.is_large(path)
        )
        oid = await _content_at(batch, commit, path) if commit else None
        planned.append(Planned(one.path, large, is_ignored(ignored, path), oid))
    return commit, planned


def _is_binary(sample: bytes) -> bool:
    if b"\0" in sample:
        return True
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may have been cut.
        return error.start < len(sample) - 3
    return False


async def _content_at(batch: Batch, commit: str, path: RepoPath) -> str | None:
    line = await line_at(batch, commit, path)
    if line is None or line.is_tree or line.is_submodule:
        return None
    entry = (await described(batch, [(path, line)]))[0]
    return entry.lfs.oid if entry.lfs else entry.oid


async def as_files(
    core: Core, actor: Actor, repo: Repo, commit: str | None, changes: Sequence[Change]
) -> list[Operation]:
    """Large files as their pointers, and tracked by the attributes, so that git fetches them.

    Raises ``Invalid`` for one whose content the repository lacks.
    """
    large = [change for change in changes if isinstance(change, AddLarge)]
    if not large:
        return [change for change in changes if not isinstance(change, AddLarge)]
    sizes = await _sizes(core, actor, repo, large)
    operations: list[Operation] = [
        AddFile(change.path, pointers.render(Pointer(change.oid, sizes[change.oid])))
        if isinstance(change, AddLarge)
        else change
        for change in changes
    ]
    attributes = await _attributes(core, repo, commit, changes, large)
    return operations if attributes is None else [*operations, AddFile(ATTRIBUTES, attributes)]


async def _sizes(core: Core, actor: Actor, repo: Repo, large: Sequence[AddLarge]) -> dict[str, int]:
    oids = {content.check_oid(change.oid) for change in large}
    links = await content.links(core.lfs, repo.id, oids)
    elsewhere = {c.oid: c.size for c in large if c.oid not in links and c.size is not None}
    sizes = {oid: link.size for oid, link in links.items()}
    if elsewhere:
        sizes |= await content.adopt(core.lfs, actor, repo, elsewhere)
    for change in large:
        if change.oid not in sizes:
            raise Invalid(
                f"The content of {change.path!r} was never uploaded.", hint="Upload it first."
            )
        if change.size not in {None, sizes[change.oid]}:
            raise Invalid(
                f"{change.path!r} has {sizes[change.oid]} bytes, not the {change.size} announced."
            )
    return sizes


async def _attributes(
    core: Core,
    repo: Repo,
    commit: str | None,
    changes: Sequence[Change],
    large: Sequence[AddLarge],
) -> bytes | None:
    """The root's attributes with a line for each large file that none covers; None as it is."""
    changed = {
        change.path: change.content
        for change in changes
        if isinstance(change, AddFile)
        and RepoPath(change.path).name == ATTRIBUTES
        and isinstance(change.content, bytes)
    }
    changed |= {c.path: b"" for c in changes if isinstance(c, DeleteFile) and c.path == ATTRIBUTES}
    tracking = Tracking(await core.objects.batch(core.path_of(repo.id)), commit, changed)
    missing = [c.path for c in large if not await tracking.is_large(RepoPath.parse(c.path))]
    if not missing:
        return None
    before = await tracking.text(RepoPath(""))
    if before and not before.endswith(b"\n"):
        before += b"\n"
    lines = "".join(f"{_escaped(path)}{_SUFFIX}" for path in missing)
    return before + lines.encode("utf-8", "surrogateescape")


def _escaped(path: str) -> str:
    """A path as a pattern for itself alone, as ``git lfs track`` writes it."""
    text = "".join(f"\\{c}" if c in "*?[" else c for c in path)
    text = text.replace(" ", "[[:space:]]").replace("#", "\\#", 1 if path.startswith("#") else 0)
    return text if "/" in path else f"/{text}"
