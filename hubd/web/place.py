"""A visit of one repository: its address, redirects from former ones, what its pages share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hubd.core import browse, overview, repos
from hubd.errors import Invalid, NotFound
from hubd.types import RepoPath, RepoRef, Role
from hubd.web.links import Links, clone_lines
from hubd.web.visit import PageHandler, Visit, tail

_MENU = 60


@dataclass
class Place:
    """A repository that the visitor may read."""

    visit: Visit
    found: repos.Found
    rest: str
    # How many like it, and whether the visitor does; pages show it, files do not.
    liking: tuple[int, bool] = (0, False)

    @property
    def ref(self) -> RepoRef:
        """Its address as it is now."""
        return self.found.repo.ref

    @property
    def links(self) -> Links:
        """Addresses of its pages."""
        return Links(self.ref)

    async def at(self) -> tuple[browse.At, RepoPath]:
        """The commit and the path that the address names; the default branch if it names none."""
        visit = self.visit
        if not self.rest:
            return await browse.at(visit.core, visit.actor, self.ref), RepoPath("")
        revision, path = await browse.split_revision(visit.core, visit.actor, self.ref, self.rest)
        try:
            place = RepoPath.parse(path)
        except Invalid:
            # No such path can have been pushed.
            raise NotFound("There is no such file here.") from None
        return await browse.at(visit.core, visit.actor, self.ref, revision), place

    def show(self, template: str, tab: str, status: int = 200, **values: Any) -> web.Response:
        """One of its pages, with the header that they share."""
        visit = self.visit
        return visit.show(
            template,
            status,
            repo=self.found.repo,
            has_files=self.found.has_files,
            request=self.found.request,
            links=self.links,
            tab=tab,
            # What is offered; the core decides when it is used.
            manages=self.found.role is Role.ADMIN,
            writes=self.found.role >= Role.WRITE,
            likes=self.liking[0],
            liked=self.liking[1],
            clone=clone_lines(visit.origin, visit.core.ssh_url, self.ref),
            **values,
        )

    async def revisions(self) -> dict[str, Any]:
        """What the menu of branches and tags lists."""
        known = await browse.refs(self.visit.core, self.visit.actor, self.ref)
        return {
            "branches": known.branches[:_MENU],
            "tags": known.tags[:_MENU],
            "more_refs": len(known.branches) + len(known.tags) > 2 * _MENU,
        }


RepoHandler = Callable[[Place], Awaitable[web.StreamResponse]]


def repo_page(handler: RepoHandler, *, verb: bool = True, head: bool = True) -> PageHandler:
    """A handler for pages below a repository's address; ``verb``: ``tree``, ``blob`` and so on.

    Without ``head`` it shows no page with the repository's head.
    """

    async def found(visit: Visit) -> web.StreamResponse:
        match = visit.request.match_info
        asked = f"{match['prefix']}{match['namespace']}/{match['name']}"
        try:
            ref = RepoRef.from_path(asked)
        except Invalid:
            raise NotFound("Repository not found.") from None
        repo = await repos.find(visit.core, visit.actor, ref)
        segments = asked.count("/") + 1
        canonical = repo.repo.ref.path
        if canonical != asked and visit.request.method in {"GET", "HEAD"}:
            raw = visit.request.rel_url.raw_path.split("/", segments + 1)
            below = f"/{raw[segments + 1]}" if len(raw) > segments + 1 else ""
            return visit.moved(f"/{canonical}{below}")
        rest = tail(visit.request, segments + 1) if verb else ""
        place = Place(visit, repo, rest)
        if head:
            place.liking = await overview.liking(visit.core, visit.actor, repo)
        return await handler(place)

    return found
