"""Logs carry the request id, say nothing secret, and cannot be forged."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from hubd.config import Config
from hubd.obs import log as hub_log

TOKEN = "hubd_" + "Zx9" * 12
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _log_into(monkeypatch: pytest.MonkeyPatch, form: str) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    hub_log.setup(Config(log_format=form))
    return stream


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    stream = _log_into(monkeypatch, "json")
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    return _log_into(monkeypatch, "console")


def test_a_json_line_has_time_level_event_and_values(lines: Lines) -> None:
    structlog.get_logger("hubd.x").info("push.done", refs=3, ok=True, names=["a"])
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "push.done",
        "level": "info",
        "logger": "hubd.x",
        "names": ["a"],
        "ok": True,
        "refs": 3,
    }


def test_lines_of_a_request_carry_its_id_those_of_libraries_too(lines: Lines) -> None:
    hub_log.begin_request("abc123")
    structlog.get_logger().info("ours")
    logging.getLogger("a.library").warning("theirs %d", 7)
    assert hub_log.request_id() == "abc123"
    assert [(line["event"], line["request_id"]) for line in lines()] == [
        ("ours", "abc123"),
        ("theirs 7", "abc123"),
    ]


def test_a_new_request_forgets_the_values_of_the_last() -> None:
    structlog.contextvars.bind_contextvars(actor="eve")
    hub_log.begin_request("abc123")
    assert structlog.contextvars.get_contextvars() == {"request_id": "abc123"}


def test_the_level_changes_while_running(lines: Lines) -> None:
    log = structlog.get_logger("hubd.x")
    log.debug("unheard")
    hub_log.set_level("debug")
    log.debug("heard")
    hub_log.set_level("error")
    log.warning("unheard")
    assert [line["event"] for line in lines()] == ["heard"]


def test_chatty_libraries_are_heard_from_warnings_on_only(lines: Lines) -> None:
    hub_log.set_level("debug")
    logging.getLogger("asyncssh").info("a key was offered")
    logging.getLogger("asyncssh").warning("worth knowing")
    assert [line["event"] for line in lines()] == ["worth knowing"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (TOKEN, "hubd_***"),
        (f"git clone http://admin:{TOKEN}@hub/a/b", "git clone http://***@hub/a/b"),
        ("http://ghp_secret@elsewhere/x", "http://***@elsewhere/x"),
        ("ssh://git@127.0.0.1:2222", "ssh://git@127.0.0.1:2222"),
        ("Authorization: Basic YTpi", "Authorization: ***"),
        ("{'Authorization': 'Bearer short'}", "{'Authorization': ***"),
        ("sent Bearer abcdefghijklmnop1234 twice", "sent Bearer *** twice"),
        ("a basic authentication by token", "a basic authentication by token"),
    ],
)
def test_secrets_in_texts_are_masked(text: str, shown: str) -> None:
    assert hub_log.mask(text) == shown


def test_secrets_are_masked_in_whatever_is_logged(lines: Lines) -> None:
    class Thing:
        def __repr__(self) -> str:
            return f"<Thing {TOKEN}>"

    log = structlog.get_logger()
    told = f"event\n{TOKEN}"
    log.info(told, password="hunter2", nested={"Set-Cookie": "s=1", "x": [TOKEN]})
    log.info("more", thing=Thing(), raw=TOKEN.encode(), csrf_token="c", token_id=7)
    logging.getLogger("a.library").error("said %s", TOKEN)
    try:
        raise ValueError(TOKEN)
    except ValueError:
        log.exception("failed")
    text = json.dumps(lines())
    assert TOKEN not in text
    assert "hunter2" not in text
    first, second, _, failure = lines()
    assert first["event"] == "event\\x0ahubd_***"
    assert first["nested"] == {"Set-Cookie": "***", "x": ["hubd_***"]}
    assert second["csrf_token"] == "***"
    assert second["token_id"] == 7
    assert "ValueError: hubd_***" in failure["exception"]


def test_T25_escape_sequences_are_shown_not_obeyed(console: io.StringIO) -> None:
    structlog.get_logger().info("ref \x1b[2J", path="a\x1b]0;x\x07\u202eb\x9b", raw=b"\x1b\xff")
    shown = console.getvalue()
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "\u202e" not in shown
    assert "ref \\x1b[2J" in shown
    assert "a\\x1b]0;x\\x07\\u202eb\\x9b" in shown


def test_a_value_with_a_newline_does_not_forge_a_line(console: io.StringIO) -> None:
    log = structlog.get_logger()
    log.info("name\n2026-01-01 [info] forged", ref="x\nforged")
    assert len(console.getvalue().splitlines()) == 1


def test_a_traceback_stays_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set up here and not in a fixture: pytest's own handler could not report such a text.
    console = _log_into(monkeypatch, "console")
    try:
        raise ValueError("odd \ud800 text")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "Traceback (most recent call last):\n" in console.getvalue()
    console.getvalue().encode()
