"""Children: bounded, ended with all that they started, and never in anyone's way."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hubd import procs
from hubd.errors import Unavailable
from hubd.procs import Child

ENV = {"PATH": os.environ["PATH"]}


async def sh(script: str, *, timeout: float = 20, stdin: bytes | None = None) -> procs.Result:
    return await procs.run(["sh", "-c", script], env=ENV, timeout=timeout, stdin=stdin)


async def start(script: str, *, stdin: bool = True) -> Child:
    return await procs.start(["sh", "-c", script], env=ENV, stdin=stdin)


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def gone(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.fixture(autouse=True)
def no_descriptor_is_lost() -> Iterator[None]:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208 - the loop closes later


@pytest.fixture
async def sleeper() -> AsyncIterator[Child]:
    child = await start("exec sleep 60")
    yield child
    await child.kill(0)


async def test_output_exit_status_and_errors_come_back() -> None:
    result = await sh("echo out; echo err >&2; exit 3")
    assert (result.code, result.out, result.err.strip()) == (3, b"out\n", b"err")


async def test_the_environment_is_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    assert b"SECRET" not in (await procs.run(["env"], env=ENV, timeout=20)).out


async def test_much_goes_in_and_out_at_the_same_time() -> None:
    data = os.urandom(5_000_000)
    assert (await procs.run(["cat"], env=ENV, stdin=data, timeout=30)).out == data


async def test_a_child_that_does_not_read_its_input_is_no_fault() -> None:
    assert (await sh("exec true", stdin=b"x" * 5_000_000)).code == 0


async def test_a_command_without_input_sees_its_end() -> None:
    assert (await procs.run(["cat"], env=ENV, timeout=20)).out == b""


async def test_a_slow_command_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    script = f"sh -c 'trap \"\" TERM; echo $$ > {tmp_path}/pid; sleep 60; sleep 60' & wait"
    with pytest.raises(Unavailable):
        await sh(script, timeout=0.5)
    assert time.monotonic() - began < 5
    assert await gone(int((tmp_path / "pid").read_text()))


async def test_a_cancelled_command_is_ended(tmp_path: Path) -> None:
    task = asyncio.create_task(sh(f"echo $$ > {tmp_path}/pid; exec sleep 60"))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(int((tmp_path / "pid").read_text()))


async def test_too_much_output_ends_it() -> None:
    with pytest.raises(Unavailable):
        await procs.run(["yes"], env=ENV, timeout=20, max_output=100_000)


async def test_a_missing_program_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await procs.run(["/nonexistent/program"], env=ENV, timeout=20)


async def test_only_the_end_of_stderr_is_kept() -> None:
    async with await start("yes e | head -c 1000000 >&2; echo last >&2", stdin=False) as child:
        assert await child.wait() == 0
        assert child.error_text.endswith("last")
        assert len(child.error_text) <= 8192


async def test_a_grandchild_that_holds_stderr_does_not_hold_the_wait() -> None:
    began = time.monotonic()
    async with await start("sleep 60 & exit 7", stdin=False) as child:
        assert await child.wait() == 7
    assert time.monotonic() - began < 5


async def test_a_stubborn_child_is_killed_after_the_grace() -> None:
    async with await start("trap '' TERM; echo ready; while :; do sleep 0.1; done") as child:
        assert await child.read(100) == b"ready\n"
        await child.kill(0.2)
        assert child.returncode == -signal.SIGKILL


async def test_a_polite_child_may_clean_up(tmp_path: Path) -> None:
    script = f"trap 'touch {tmp_path}/clean; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    async with await start(script) as child:
        assert await child.read(100) == b"ready\n"
        await child.kill()
    assert (tmp_path / "clean").exists()


async def test_finish_lets_a_child_end_by_itself(tmp_path: Path) -> None:
    async with await start(f"cat; touch {tmp_path}/done") as child:
        await child.finish()
        assert child.returncode == 0
    assert (tmp_path / "done").exists()
    async with await start("exec sleep 60") as child:
        await child.finish(0.1)
        assert child.returncode == -signal.SIGTERM


async def test_killing_wakes_who_reads_and_who_writes() -> None:
    child = await start("exec sleep 60")

    async def write() -> None:
        await child.write(b"x" * 10_000_000)

    reading, writing = asyncio.create_task(child.read(10)), asyncio.create_task(write())
    await asyncio.sleep(0.1)
    child.close_stdin()
    child.close_stdout()
    assert await asyncio.wait_for(reading, 5) == b""
    with pytest.raises(BrokenPipeError):
        await asyncio.wait_for(writing, 5)
    await child.kill(0)
    with pytest.raises(BrokenPipeError):
        await child.write(b"x")
    assert await child.readable() == 0


async def test_closing_does_not_stop_who_got_the_same_number() -> None:
    first = await start("exec sleep 60")
    reading = asyncio.create_task(first.read(10))
    await asyncio.sleep(0.05)
    first.close_stdout()
    # The freed number goes to the next pipe before the reader above has run.
    second = await start("sleep 0.2; echo here")
    other = asyncio.create_task(second.read(10))
    assert await reading == b""
    assert await asyncio.wait_for(other, 5) == b"here\n"
    await first.kill(0)
    await second.kill(0)


async def test_children_cannot_dump_core_and_may_be_nice(sleeper: Child) -> None:
    limits = Path(f"/proc/{sleeper.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if "core file" in line)
    assert core.split()[4:6] == ["0", "0"]
    result = await procs.run(["nice"], env=ENV, timeout=20, nice=7)
    assert result.out == b"7\n"


async def test_each_child_leads_a_group(sleeper: Child) -> None:
    assert os.getpgid(sleeper.pid) == sleeper.pid


async def test_descriptors_are_handed_on_only_where_named(tmp_path: Path) -> None:
    secret = os.open(tmp_path, os.O_RDONLY)
    given, ours = os.pipe()
    try:
        os.set_inheritable(secret, True)
        child = await procs.start(
            ["sh", "-c", "ls /proc/self/fd; cat"], env=ENV, stdin=True, pass_fds=[given]
        )
        async with child:
            child.close_stdin()
            out = b""
            while piece := await child.read(1000):
                out += piece
        numbers = {int(word) for word in out.split()}
        assert given in numbers
        assert secret not in numbers
        assert ours not in numbers
    finally:
        for descriptor in (secret, given, ours):
            os.close(descriptor)


async def test_two_children_can_be_joined() -> None:
    read_end, write_end = os.pipe()
    first = await procs.start(["echo", "hello"], env=ENV, stdin=False, stdout_fd=write_end)
    second = await procs.start(["tr", "a-z", "A-Z"], env=ENV, stdin_fd=read_end)
    os.close(read_end)
    os.close(write_end)
    async with first, second:
        assert await second.read(100) == b"HELLO\n"
        assert await second.read(100) == b""


async def test_bytes_are_spliced_into_files_and_pipes(tmp_path: Path) -> None:
    target = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    try:
        async with await start("head -c 300000 /dev/zero; sleep 0.1; echo end") as child:
            size = 0
            while count := await child.splice_to(target, size, 65536):
                size += count
            assert size == 300_004
            assert await child.readable() == 0
            assert await child.wait() == 0
    finally:
        os.close(target)
    assert (tmp_path / "f").read_bytes().endswith(b"end\n")


async def test_readable_counts_and_ends() -> None:
    async with await start("printf abc; cat") as child:
        while await child.readable() < 3:
            await asyncio.sleep(0.01)
        read_end, write_end = os.pipe()
        assert child.splice_some(write_end, 10) == 3
        assert os.read(read_end, 10) == b"abc"
        os.close(read_end)
        os.close(write_end)
        waiting = asyncio.create_task(child.readable())
        await asyncio.sleep(0.05)
        child.close_stdin()
        assert await asyncio.wait_for(waiting, 5) == 0


async def test_a_process_is_known_by_its_start(sleeper: Child) -> None:
    began = procs.process_started(sleeper.pid)
    assert began > 0
    assert procs.process_started(sleeper.pid) == began
    assert procs.process_started(2**22 + 1) == 0.0


async def test_fifty_at_once_all_end() -> None:
    results = await asyncio.gather(*(sh(f"echo {number}") for number in range(50)))
    assert [int(result.out) for result in results] == list(range(50))
