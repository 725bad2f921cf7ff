"""One endpoint of the API: declared once, from which route, checks and documentation follow.

A handler is ``async def verb(call, [query: Struct], [body: Struct]) -> answer``; its annotations
say what the endpoint takes and gives. It makes one call of the core and a struct of what comes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from aiohttp import web

from hubd.core import repos
from hubd.core.context import Core
from hubd.core.rates import RateState
from hubd.errors import Busy, HubError, Invalid, NotFound, SignInNeeded, TooLarge
from hubd.http.context import actor_of, client_address, core_of, public_url, request_id
from hubd.names import check_name
from hubd.types import Actor, Channel, RepoRef

PREFIX = "/api/hub/v1"
MAX_BODY = 1024 * 1024
MAX_ID = 2**53 - 1
MAX_NUM = 2**31 - 1
REPO = "/repos/{type}/{namespace}/{name}"
RATE = "api_rate"
_NAMES = {"namespace": "namespace", "user": "user", "org": "organization"}
_NO_STORE = {"Cache-Control": "no-store"}
T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list; ``after`` is the mark of the next part, None at the end."""

    items: list[T]
    after: str | None


@dataclass(frozen=True)
class Part(Generic[T]):
    """An answer around a part of a list; ``after`` as for ``Page``."""

    value: T
    after: str | None


class Stream:
    """The answer of an endpoint that sends bytes; it has prepared the response itself."""

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response


class Moved(Exception):
    """What was asked for has another name now."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True)
class Call:
    """A request that is understood: who asks the hub, and what for."""

    request: web.Request
    core: Core
    actor: Actor
    names: Mapping[str, str]

    @property
    def ref(self) -> RepoRef:
        """The repository in the address; raises ``Invalid``."""
        names = self.names
        return RepoRef.parse(names["type"], f"{names['namespace']}/{names['name']}")

    @property
    def id(self) -> int:
        """The row's number in the address; one that no row can have is not found."""
        return self._number("id", MAX_ID)

    @property
    def num(self) -> int:
        """The number in the address that counts within a repository."""
        return self._number("num", MAX_NUM)

    def _number(self, name: str, most: int) -> int:
        number = int(self.names[name])
        if not 0 < number <= most:
            raise NotFound("There is no such number.")
        return number

    @property
    def user(self) -> str | None:
        """The account in the address; None: the asker's own."""
        return self.names.get("user")


Handler = Callable[..., Awaitable[object]]


@dataclass(frozen=True)
class Endpoint:
    """A method and path below ``/api/hub/v1``, and the handler that answers."""

    method: str
    path: str
    handler: Handler
    summary: str
    status: int = 200
    refusals: tuple[int, ...] = field(default=())

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The handler's annotations."""
        return get_type_hints(self.handler, include_extras=True)

    @property
    def name(self) -> str:
        """The ``operationId``."""
        return self.handler.__name__

    @property
    def group(self) -> str:
        """The part of the documentation it stands in."""
        return self.handler.__module__.rpartition(".")[2]

    @property
    def query(self) -> type[msgspec.Struct] | None:
        """The struct of the query parameters."""
        return self.hints.get("query")

    @property
    def body(self) -> type[msgspec.Struct] | None:
        """The struct of the request body."""
        return self.hints.get("body")

    @property
    def pages(self) -> bool:
        """Whether it gives a list in parts."""
        return get_origin(self.hints["return"]) in {Page, Part}

    @property
    def streams(self) -> bool:
        """Whether it gives bytes."""
        return self.hints["return"] is Stream

    @property
    def answer(self) -> Any:
        """The type of the response body; None for none."""
        given = self.hints["return"]
        if self.pages:
            inner = get_args(given)[0]
            return inner if get_origin(given) is Part else list[inner]  # type: ignore[valid-type]
        return None if given is type(None) or self.streams else given

    @property
    def success(self) -> int:
        """The status when it goes well."""
        return 204 if self.answer is None and not self.streams else self.status

    @property
    def names(self) -> list[str]:
        """The parameters in the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def statuses(self) -> list[int]:
        """Every refusal it may answer with."""
        found = {400, 401, 403, 429, 503, *self.refusals}
        if self.names:
            found.add(404)
        if self.method != "GET":
            found |= {404, 409}
        if self.body:
            found |= {408, 413, 415}
        return sorted(found)

    @property
    def moves(self) -> bool:
        """Whether it answers at the former addresses of a repository with a redirect."""
        return self.path.startswith(REPO)

    def route(self) -> web.RouteDef:
        """The route for the web application."""
        patterns = {"id": r"\d{1,18}", "num": r"\d{1,18}"}
        patterns |= {"mark": "[0-9a-f]{24}", "oid": "[0-9a-f]{7,64}"}
        path = self.path
        for name, pattern in patterns.items():
            path = path.replace(f"{{{name}}}", f"{{{name}:{pattern}}}")
        if self.method == "GET":
            return web.get(path, self.serve)
        return web.route(self.method, path, self.serve)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Sign in, count, parse, let the handler answer, write that down."""
        core = core_of(request)
        actor = await admit(request, core)
        call = Call(request, core, actor, _names(request))
        given: dict[str, object] = {}
        if self.query is not None or request.query:
            given["query"] = _query(request, self.query or _NoQuery)
        if self.body is not None:
            given["body"] = await _body(request, self.body)
        if self.moves:
            found = await repos.find(core, actor, call.ref)
            if found.moved:
                return _moved(request, call.ref, found.repo.ref)
        if self.query is None:
            given.pop("query", None)
        try:
            return self._respond(call, await self.handler(call, **given))
        except Moved as moved:
            return redirect(request, moved.path)

    def _respond(self, call: Call, answer: object) -> web.StreamResponse:
        if isinstance(answer, Stream):
            return answer.response
        headers = {**_NO_STORE, **rate_headers(call.request)}
        if answer is None:
            return web.Response(status=204, headers=headers)
        if isinstance(answer, Page | Part):
            if answer.after is not None:
                headers["Link"] = f'<{_next(call.request, answer.after)}>; rel="next"'
            answer = answer.items if isinstance(answer, Page) else answer.value
        return json_response(answer, self.success, headers)


