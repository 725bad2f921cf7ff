"""One call of the Hub's API: where it is, who answers, and what all of them share.

A handler is ``async def verb(call) -> answer``: it makes a call of the core and gives a struct, a
list of structs, a ``Page``, or a response of its own. The calls are mounted under any prefix.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from yarl import URL

from hubd.core import browse
from hubd.core.context import Core
from hubd.core.rows import Repo
from hubd.errors import (
    HubError,
    Invalid,
    NotBuilt,
    RevisionNotFound,
    SignInNeeded,
    TooLarge,
)
from hubd.http import ranges
from hubd.http.api.endpoint import admit, json_response, rate_headers
from hubd.http.context import actor_of, core_of, note_denied, public_url
from hubd.http.hf import errors
from hubd.types import Actor, ActorKind, Channel, RepoRef, RepoType

MAX_BODY = 16 * 1024 * 1024
TYPES = "{types:models|datasets|spaces|codes}"
REPO = "/api/" + TYPES + "/{namespace}/{name}"
# The first page's size where the client names none, and the largest that it may name.
PAGE = 1000
_MAIN = "main"
_TRUE = {"1", "true", "yes"}
S = TypeVar("S")


@dataclass(frozen=True)
class Page:
    """A part of a list; ``after`` is the mark of the next part, None at the end."""

    items: list[Any]
    after: str | None


@dataclass(frozen=True)
class Call:
    """A request that is understood."""

    request: web.Request
    core: Core
    actor: Actor
    prefix: str

    @property
    def endpoint(self) -> str:
        """The address that the client was given as the Hub's."""
        return public_url(self.request) + self.prefix

    def name(self, part: str) -> str:
        """A part of the address, decoded."""
        return self.request.match_info[part]

    @property
    def ref(self) -> RepoRef:
        """The repository in the address; raises ``Invalid``."""
        kind = self.name("types").removesuffix("s")
        return RepoRef.parse(kind, f"{self.name('namespace')}/{self.name('name')}")

    def url(self, ref: RepoRef) -> str:
        """The address of a repository's page."""
        return f"{self.endpoint}/{ref.path}"

    async def at(self, revision: str | None = None) -> browse.At:
        """The repository at a revision, by default at its main branch.

        Clients ask for ``main`` unless told otherwise: it stands for the default branch where there
        is none of that name.
        """
        return await at_revision(self.core, self.actor, self.ref, revision)

    def flag(self, name: str) -> bool:
        """Whether a parameter is set, in any client's way of writing it."""
        return self.text(name).lower() in _TRUE

    def text(self, name: str) -> str:
        """A parameter; empty if it is not given."""
        return self.request.query.get(name, "")

    def words(self, name: str) -> list[str]:
        """A parameter that may be given several times, plainly or as ``name[]``."""
        query = self.request.query
        return [value for key in (name, f"{name}[]") for value in query.getall(key, [])]

    def number(self, name: str, default: int, most: int) -> int:
        """A number of at least 0, cut at ``most``; raises ``Invalid``."""
        text = self.text(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004
            raise Invalid(f"The parameter {name} is a number.")
        return min(int(text), most)

    async def body(self, struct: type[S]) -> S:
        """The JSON body; an empty one stands for ``{}``. Raises ``Invalid`` or ``TooLarge``."""
        data = bytearray()
        async for piece in ranges.body(self.request):
            data += piece
            if len(data) > MAX_BODY:
                raise TooLarge(f"The body is larger than {MAX_BODY} bytes.")
        return decoded(bytes(data) or b"{}", struct)


async def at_revision(core: Core, actor: Actor, ref: RepoRef, revision: str | None) -> browse.At:
    """As ``browse.at``, with the clients' ``main`` for the default branch."""
    try:
        at = await browse.at(core, actor, ref, revision or None)
    except browse.EmptyRepoError:
        raise
    except RevisionNotFound:
        if revision != _MAIN:
            raise
        at = await browse.at(core, actor, ref)
    except Invalid as error:
        # No such ref can have been pushed.
        raise RevisionNotFound(f"There is no revision {revision!r} here.") from error
    require_sha1(at.found.repo)
    return at


def require_sha1(repo: Repo) -> None:
    """Raise ``Invalid`` for a repository whose ids the Hub's clients do not understand."""
    if repo.object_format != "sha1":
        raise Invalid(
            "This repository has SHA-256 object ids, which clients of the Hub cannot read.",
            hint="Use git or the hub's own API.",
        )


def decoded(data: bytes | memoryview, struct: type[S]) -> S:
    """JSON as a struct; raises ``Invalid``."""
    try:
        return msgspec.json.decode(data, type=struct)
    except msgspec.ValidationError as error:
        raise Invalid(f"The body is wrong: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("The body is not JSON.") from None


Handler = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True)
class Endpoint:
    """A method and path of the Hub, the handler that answers, and its line in the documentation."""

    method: str
    path: str
    handler: Handler
    summary: str
    # Calls for bytes are not counted: a training job makes thousands in a minute.
    rated: bool = True

    @property
    def built(self) -> bool:
        """Whether it answers more than that it does not exist yet."""
        return getattr(self.handler, "missing", "") == ""

    @property
    def shown_path(self) -> str:
        """The path for people: parameters by name alone, choices by what may be chosen."""
        path = re.sub(r"\{prefix:.*?\?\}", "[datasets/|spaces/|codes/]", self.path)
        path = re.sub(r"\{(path|rest):\(\?:/\.\*\)\?\}", r"[/{\1}]", path)
        path = re.sub(r"\{(?:rest|call):((?:[\w-]+\|)+.+)\}", r"{\1}", path)
        return re.sub(r"\{(\w+):(?:[^{}]|\{[^{}]*\})*\}", r"{\1}", path)

    def route(self, prefix: str) -> web.RouteDef:
        """The route below a prefix."""

        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, prefix)

        if self.method == "GET":
            return web.get(prefix + self.path, serve)
        return web.route(self.method, prefix + self.path, serve)

    async def _serve(self, request: web.Request, prefix: str) -> web.StreamResponse:
        core = core_of(request)
        anonymous = True
        try:
            try:
                actor = await (
                    admit(request, core) if self.rated else actor_of(request, Channel.API)
                )
            except SignInNeeded as error:
                raise errors.BadToken from error
            anonymous = actor.kind is ActorKind.ANONYMOUS
            call = Call(request, core, actor, prefix)
            return self.answered(call, await self.handler(call))
        except HubError as error:
            note_denied(request, error)
            return self.refused(request, error, anonymous=anonymous)

    def answered(self, call: Call, answer: object) -> web.StreamResponse:
        """What a handler gave, as the clients of this dialect read it."""
        if isinstance(answer, web.StreamResponse):
            return answer
        headers = {"Cache-Control": "no-store", **rate_headers(call.request)}
        if isinstance(answer, Page):
            if answer.after is not None:
                headers["Link"] = f'<{_next(call, answer.after)}>; rel="next"'
                headers["Access-Control-Expose-Headers"] = "Link"
            answer = answer.items
        return json_response({} if answer is None else answer, headers=headers)

    def refused(
        self, request: web.Request, error: HubError, *, anonymous: bool
    ) -> web.StreamResponse:
        """A refusal, likewise."""
        return errors.render(request, error, anonymous=anonymous)


