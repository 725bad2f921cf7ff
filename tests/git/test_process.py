"""What reaches git: constants, guarded values, an environment from nothing, fixed settings."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubd.config import Config
from hubd.errors import HubError, Invalid, Unavailable
from hubd.git import diff, last, log, maintenance, push
from hubd.git import process as process_module
from hubd.git.argv import ENVIRONMENT, guarded
from hubd.git.layout import repo_path
from hubd.git.process import Git
from hubd.git.refs import read_refs
from hubd.git.write import AddFile
from tests.git.making import ENV, Repository
from tests.git.test_write import MAIN, build, commit, deliver, zero

Call = Callable[[Git, Path, str], Awaitable[object]]

CALLS: dict[str, Call] = {
    "log": log.log,
    "log path": lambda git, repo, value: log.log(git, repo, "main", value),
    "log exclude": lambda git, repo, value: log.log(git, repo, "main", exclude=value),
    "count": lambda git, repo, value: log.count(git, repo, value, value),
    "last": lambda git, repo, value: last.last_commits(git, repo, value, "", ["x"]),
    "last folder": lambda git, repo, value: last.last_commits(git, repo, "main", value, ["x"]),
    "merge base": lambda git, repo, value: diff.merge_base(git, repo, value, value),
    "ahead": lambda git, repo, value: diff.ahead_behind(git, repo, value, "main"),
    "init": lambda git, repo, value: git.init_bare(repo / "new.git", "sha1", value),
    "set head": lambda git, repo, value: git.set_head(repo, value),
    "ancestor": lambda git, repo, value: git.is_ancestor(repo, value, value),
    "new paths": lambda git, repo, value: git.new_object_paths(repo, [value], [], env_extra={}),
    "upload": lambda git, repo, _: read_refs(git, repo),
    "maintain": lambda git, repo, _: maintenance.fsck(git, repo),
}
_MORE_RUNS = 20
PLAIN = "plainvalue"
EVIL = st.one_of(
    st.sampled_from(
        [
            "--output=/tmp/x",
            "-x",
            "--exec=id",
            "--upload-pack=id",
            "; id",
            "$(id)",
            "a b",
            "--",
            "-",
            "--end-of-options",
            "--git-dir=x",
            "-c",
            "a..b",
            "^a",
            ":(glob)*",
            "@{1}",
            "\n--x",
            "�",
        ]
    ),
    st.text(min_size=1, max_size=20),
    st.text(min_size=1, max_size=20).map(lambda text: "--" + text),
)


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a git that only writes down its arguments."""
    folder = tmp_path_factory.mktemp("fake")
    script = folder / "git"
    # A file for each process: two may run at once, and one may be killed while it writes.
    script.write_text(
        '#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done > "$0.$$.part"\n'
        'mv "$0.$$.part" "$0.$$.log"\n'
    )
    script.chmod(0o755)
    return folder


async def recorded(fake: Path, repo: Path, call: Call, value: str) -> list[list[str]] | None:
    """The command lines of a call, of children that lived to tell; None if it was refused."""
    git = Git(Config(data_dir=str(repo / "data"), git_timeout=5), None)
    try:
        await call(git, repo, value)
    except Invalid:
        return None
    except (HubError, ValueError, OSError):
        pass  # the fake answers nothing that makes sense
    lines = []
    for written in fake.glob("git.*.log"):
        words = [os.fsdecode(word) for word in written.read_bytes().split(b"\0")[:-1]]
        # Random names of temporary folders are the only difference between two runs.
        lines.append([word for word in words if ".new" not in word])
        written.unlink()
    return lines


def _fits(line: list[str], shapes: list[list[str]], value: str) -> bool:
    """Whether it is what a plain call starts, but for the value."""
    return line in [[word.replace(PLAIN, value) for word in shape] for shape in shapes]


@pytest.mark.parametrize("name", CALLS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(value=EVIL)
async def test_t31_no_value_becomes_an_option(
    fake: Path, tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    repo = tmp_path_factory.mktemp("repo")
    (repo / "config").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "PATH", f"{fake}:{ENV['PATH']}")
        plain = partial(recorded, fake, repo, CALLS[name], PLAIN)
        shapes = [line for _ in range(3) for line in await plain() or []]
        evil = await recorded(fake, repo, CALLS[name], value)
        # A child that is killed early leaves no line, so one run may lack what another has.
        for _ in range(_MORE_RUNS):
            if all(_fits(line, shapes, value) for line in evil or []):
                break
            shapes += await plain() or []
    if evil is None:
        assert "\0" in value or "\n" in value or value.startswith("-")
        return
    assert shapes
    for line in evil:
        assert _fits(line, shapes, value), line
    for shape in shapes:
        for place, word in enumerate(shape):
            if PLAIN in word and not word.startswith("--initial-branch="):
                before = shape[:place]
                # The one command that knows no separator refuses what begins with a dash.
                assert "--end-of-options" in before or "--" in before or name == "set head"


def test_values_stand_behind_their_flag_or_the_separator() -> None:
    assert guarded(["-z"], {"format": "--x"}, ["-a"], "--end-of-options", ["-p"]) == [
        "-z",
        "--format=--x",
        "--end-of-options",
        "-a",
        "--",
        "-p",
    ]
    assert guarded([], None, [], "--", []) == ["--"]
    for args in (["-a"], ["--", "x"]):
        with pytest.raises(Invalid):
            guarded([], None, args, "")
    for bad in (["a\0b"], ["\0"]):
        with pytest.raises(Invalid):
            guarded([], None, bad, "--")


async def test_t28_the_daemon_s_own_environment_stays_out(
    git: Git, repo: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tip = repo.commit({"a": b"1"})
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "alias.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"!touch {tmp_path}/ran")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nonexistent")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    assert [info.oid for info in await log.log(git, repo.path, tip)] == [tip]
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "trace").exists()
    assert not [name for name in git.env() if name.startswith("GIT_CONFIG_KEY")]


