"""The child process that renders what people pushed: Markdown, and the colours of code.

It is started by path in Python's isolated mode and imports nothing of the hub. It reads frames (a
four-byte length, then JSON) from standard input and answers each in the same form. What it returns
as HTML is clean: Markdown goes through nh3, and Pygments escapes what it colours.
"""

from __future__ import annotations

import json
import posixpath
import re
import resource
import sys
from html import escape
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin
from mdit_py_plugins.tasklists import tasklists_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import TextLexer, find_lexer_class_for_filename, get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

MEMORY = 768 * 1024 * 1024
ID_PREFIX = "user-content-"
_FORMATTER = HtmlFormatter(nowrap=True)
_COLOURS = frozenset(name for name in STANDARD_TYPES.values() if name)
_TAGS = nh3.ALLOWED_TAGS - {"article", "aside", "footer", "header", "hgroup", "nav", "map", "area"}
_TAGS |= {"input", "section", "picture"}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"id", "title", "lang", "dir"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "align"},
    "th": {"colspan", "rowspan", "align", "scope"},
    "p": {"align"},
    "div": {"align"},
    "h1": {"align"},
    "h2": {"align"},
    "h3": {"align"},
    "ol": {"start"},
    "details": {"open"},
    "input": {"checked"},
}
_CLASSES = {
    "span": set(_COLOURS),
    "pre": {"code"},
    "ul": {"contains-task-list"},
    "li": {"task-list-item", "footnote-item"},
    "section": {"footnotes"},
    "td": {"right", "center"},
    "th": {"right", "center"},
}
_IMAGE = re.compile(r'<a[\s>]|</a>|<img((?:\s+[a-z-]+="[^"]*")*)\s*/?>')
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')
_ALIGN = re.compile(r"text-align:\s*(right|center)")
# A fence of colours is found by name only; guessing would run every analyser on the text.
_TEXT = TextLexer(stripnl=False, ensurenl=False)


def lexer_for(name: str) -> Lexer:
    """The language of a file by its name, plain text if it has none."""
    kind = find_lexer_class_for_filename(name)
    return kind(stripnl=False, ensurenl=False) if kind else _TEXT


def lexer_named(language: str) -> Lexer:
    """The language of a fenced block."""
    try:
        found: Lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        found = _TEXT
    return found


def code(job: dict[str, Any]) -> dict[str, Any]:
    """Lines of HTML, one for each line of the text, and the language."""
    lexer = lexer_for(job["name"])
    # Splitting is by \n only, as git counts lines; Pygments closes its spans at each.
    text = job["text"].replace("\r\n", "\n").replace("\r", "\n")
    lines = highlight(text, lexer, _FORMATTER).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    language = "" if lexer is _TEXT else lexer.name
    return {"lines": lines, "language": language}


def _fence(text: str, language: str) -> str:
    inner = highlight(text, lexer_named(language.partition(" ")[0].lower()), _FORMATTER)
    return f'<pre class="code"><code>{inner}</code></pre>'


def _slug(text: str, taken: set[str]) -> str:
    kept = "".join(c for c in text.strip().lower() if c.isalnum() or c in " -_")
    base = slug = kept.replace(" ", "-") or "section"
    number = 0
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    taken.add(slug)
    return slug


