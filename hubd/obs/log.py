"""Structured logs: one form for our events and the libraries', without secrets or forged lines.

Every line that is written while a request is served carries the request's id, which the person who
sent it sees in an error too.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any

import structlog

from hubd.config import Config

_HIDDEN = "***"
_SECRET = re.compile(
    r"(?P<token>\bhubd_)[A-Za-z0-9_-]{6,}"
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=_.~-]{16,}"
    r"|(?P<header>\b(?:proxy-)?authorization['\"]?\s*[:=]\s*)[^\s,;]+(?:[ \t]+[^\s,;]+)?"
    r"|(?P<userinfo>://)(?!git@)[^/@\s]+(?=@)",
    re.IGNORECASE,
)
_SECRET_KEYS = frozenset(
    {
        "authorization",
        "cookie",
        "csrf",
        "passphrase",
        "password",
        "proxy_authorization",
        "secret",
        "set_cookie",
        "token",
        "x_auth_token",
    }
)
_SECRET_ENDINGS = ("_password", "_secret", "_token")
# Control and text-direction characters could move a terminal's cursor or forge a line.
_UNSAFE = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{
        code: f"\\u{code:04x}"
        for code in (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
    },
    **{code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)},
}
_UNSAFE_IN_BLOCKS = {code: text for code, text in _UNSAFE.items() if chr(code) not in "\n\t"}
_BLOCKS = frozenset({"exception", "stack"})
_CHATTY = (
    "aiobotocore",
    "aiosqlite",
    "alembic",
    "asyncio",
    "asyncssh",
    "botocore",
    "sqlalchemy",
    "watchfiles",
)

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Any]


def mask(text: str) -> str:
    """The text with tokens, credentials of requests and passwords in addresses made unreadable."""
    return _SECRET.sub(lambda found: f"{found[found.lastgroup or 0]}{_HIDDEN}", text)


def _is_secret(key: str) -> bool:
    name = key.lower().replace("-", "_")
    return name in _SECRET_KEYS or name.endswith(_SECRET_ENDINGS)


def _clean(value: Any, unsafe: Mapping[int, str] = _UNSAFE) -> Any:
    """What may be written of a value; anything unknown is written as its ``repr``."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(k): _HIDDEN if _is_secret(str(k)) else _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if isinstance(value, bytes | bytearray):
        text = value.decode("utf-8", "backslashreplace")
    else:
        text = str(value) if isinstance(value, str) else repr(value)
    return mask(text).translate(unsafe)


def _clean_event(_logger: Any, _method: str, event: Event) -> Event:
    """Clean every value; the keys with a leading underscore belong to structlog's bridge."""
    for key, value in event.items():
        if key.startswith("_"):
            continue
        if _is_secret(key):
            event[key] = _HIDDEN
        else:
            event[key] = _clean(value, _UNSAFE_IN_BLOCKS if key in _BLOCKS else _UNSAFE)
    return event


def begin_request(request_id: str) -> None:
    """From here on, every log line of this task and its children carries the id."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)


def request_id() -> str:
    """The id of the request being served, or an empty string outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def setup(config: Config) -> None:
    """Send our logs and those of the libraries to standard error, as the settings say."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _clean_event,
    ]
    structlog.configure(
        # The level is asked of the standard library each time, so that it can change at run time.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A cached logger would keep the first settings for ever.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(config.log_format),
            ],
        )
    )
    logging.getLogger().handlers[:] = [handler]
    _quieten(_CHATTY)
    set_level(config.log_level)


def _renderer(log_format: str) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(sort_keys=True)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)


def _quieten(libraries: Iterable[str]) -> None:
    """Keep what libraries say of every step (keys offered, statements run) out of the log."""
    for name in libraries:
        logging.getLogger(name).setLevel(logging.WARNING)


def set_level(level: str) -> None:
    """Change how much is logged: ``debug``, ``info``, ``warning`` or ``error``."""
    logging.getLogger().setLevel(level.upper())