def _next(call: Call, after: str) -> str:
    here = call.request.rel_url.update_query(cursor=after)
    return public_url(call.request) + str(here)


def not_built(what: str) -> Handler:
    """Answers that a family of calls is not there yet, in a sentence."""

    async def refuse(_call: Call) -> object:
        raise NotBuilt(f"{what} on this hub yet.")

    refuse.missing = what  # type: ignore[attr-defined]
    return refuse


def moved(call: Call, old: RepoRef, new: RepoRef) -> web.Response:
    """To the same call at the repository's present name: 307, relative, as old clients need."""

    def start(ref: RepoRef) -> str:
        if "types" in call.request.match_info:
            return f"{call.prefix}/api/{ref.type}s/{ref.repo_id}"
        return f"{call.prefix}/{ref.path}"

    raw = call.request.rel_url.raw_path
    below = raw[len(start(old)) :]
    location = URL(start(new) + below, encoded=True).with_query(call.request.rel_url.query)
    return json_response({"location": str(location)}, 307, {"Location": str(location)})


def names_of(types: str) -> RepoType:
    """The type behind ``models``, ``datasets``, ``spaces`` or ``codes``."""
    return RepoType(types.removesuffix("s"))


def selected(value: Mapping[str, Any], wanted: list[str], known: frozenset[str]) -> dict[str, Any]:
    """The keys asked for, beside ids; raises ``Invalid`` for one that is not known."""
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise Invalid(f"There is no field {unknown[0][:50]!r} to expand.")
    return {key: value[key] for key in ("_id", "id", *wanted) if key in value}
