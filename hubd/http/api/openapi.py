"""The OpenAPI 3.1 document, made from the table of endpoints and their structs."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from hubd import __version__
from hubd.http.api.endpoint import MAX_ID, MAX_NUM, PREFIX, Endpoint
from hubd.http.api.problems import ErrorAnswer
from hubd.http.api.table import ENDPOINTS
from hubd.names import MAX_NAME_LENGTH
from hubd.types import RepoType

_REFS = "#/components/schemas/{name}"
_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH}
_PATH: dict[str, dict[str, object]] = {
    "type": {"type": "string", "enum": [kind.value for kind in RepoType]},
    "namespace": _NAME,
    "name": _NAME,
    "user": _NAME,
    "org": _NAME,
    "id": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
    "num": {"type": "integer", "minimum": 1, "maximum": MAX_NUM},
    "mark": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
    "oid": {"type": "string", "pattern": "^[0-9a-f]{7,64}$"},
}
_MEANINGS = {
    308: "It has another name now.",
    400: "The request cannot be understood or breaks a bound.",
    401: "Sign in, or the token is not valid.",
    403: "You, or this token, may not.",
    404: "Not there, or not for you to know.",
    408: "The body did not come.",
    409: "It exists already or would break a rule.",
    413: "Too large.",
    422: "The checks refused it; `findings` has every reason.",
    415: "The body must be application/json.",
    429: "Too many requests; see Retry-After.",
    503: "Something the hub needs does not answer.",
}
ABOUT = """\
The hub's own API. Send a token as `Authorization: Bearer TOKEN` (or as the password of Basic).
Lists come in parts: follow the `Link` header with `rel="next"`. Every answer tells in the
`RateLimit` fields how many requests are left. Every refusal has the same shape, with a request id.
"""


@cache
def document() -> dict[str, Any]:
    """The whole document; its ``servers`` entry is relative, so it holds at every address."""
    types, schemas = _schemas()
    paths: dict[str, dict[str, object]] = {}
    for endpoint in ENDPOINTS:
        operations = paths.setdefault(endpoint.path, {})
        operations[endpoint.method.lower()] = _operation(endpoint, types, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "hubd", "version": __version__, "description": ABOUT},
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}, {"password": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _schemas() -> tuple[dict[object, dict[str, Any]], dict[str, Any]]:
    """The schema of every type by type, and the shared ones by name."""
    types: list[Any] = [ErrorAnswer]
    for endpoint in ENDPOINTS:
        used = (endpoint.query, endpoint.body, endpoint.answer)
        types += [kind for kind in used if kind is not None and kind not in types]
    found, shared = msgspec.json.schema_components(types, ref_template=_REFS)
    return dict(zip(types, found, strict=True)), shared


def _operation(
    endpoint: Endpoint, types: dict[object, dict[str, Any]], schemas: dict[str, Any]
) -> dict[str, object]:
    operation: dict[str, object] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": endpoint.handler.__doc__ or "",
        "tags": [endpoint.group],
        "parameters": _parameters(endpoint, schemas),
        "responses": _responses(endpoint, types),
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": types[endpoint.body]}},
        }
    return operation


def _parameters(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [
        {"name": name, "in": "path", "required": True, "schema": _PATH[name]}
        for name in endpoint.names
    ]
    if endpoint.query is None:
        return found
    schema = schemas[endpoint.query.__name__]
    for name, declared in schema["properties"].items():
        found.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema["required"],
                "schema": _plain(declared),
            }
        )
    return found


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter left out is None; there is no way to send null."""
    options = [o for o in schema.get("anyOf", []) if o != {"type": "null"}]
    if "anyOf" not in schema or len(options) != 1:
        return schema
    kept = {k: v for k, v in schema.items() if k not in {"anyOf", "default"}}
    return {**kept, **options[0]}


def _responses(endpoint: Endpoint, types: dict[object, dict[str, Any]]) -> dict[str, object]:
    success: dict[str, object] = {"description": endpoint.summary + "."}
    if endpoint.streams:
        binary = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
        success["content"] = {"application/octet-stream": binary}
    elif endpoint.answer is not None:
        success["content"] = {"application/json": {"schema": types[endpoint.answer]}}
    if endpoint.pages:
        link = {"description": 'The next part, rel="next".', "schema": {"type": "string"}}
        success["headers"] = {"Link": link}
    responses: dict[str, object] = {str(endpoint.success): success}
    if endpoint.moves or endpoint.path.startswith("/namespaces/"):
        responses["308"] = {
            "description": _MEANINGS[308],
            "headers": {"Location": {"required": True, "schema": {"type": "string"}}},
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    for status in endpoint.statuses:
        responses[str(status)] = {
            "description": _MEANINGS[status],
            "content": {"application/json": {"schema": types[ErrorAnswer]}},
        }
    return responses
