"""Changes by the browser: new, edited, renamed, deleted and uploaded files, each a commit.

The forms come as multipart, which neither grows a text nor has to be held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import BodyPartReader, web

from hubd.core import browse, commits, uploads
from hubd.errors import Conflict, HubError, Invalid, Outdated, TooLarge
from hubd.http import ranges
from hubd.types import RepoPath
from hubd.web.files import crumbs
from hubd.web.place import Place
from hubd.web.visit import check_token, problem

_MAX_FIELD = 2 * browse.TEXT_LIMIT
_MAX_FIELDS = 30
_MAX_FILES = 1000
# The first field: without the right token nothing else is read.
_TOKEN = "csrf"  # noqa: S105


@dataclass
class Draft:
    """The branch that is to change, the commit that was seen, and what of it is at hand.

    ``parent`` is empty for an empty repository.
    """

    place: Place
    verb: str
    branch: str
    parent: str
    path: RepoPath
    blob: browse.Blob | None = None
    # What others changed since the form was made, as an address.
    newer: str = ""

    @property
    def action(self) -> str:
        """Where the form goes."""
        return self.place.links.at(self.verb, self.branch, self.path)

    async def show(self, error: HubError | None = None) -> web.Response:
        """The form."""
        visit = self.place.visit
        return self.place.show(
            "change.html",
            "files",
            draft=self,
            verb=self.verb,
            path=self.path,
            crumbs=crumbs(self.path),
            text=visit.form.get("text", self.text),
            **(problem(error) if error else {}),
        )

    @property
    def text(self) -> str | None:
        """What the editor begins with; None for what is no text or too long."""
        return self.blob.text if self.blob else ""

    @property
    def is_text(self) -> bool:
        """Whether there is something to edit besides the path."""
        return self.verb == "new" or (self.verb == "edit" and self.text is not None)


async def _draft(place: Place, verb: str) -> Draft:
    try:
        at, path = await place.at()
    except browse.EmptyRepoError:
        if verb not in {"new", "upload"}:
            raise
        branch = place.found.repo.default_branch
        folder = RepoPath.parse(place.rest.removeprefix(branch).strip("/"))
        return Draft(place, verb, branch, "", folder)
    refs = await browse.refs(place.visit.core, place.visit.actor, place.ref)
    if at.revision not in {info.name for info in refs.branches} | {p.ref for p in refs.pulls}:
        raise Conflict("Only a branch can be changed.", hint="Choose a branch and try again.")
    draft = Draft(place, verb, at.revision, at.commit, path)
    if verb == "edit":
        draft.blob = await browse.blob(place.visit.core, at, path)
    return draft


async def show(place: Place) -> web.StreamResponse:
    """One of the forms, by the address's verb."""
    return await (await _draft(place, _verb(place))).show()


def _verb(place: Place) -> str:
    return place.visit.request.match_info["change"]


async def change(place: Place) -> web.StreamResponse:
    """Commit what the form says; a refusal shows it again with all that was typed."""
    visit, draft = place.visit, await _draft(place, _verb(place))
    if draft.verb != "upload":
        return await _answer(draft, None)
    async with uploads.inbox(visit.core, visit.actor, place.ref) as box:
        return await _answer(draft, box)


async def _answer(draft: Draft, box: uploads.Inbox | None) -> web.Response:
    visit, ref = draft.place.visit, draft.place.ref
    visit.form = form = dict[str, str]()
    try:
        await _read(draft, form, box)
        if box is None:
            changes, target = _changes(draft)
        else:
            start, target = draft.parent or None, draft.path
            changes = await uploads.changes(visit.core, visit.actor, ref, start, box.files)
        return await _commit(draft, changes, target)
    except HubError as error:
        if _TOKEN not in form:
            # It did not come from a page of ours.
            raise
        if isinstance(error, Outdated) and visit.text("parent"):
            both = {"base": visit.text("parent"), "head": draft.parent}
            draft.newer = f"{draft.place.links.at('compare')}?{urlencode(both)}"
        return await draft.show(error)


