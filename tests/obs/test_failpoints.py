"""Fail points strike where a test says, and nowhere else."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from hubd.errors import Bug, Invalid
from hubd.obs import failpoints
from hubd.obs.failpoints import FAILPOINTS, afail, arm, fail


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    arm({})
    yield
    arm({})


def _armed(text: str) -> dict[str, str]:
    return {"HUBD_TESTING": "1", "HUBD_FAILPOINTS": text}


def _run(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"from hubd.obs.failpoints import *\n{code}"],
        env={"PYTHONPATH": os.pathsep.join(sys.path), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_nothing_happens_unless_asked() -> None:
    for name in FAILPOINTS:
        fail(name)
        await afail(name)


def test_nothing_is_armed_without_the_word_testing() -> None:
    arm({"HUBD_FAILPOINTS": "push.after_intent=enospc"})
    fail("push.after_intent")


async def test_a_full_disk_is_an_os_error_at_its_point_only() -> None:
    arm(_armed("push.after_intent=enospc"))
    fail("push.before_intent")
    with pytest.raises(OSError, match="No space") as caught:
        fail("push.after_intent")
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space"):
        await afail("push.after_intent")


async def test_a_sleep_holds_up_the_caller_and_not_the_loop() -> None:
    arm(_armed("repo.after_row=sleep:0.2, repo.after_dir=sleep:0"))
    begun = time.monotonic()
    await asyncio.gather(afail("repo.after_row"), afail("repo.after_row"))
    assert 0.2 <= time.monotonic() - begun < 0.39
    begun = time.monotonic()
    fail("repo.after_row")
    assert time.monotonic() - begun >= 0.2


def test_kill_ends_the_process_at_once() -> None:
    ended = _run(
        "fail('push.after_verdict'); print('alive')",
        HUBD_TESTING="1",
        HUBD_FAILPOINTS="push.after_verdict=kill",
    )
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == ""


def test_a_daemon_with_an_unknown_point_does_not_start() -> None:
    ended = _run("print('alive')", HUBD_TESTING="1", HUBD_FAILPOINTS="push.nowhere=kill")
    assert ended.returncode == 1
    assert "there is no point 'push.nowhere'" in ended.stderr


@pytest.mark.parametrize("effect", ["", "explode", "sleep", "sleep:", "sleep:-1", "sleep:nan"])
def test_an_unknown_effect_is_refused(effect: str) -> None:
    with pytest.raises(Invalid, match=r"must be kill, enospc or sleep:SECONDS"):
        arm(_armed(f"push.after_intent={effect}"))


async def test_a_point_without_a_promise_is_a_bug_even_unarmed() -> None:
    with pytest.raises(Bug):
        fail("push.nowhere")
    with pytest.raises(Bug):
        await afail("push.nowhere")


def test_every_promise_is_a_sentence() -> None:
    assert all(text.endswith(".") and " " in text for text in failpoints.FAILPOINTS.values())