class _NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """No parameter is known, so any is refused: a token in an address is a token in logs."""


def json_response(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A value as JSON."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers=headers,
    )


async def admit(request: web.Request, core: Core) -> Actor:
    """Who asks, counted; a wrong token counts against its address."""
    refused: HubError | None = None
    try:
        actor = await actor_of(request, Channel.API)
    except SignInNeeded as error:
        refused = error
        actor = Actor.anonymous(Channel.API, client_address(request), request_id(request))
    try:
        request[RATE] = await core.rates.count_api(actor)
    except Busy as error:
        request[RATE] = core.rates.exhausted(error.retry_after)
        raise
    if refused is not None:
        raise refused
    return actor


def rate_headers(request: web.Request) -> dict[str, str]:
    """The state of the asker's rate, as draft-ietf-httpapi-ratelimit-headers and before it."""
    state: RateState | None = request.get(RATE)
    if state is None:
        return {}
    return {
        "RateLimit-Policy": f'"api";q={state.limit};w={state.window_seconds}',
        "RateLimit": f'"api";r={state.remaining};t={state.reset_seconds}',
        "RateLimit-Limit": str(state.limit),
        "RateLimit-Remaining": str(state.remaining),
        "RateLimit-Reset": str(state.reset_seconds),
    }


def _names(request: web.Request) -> Mapping[str, str]:
    names = dict(request.match_info)
    for part, what in _NAMES.items():
        if part in names:
            check_name(names[part], what)
    return names


def _query(request: web.Request, struct: type[msgspec.Struct]) -> msgspec.Struct:
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise Invalid(f"The parameter {name[:50]!r} is given twice.")
        values[name] = value
    try:
        query = msgspec.convert(values, struct, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"A query parameter is wrong: {_where(error)}.") from error
    _refuse_nul(values)
    return query


def _where(error: msgspec.ValidationError) -> str:
    """What msgspec says, with the field by its plain name."""
    return str(error).replace("`$.", "`")


async def _body(request: web.Request, struct: type[msgspec.Struct]) -> msgspec.Struct:
    if request.content_type != "application/json":
        # A form of another site can send text and forms, but not this type.
        refused = Invalid("The body must be application/json.")
        refused.__dict__["status"] = 415
        raise refused
    data = await _read(request)
    try:
        body = msgspec.json.decode(data, type=struct)
    except msgspec.ValidationError as error:
        raise Invalid(f"The body is wrong: {_where(error)}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("The body is not JSON.") from error
    _refuse_nul(msgspec.to_builtins(body))
    return body


async def _read(request: web.Request) -> bytes:
    data = bytearray()
    try:
        while True:
            async with asyncio.timeout(core_of(request).config.idle_timeout):
                piece = await request.content.read(64 * 1024)
            if not piece:
                return bytes(data)
            data += piece
            if len(data) > MAX_BODY:
                raise TooLarge(f"The body is larger than {MAX_BODY} bytes.")
    except TimeoutError:
        late = Invalid("The body did not come.")
        late.__dict__["status"] = 408
        raise late from None
    except web.RequestPayloadError as error:
        raise Invalid("The body cannot be read.") from error


def _refuse_nul(value: object) -> None:
    """Neither a database nor a terminal has a use for U+0000."""
    match value:
        case str():
            if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
                raise Invalid("A text has a character that cannot be stored.")
        case dict():
            for name, inner in value.items():
                _refuse_nul(name)
                _refuse_nul(inner)
        case list():
            for inner in value:
                _refuse_nul(inner)


def _moved(request: web.Request, old: RepoRef, new: RepoRef) -> web.Response:
    def start(ref: RepoRef) -> str:
        return f"{PREFIX}/repos/{ref.type}/{ref.repo_id}"

    return redirect(request, start(new) + request.path[len(start(old)) :])


def redirect(request: web.Request, path: str) -> web.Response:
    """To the same thing under its present name; method, body and query stay (308)."""
    location = public_url(request) + str(request.rel_url.with_path(path, keep_query=True))
    headers = {"Location": location, **_NO_STORE, **rate_headers(request)}
    return json_response({"location": location}, 308, headers)


def _next(request: web.Request, after: str) -> str:
    return public_url(request) + str(request.rel_url.update_query(after=after))
