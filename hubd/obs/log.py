"""Logs: structured, with the request id that the user sees too, and without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from hubd.config import Config

_SECRET = re.compile(r"hubd_[A-Za-z0-9]{8,}|(?i:(?:bearer|basic|token)\s+[A-Za-z0-9+/=_.-]{8,})")
_SECRET_KEYS = {"password", "token", "secret", "authorization", "cookie"}
_USERINFO = re.compile(r"(://)[^/@\s]+@")


def mask(text: str) -> str:
    """The text with everything that looks like a secret made unreadable."""
    return _USERINFO.sub(r"\1***@", _SECRET.sub("***", text))


def _mask_all(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key.lower() in _SECRET_KEYS:
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = mask(value)
    return event


def setup(config: Config) -> None:
    """Send our logs and those of the libraries to standard error, in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask_all,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if config.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    for chatty in ("asyncssh", "watchfiles", "asyncio", "alembic", "aiosqlite"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    set_level(config.log_level)


def set_level(level: str) -> None:
    """Change how much is logged, at run time too."""
    logging.getLogger().setLevel(level.upper())