async def test_t29_t30_a_poisoned_repository_runs_nothing(
    git: Git, repo: Repository, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    run = f"!touch {marker}; false"
    command = f"sh -c 'touch {marker}; false'"
    tip = repo.commit({".gitattributes": b"* diff=evil filter=evil\n", "a": b"1\n"})
    second = repo.commit({"a": b"2\n", "b": b"3\n"})
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "diff.external"):
        repo.git("config", key, command)
    for key in ("textconv", "command"):
        repo.git("config", f"diff.evil.{key}", command)
    for key in ("clean", "smudge", "process"):
        repo.git("config", f"filter.evil.{key}", command)
    repo.git("config", "core.alternateRefsCommand", command)
    repo.git("config", "uploadpack.packObjectsHook", command)
    repo.git("config", "alias.log", run)
    repo.git("config", "gpg.program", command)
    repo.git("config", "log.showSignature", "true")
    hooks = repo.path / "hooks"
    hooks.mkdir()
    for name in ("pre-receive", "update", "post-receive", "post-update", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (hooks / name).chmod(0o755)
    (repo.path / "info").mkdir(exist_ok=True)
    (repo.path / "info/attributes").write_text("* diff=evil filter=evil\n")
    assert (await diff.diff(git, repo.path, tip, second)).files_total == 2
    await log.log(git, repo.path, second)
    await last.last_commits(git, repo.path, second, "", ["a"])
    await read_refs(git, repo.path)
    await commit(git, repo, [AddFile("c", b"x")])
    await maintenance.maintain(git, repo.path, full=True)
    await maintenance.fsck(git, repo.path)
    child = await git.upload_pack(repo.path, protocol="", stateless=True)
    async with child:
        await child.write(b"0032want " + repo.tips["main"][:40].encode() + b"\n00000009done\n")
        child.close_stdin()
        while await child.read(65536):
            pass
    assert not marker.exists()


async def test_git_s_version_is_known_and_an_old_one_refused(
    git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    await git.check()
    assert git.version >= (2, 39, 0)
    for object_format in ("sha1", "sha256"):
        assert f"object-format={object_format}".encode() in git.v2_advertisement(object_format)
    monkeypatch.setattr(process_module, "LEAST_VERSION", (99, 0, 0))
    with pytest.raises(Unavailable):
        await git.check()


async def test_faults_and_slowness_are_unavailable(tmp_path: Path, repo: Repository) -> None:
    git = Git(Config(data_dir=str(tmp_path)), None)
    with pytest.raises(Unavailable) as caught:
        await git.run(repo.path, "rev-parse", "--verify", args=["nothing"])
    assert caught.value.details["code"] == 128
    with pytest.raises(Unavailable):
        await git.run(repo.path / "none", "rev-list", args=["HEAD"])
    with pytest.raises(Unavailable):
        await git.run(repo.path, "cat-file", "--batch", stdin=None, timeout=1e-9)


async def test_a_repository_appears_whole_and_once(git: Git, tmp_path: Path) -> None:
    path = repo_path(tmp_path / "repos", 300)
    assert path == tmp_path / "repos/2c/300.git"
    await git.init_bare(path, "sha256", "trunk")
    head = (path / "HEAD").stat()
    await git.init_bare(path, "sha1", "main")
    assert (path / "HEAD").stat() == head
    assert (path / "HEAD").read_text() == "ref: refs/heads/trunk\n"
    assert list(path.parent.iterdir()) == [path]
    await git.set_head(path, "refs/heads/x")
    assert (path / "HEAD").read_text() == "ref: refs/heads/x\n"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    with pytest.raises(Unavailable):
        await git.init_bare(tmp_path / "taken", "sha1", "main")
    assert {entry.name for entry in tmp_path.iterdir()} == {"repos", "taken"}


async def test_the_hooks_get_the_pipe_ends_and_receive_pack_keeps_the_lock(
    tmp_path: Path, repo: Repository
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    script = (
        'echo "$0 $GIT_PUSH_OPTION_0 $(cat)" > /proc/self/fd/$HUBD_HOOK_TO\n'
        "read answer < /proc/self/fd/$HUBD_HOOK_FROM\n"
        'echo "m $answer" >&2; [ "$answer" = ok ]\n'
    )
    for name in ("pre-receive", "post-receive"):
        (hooks / name).write_text("#!/bin/sh\n" + script)
        (hooks / name).chmod(0o755)
    git = Git(Config(data_dir=str(tmp_path)), hooks)
    lock_file = tmp_path / "lock"
    lock_file.touch()
    for verdict, ok in ((b"ok\nok\n", True), (b"no\n", False), (b"", False)):
        with await build(git, repo, None, [AddFile("f", os.urandom(9))]) as pack:
            from_hook, to_daemon = os.pipe()
            from_daemon, to_hook = os.pipe()
            lock = os.open(lock_file, os.O_RDWR)
            fcntl.flock(lock, fcntl.LOCK_SH)
            child = await git.receive_pack(
                repo.path,
                protocol="",
                stateless=True,
                hook_fds=(to_daemon, from_daemon),
                lock_fd=lock,
            )
            for descriptor in (to_daemon, from_daemon, lock):
                os.close(descriptor)
            other = os.open(lock_file, os.O_RDWR)
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(to_hook, verdict)
            os.close(to_hook)
            ref = f"refs/heads/b{len(verdict)}"
            move = push.RefMove(ref, zero(repo), pack.oid)
            async with child:
                report = await push.send(child, push.push_request([move], ["an option"], pack))
                await child.wait()
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(other)
            told = os.read(from_hook, 4096).decode()
            os.close(from_hook)
            assert report.ok == ok
            assert f"pre-receive an option {zero(repo)} {pack.oid} {ref}" in told
            assert ("post-receive" in told) == ok
            if not ok:
                assert report.refs == {ref: "pre-receive hook declined"}


async def test_pushes_are_checked_and_bounded(tmp_path: Path, repo: Repository) -> None:
    git = Git(Config(data_dir=str(tmp_path), push_limit=100_000), None)
    with await build(git, repo, None, [AddFile("f", os.urandom(200_000))]) as pack:
        move = push.RefMove(MAIN, zero(repo), pack.oid)
        with suppress(AssertionError):
            report = await deliver(git, repo, [move], pack)
            assert not report.ok
            assert "exceed" in report.unpack + report.messages
    tree = repo.tree([("100644", "f", repo.blob(b"x"))])
    who = "author A <a@b> 1 +0000\ncommitter A <a@b> 1 "
    harmless = f"tree {tree}\n{who}+051800\n\nbad zone\n"
    harmful = f"tree {tree}\n{who}+0000\n\nnul\0\n".replace(
        "A <a@b> 1 +0000\nc", "A a@b 1 +0000\nc"
    )
    for text, ok in ((harmless, True), (harmful, False)):
        oid = repo.object("commit", text.encode())
        packed = repo.raw("pack-objects", "--stdout", "--revs", data=f"{oid}\n".encode())
        with await build(git, repo, None, []) as pack:
            pack.file.seek(0)
            pack.file.truncate()
            pack.file.write(packed)
            target = Repository.make(tmp_path / f"{ok}.git", repo.object_format)
            report = await deliver(git, target, [push.RefMove(MAIN, zero(repo), oid)], pack)
        assert report.ok == ok, report


@pytest.mark.parametrize("protocol", ["", "version=1", "version=2"])
async def test_clones_of_every_kind_can_go_on_fetching(
    git: Git, repo: Repository, tmp_path: Path, protocol: str
) -> None:
    tips = [repo.commit({f"f{n}": b"%d" % n * 100, "same": b"%d" % n}) for n in range(5)]
    wrapper = tmp_path / "serve"
    line = git.argv(None, "upload-pack")
    quoted = " ".join(f"'{word}'" for word in line)
    env = " ".join(f"'{name}={value}'" for name, value in git.env().items())
    wrapper.write_text(
        f'#!/bin/sh\nexec env -i ${{GIT_PROTOCOL:+GIT_PROTOCOL=$GIT_PROTOCOL}} {env} {quoted} "$@"\n'
    )
    wrapper.chmod(0o755)
    number = protocol[-1:] or "0"
    for kind in ("--filter=blob:none", "--filter=tree:0", "--depth=2", "--filter=blob:limit=10"):
        clone = tmp_path / kind.replace("=", "-").replace(":", "-")
        repo.git(
            *("-c", f"protocol.version={number}", "clone", "-q", "--bare"),
            *("--upload-pack", str(wrapper), kind, f"file://{repo.path}", str(clone)),
        )
        copy = Repository(clone, repo.object_format)
        copy.git("config", "remote.origin.uploadpack", str(wrapper))
        version = ("-c", f"protocol.version={number}")
        assert copy.git(*version, "cat-file", "blob", f"{tips[-1]}:same") == "4"
        assert copy.git(*version, "log", "-1", "--stat", tips[-1])