class _Addresses:
    """Where links and pictures of a document lead: to the same revision of the repository."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._blob = job["blob"]
        self._raw = job["raw"]
        self._folder = job["folder"]

    def link(self, value: str) -> str | None:
        if value.startswith("#"):
            return f"#{ID_PREFIX}{value[1:].removeprefix(ID_PREFIX)}"
        return self._inside(value, self._blob)

    def picture(self, value: str) -> str | None:
        return self._inside(value, self._raw)

    def _inside(self, value: str, base: str) -> str | None:
        try:
            parts = urlsplit(value)
        except ValueError:
            return None
        if parts.scheme or parts.netloc or value.startswith(("/", "\\")):
            return value
        path = posixpath.normpath(posixpath.join(self._folder, unquote(parts.path) or "."))
        if path.startswith(".."):
            return None
        fragment = f"#{ID_PREFIX}{parts.fragment}" if parts.fragment else ""
        return base + ("" if path == "." else quote(path)) + fragment


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "highlight": None})
    parser.enable(["table", "strikethrough"])
    for plugin in (front_matter_plugin, footnote_plugin, tasklists_plugin, gfm_autolink_plugin):
        parser.use(plugin)
    return parser


def _shape(tokens: list[Any]) -> str:
    """Give headings their ids and cells their sides; returns the front matter."""
    taken: set[str] = set()
    matter = ""
    for index, token in enumerate(tokens):
        if token.type == "front_matter":
            matter = token.content
        elif token.type == "heading_open":
            token.attrSet("id", _slug(tokens[index + 1].content, taken))
        elif token.type in {"th_open", "td_open"}:
            side = _ALIGN.search(str(token.attrs.pop("style", "")))
            if side:
                token.attrSet("class", side[1])
    return matter


def markdown(job: dict[str, Any]) -> dict[str, Any]:
    """A document as clean HTML, and its front matter."""
    parser = _parser()
    environment: dict[str, Any] = {}
    tokens = parser.parse(job["text"], environment)
    matter = _shape(tokens)
    parser.add_render_rule("fence", _render_fence)
    html = parser.renderer.render(tokens, parser.options, environment)
    return {"html": _images(_clean(html, _Addresses(job))), "front_matter": matter}


def _render_fence(_self: Any, tokens: list[Any], index: int, _options: Any, _env: Any) -> str:
    token = tokens[index]
    return _fence(token.content, token.info.strip()) + "\n"


def _clean(html: str, addresses: _Addresses) -> str:
    def address(_tag: str, name: str, value: str) -> str | None:
        if name == "href":
            return addresses.link(value)
        if name == "src":
            return addresses.picture(value)
        return ID_PREFIX + value.removeprefix(ID_PREFIX) if name == "id" else value

    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        attribute_filter=address,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"input": {"type": "checkbox", "disabled": ""}},
        clean_content_tags={"script", "style", "template", "iframe", "object", "form"},
    )


def _images(html: str) -> str:
    """Pictures of other sites become links with their text: nobody is tracked by reading."""
    inside = 0

    def one(match: re.Match[str]) -> str:
        nonlocal inside
        if not match[0].startswith("<img"):
            inside = max(0, inside + (-1 if match[0].startswith("</") else 1))
            return match[0]
        attributes = dict(_ATTRIBUTE.findall(match[1] or ""))
        source, words = attributes.get("src", ""), attributes.get("alt", "")
        if not source:
            return f"<span>{words}</span>"
        if source.startswith("/") and not source.startswith("//"):
            return match[0].replace("<img", '<img loading="lazy"', 1)
        words = words or escape(urlsplit(source).netloc or "picture")
        if inside:
            return f'<span class="remote-image">{words}</span>'
        rel = "noopener noreferrer nofollow"
        return f'<a class="remote-image" href="{source}" rel="{rel}">{words}</a>'

    return _IMAGE.sub(one, html)


JOBS = {"code": code, "markdown": markdown}


def _read(count: int) -> bytes:
    data = sys.stdin.buffer.read(count)
    if len(data) < count:
        raise SystemExit(0)
    return data


def _write(answer: dict[str, Any]) -> None:
    data = json.dumps(answer).encode()
    sys.stdout.buffer.write(len(data).to_bytes(4, "big") + data)
    sys.stdout.buffer.flush()


def main() -> None:
    """Answer jobs until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    markdown({"text": "# a\n```py\nx = 1\n```", "blob": "/", "raw": "/", "folder": ""})
    _write({"ready": True})
    while True:
        job = json.loads(_read(int.from_bytes(_read(4), "big")))
        try:
            answer = JOBS[job["kind"]](job)
        except Exception as error:  # noqa: BLE001
            # Whatever a document does to a library, the page shows it as plain text.
            answer = {"failed": type(error).__name__}
        _write(answer)


if __name__ == "__main__":
    main()