async def _read(draft: Draft, form: dict[str, str], box: uploads.Inbox | None) -> None:
    request = draft.place.visit.request
    if request.content_type != "multipart/form-data":
        raise Invalid("The form was not sent as a browser sends it.")
    try:
        async for part in ranges.parts(request):
            if not part.name:
                raise Invalid("The form cannot be read.")
            if _TOKEN not in form and part.name != _TOKEN:
                raise Invalid("The form does not begin with its token.")
            if part.filename is None:
                await _read_field(draft, form, part)
            elif box is not None and part.filename:
                if len(box.files) >= _MAX_FILES:
                    raise TooLarge(f"At most {_MAX_FILES} files at once.")
                name = part.filename.replace("\\", "/").lstrip("/")
                path = RepoPath.parse(f"{draft.path}/{name}".lstrip("/"))
                await box.take(path, ranges.part(request, part))
    except ValueError:
        raise Invalid("The form cannot be read.") from None
    if _TOKEN not in form:
        raise Invalid("The form was not sent as a browser sends it.")


async def _read_field(draft: Draft, form: dict[str, str], part: BodyPartReader) -> None:
    data = bytearray()
    async for piece in ranges.part(draft.place.visit.request, part):
        data += piece
        if len(data) > _MAX_FIELD or len(form) >= _MAX_FIELDS:
            raise TooLarge("The form is too large.")
    text = data.decode("utf-8")
    if part.name == _TOKEN:
        check_token(draft.place.visit, text)
    form[str(part.name)] = text


def _changes(draft: Draft) -> tuple[list[commits.Change], RepoPath]:
    """What a form without files asks for, and the path to show afterwards."""
    visit, old = draft.place.visit, draft.path
    if draft.verb == "delete":
        is_folder = visit.checked("folder")
        gone = commits.DeleteFolder(old) if is_folder else commits.DeleteFile(old)
        return [gone], old.parent
    new = RepoPath.parse(visit.text("path").strip("/"))
    if not new:
        raise Invalid("A file needs a path.")
    text = visit.form.get("text") if draft.is_text else None
    if text is None:
        if new == old:
            raise Invalid("Nothing is changed.")
        return [commits.CopyFile(old, new), commits.DeleteFile(old)], new
    # Browsers send every line end as CRLF, whatever the file has.
    was = draft.text or ""
    text = text.replace("\r\n", "\n")
    if "\r\n" in was and "\n" not in was.replace("\r\n", ""):
        text = text.replace("\n", "\r\n")
    changes: list[commits.Change] = [commits.AddFile(new, text.encode())]
    if draft.verb == "edit" and new != old:
        # The copy brings the mode along.
        changes = [commits.CopyFile(old, new), *changes, commits.DeleteFile(old)]
    return changes, new


async def _commit(draft: Draft, changes: list[commits.Change], target: RepoPath) -> web.Response:
    place, visit = draft.place, draft.place.visit
    if not changes:
        raise Invalid("Choose at least one file.")
    where: tuple[Any, ...] = (visit.core, visit.actor, place.ref, changes, _message(draft, target))
    # Files that are added disturb nobody; what was typed was typed over a certain commit.
    seen = draft.parent if draft.verb == "upload" else visit.form.get("parent", "")
    if visit.text("as") == "pull":
        pull, _ = await uploads.commit_to_new_pull(*where, base=draft.branch, parent=seen)
        return visit.go(place.links.discussion(pull.num))
    if draft.verb == "upload":
        await commits.commit(*where, branch=draft.branch)
    else:
        await commits.commit(*where, branch=draft.branch, parent=seen)
    if draft.verb in {"upload", "delete"}:
        return visit.go(place.links.tree(draft.branch, target))
    return visit.go(place.links.blob(draft.branch, target))


def _message(draft: Draft, target: RepoPath) -> str:
    visit = draft.place.visit
    if visit.text("message"):
        return f"{visit.text('message')}\n\n{visit.text('description')}".strip()
    words = {"new": "Add", "edit": "Change", "delete": "Delete", "upload": "Upload files"}
    name = {"delete": draft.path, "upload": ""}.get(draft.verb, target)
    return f"{words[draft.verb]} {name}".strip()
