"""The API's documentation: the OpenAPI document, and a page to read it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from typing import Any

from aiohttp import web

from hubd.http.api import openapi
from hubd.http.api.endpoint import PREFIX, json_response

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem;
overflow-wrap:anywhere;color:#1d2329;background:#fff}
code,pre{font:14px/1.4 ui-monospace,monospace;background:#f2f4f6;padding:.1em .3em;
border-radius:4px}
pre{padding:.8em;overflow:auto}
summary{cursor:pointer;padding:.4em 0}
details{border-top:1px solid #d9dee3}
details>div{padding:0 0 1em 1.2em}
table{border-collapse:collapse;max-width:100%}
td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}
b.m{display:inline-block;min-width:4.5em;font:600 13px ui-monospace,monospace}
a{color:#0a58a8}
@media(prefers-color-scheme:dark){body{color:#e4e8ec;background:#14181c}
code,pre{background:#22282e}details{border-color:#333b43}a{color:#7db8f0}}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes() -> list[web.RouteDef]:
    """The two addresses of the documentation."""
    return [web.get("/openapi.json", document), web.get("/docs", page)]


async def document(_request: web.Request) -> web.Response:
    """The OpenAPI document."""
    return json_response(openapi.document(), headers={"Cache-Control": "no-cache"})


async def page(_request: web.Request) -> web.Response:
    """The document as a page; nothing on it is loaded or run."""
    return web.Response(text=_html(), content_type="text/html", headers=_HEADERS)


@cache
def _html() -> str:
    described = openapi.document()
    groups: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            group = groups.setdefault(operation["tags"][0], [])
            group.append(_operation(method.upper(), path, operation))
    body = [f"<h2 id={group}>{group}</h2>" + "".join(items) for group, items in groups.items()]
    schemas = described["components"]["schemas"].items()
    shapes = [_schema(name, schema) for name, schema in schemas]
    links = " · ".join(f'<a href="#{name}">{name}</a>' for name in [*groups, "schemas"])
    about = escape(openapi.ABOUT).replace("`", "")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>hubd API</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style><h1>hubd API</h1><p>{about}</p>"
        f'<p>Base address: <code>{PREFIX}</code> · <a href="openapi.json">openapi.json</a></p>'
        f"<p>{links}</p>{''.join(body)}<h2 id=schemas>schemas</h2>{''.join(shapes)}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(p['name'])}</code><td>{p['in']}"
        f"<td>{_type(p['schema'])}<td>{'required' if p['required'] else ''}"
        for p in operation["parameters"]
    ]
    table = f"<table><tr><th>Parameter<th>In<th>Type<th>{''.join(rows)}</table>" if rows else ""
    body = operation.get("requestBody")
    sent = f"<p>Body: {_type(_json_schema(body))}</p>" if body else ""
    answers = "".join(
        f"<tr><td><code>{status}</code><td>{escape(response['description'])}"
        f"<td>{_type(_json_schema(response))}"
        for status, response in operation["responses"].items()
    )
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b class=m>{method}</b> '
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"<div><p>{escape(operation['description'])}</p>{table}{sent}"
        f"<table>{answers}</table></div></details>"
    )


def _json_schema(holder: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = holder.get("content", {})
    found: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    return found


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code><td>{_type(declared)}"
        f"<td>{'required' if field in required else ''}"
        f"<td>{escape(declared.get('description', ''))}"
        for field, declared in schema.get("properties", {}).items()
    )
    about = escape(schema.get("description", ""))
    return (
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<div><p>{about}</p><table>{rows}</table></div></details>"
    )


def _type(schema: dict[str, Any]) -> str:
    """A type in a few words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "")))
