"""What people read when a push is refused, and what is written down when it is taken."""

from __future__ import annotations

import json

import pytest

from hubd.core import credentials, protection
from hubd.core import repos as core_repos
from hubd.types import RepoRef, Role
from tests.gitkit import SshKey, Work, refs_of
from tests.hubkit import Repo, World
from tests.hubproc import git

CHANNELS = pytest.mark.parametrize("channel", ["http", "ssh"])


def remote(done) -> list[str]:  # type: ignore[no-untyped-def]
    """The lines that git shows as the server's."""
    lines = done.stderr.decode().splitlines()
    return [line.removeprefix("remote: ").rstrip() for line in lines if line.startswith("remote: ")]


@CHANNELS
def test_a_file_over_the_limit_is_refused_with_the_command_that_helps(
    world: World, channel: str
) -> None:
    repo, work = world.repo(), world.work()
    work.commit({"model.bin": b"x" * 200_000, "README.md": "hi"})
    done = work.push(repo.url(channel))
    assert done.returncode != 0
    assert remote(done)[:2] == [
        (
            "hubd: refuse: model.bin (195.3 KiB): files over 97.7 KiB must be stored with Git LFS."
            " [object-size]"
        ),
        "hubd:   Run: git lfs migrate import --everything --include='*.bin'",
    ]
    assert b"pre-receive hook declined" in done.stderr
    assert refs_of(world.hub, repo.http) == {}


def test_a_file_at_the_limit_passes(world: World) -> None:
    repo, work = world.repo(), world.work()
    work.commit({"ok.bin": b"x" * 100_000})
    assert work.push(repo.http).returncode == 0


def test_a_big_file_in_the_middle_of_the_history_counts(world: World) -> None:
    repo, work = world.repo(), world.work()
    work.commit({"a/big file.dat": b"x" * 150_000})
    work.git("rm", "-q", "a/big file.dat")
    work.commit({"b": "1"})
    done = work.push(repo.http)
    assert "a/big file.dat" in remote(done)[0]
    assert "--include='*.dat'" in remote(done)[1]


def test_a_file_without_a_suffix_is_named_whole(world: World) -> None:
    repo, work = world.repo(), world.work()
    work.commit({"weights": b"x" * 150_000})
    assert "--include=weights" in remote(work.push(repo.http))[1]


def test_twenty_names_then_a_count(world: World) -> None:
    repo, work = world.repo(), world.work()
    work.commit({f"f{i:02d}.bin": bytes([i]) * 150_000 for i in range(25)})
    line = remote(work.push(repo.http))[0]
    assert line.count(".bin") == 20
    assert "and 5 more" in line


@CHANNELS
def test_all_findings_come_at_once(world: World, channel: str) -> None:
    repo, work = world.repo(), world.work()
    work.commit({"big.bin": b"x" * 150_000, "back\\slash": "1"})
    done = work.push(
        repo.url(channel), "HEAD:refs/heads/main", "HEAD:refs/heads/-x", "HEAD:refs/x/y"
    )
    said = "\n".join(remote(done))
    for mark in ("[object-size]", "[paths]", "[ref-names]"):
        assert mark in said, said
    assert said.count("[ref-names]") == 2
    assert refs_of(world.hub, repo.http) == {}


def test_what_was_refused_is_written_down(world: World) -> None:
    repo, work = world.repo(), world.work()
    work.commit({"big.bin": b"x" * 150_000})
    work.push(repo.http)
    rows = world.sql(
        "SELECT actor_name, channel, details FROM audit WHERE action = 'push.refused' AND target = ?",
        repo.path,
    )
    assert [(name, channel) for name, channel, _ in rows] == [("ada", "http")]
    assert "object-size" in rows[0][2]


@CHANNELS
def test_a_push_is_recorded_once_with_its_refs(world: World, channel: str) -> None:
    repo, work = world.repo(), world.work()
    first = work.commit()
    assert work.push(repo.url(channel), "HEAD:refs/heads/main", "HEAD:refs/tags/v1").returncode == 0
    second = work.commit()
    assert work.push(repo.url(channel)).returncode == 0
    rows = world.sql(
        "SELECT channel, actor_name, ref, old_oid, new_oid, applied FROM pushes JOIN push_refs"
        " ON push_id = pushes.id WHERE repo_id = ? AND state = 'done' ORDER BY pushes.id, ref",
        repo.id,
    )
    zero = "0" * 40
    assert rows == [
        (channel, "ada", "refs/heads/main", zero, first, 1),
        (channel, "ada", "refs/tags/v1", zero, first, 1),
        (channel, "ada", "refs/heads/main", first, second, 1),
    ]
    events = world.sql("SELECT ref, payload FROM events WHERE repo_id = ? ORDER BY id", repo.id)
    assert [(ref, json.loads(p)["new"]) for ref, p in events] == [(r[2], r[4]) for r in rows]


# Who may push


@CHANNELS
@pytest.mark.parametrize("kind", ["models/", "datasets/", "spaces/", "codes/", ""])
def test_a_push_to_a_free_name_creates_it_private(world: World, channel: str, kind: str) -> None:
    name = f"{kind}ada/made-by-{channel}-{kind.strip('/') or 'plain'}"
    work = world.work()
    tip = work.commit()
    url = world.ssh(name + ".git") if channel == "ssh" else world.http(name + ".git")
    assert work.push(url).returncode == 0
    assert refs_of(world.hub, url, work.env)["refs/heads/main"] == tip
    short = name.rsplit("/", 1)[1]
    assert world.sql("SELECT visibility FROM repos WHERE name = ?", short) == [("private",)]


@CHANNELS
def test_a_push_into_another_namespace_creates_nothing(world: World, channel: str) -> None:
    work = world.work("bob")
    work.commit()
    name = f"ada/not-yours-{channel}"
    done = work.push(world.ssh(name) if channel == "ssh" else world.http(name, "bob"))
    assert done.returncode != 0
    assert b"not found" in done.stderr.lower()
    assert world.sql("SELECT 1 FROM repos WHERE name = ?", name.split("/")[1]) == []


@CHANNELS
def test_a_right_taken_away_during_a_push_is_seen_at_the_hook(world: World, channel: str) -> None:
    """The advertisement is read with the right, the push itself comes without it."""
    import subprocess

    from tests.gitkit import Objects, push_http, push_request

    repo = world.repo()
    world.op("repo.grant", repo=repo.name, user="bob", role="write")
    objects = Objects(world.folder / f"late-{channel}.git")
    tip = objects.simple()
    body = push_request([("0" * 40, tip, "refs/heads/main")], objects.pack_reachable(tip))
    if channel == "http":
        world.op("repo.grant", repo=repo.name, user="bob", role="none")
        assert push_http(world.hub, repo.path, world.tokens["bob"], body).status == 403
        return
    port = world.hub.ssh.rsplit(":", 1)[1]
    argv = [
        "ssh",
        *world.keys["bob"].options("-p", port),
        "git@127.0.0.1",
        f"git-receive-pack '{repo.path}'",
    ]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdin
        assert running.stdout
        running.stdout.read(8)
        world.op("repo.grant", repo=repo.name, user="bob", role="none")
        out, _ = running.communicate(body, 60)
    assert b"You may not push here" in out
    assert refs_of(world.hub, repo.http) == {}


def test_an_archived_repository_takes_no_push(world: World) -> None:
    repo, work = world.repo(), world.work()
    tip = work.commit()
    assert work.push(repo.http).returncode == 0
    ref = RepoRef.from_path(repo.path)
    world.inside(lambda core, actor: core_repos.set_archived(core, actor, ref, archived=True))
    work.commit()
    for channel in ("http", "ssh"):
        assert b"archived and read-only" in work.push(repo.url(channel)).stderr
        assert refs_of(world.hub, repo.url(channel), work.env)["refs/heads/main"] == tip
    world.inside(lambda core, actor: core_repos.set_archived(core, actor, ref, archived=False))
    assert work.push(repo.ssh).returncode == 0


def deploy(world: World, repo: Repo, name: str, *, can_write: bool) -> Work:
    key = SshKey.make(world.folder / f"deploy-{repo.id}-{name}")
    ref = RepoRef.from_path(repo.path)
    world.inside(
        lambda core, actor: credentials.add_deploy_key(
            core, actor, ref, key.public.read_text(), name=name, can_write=can_write
        )
    )
    return Work(world.folder / f"work-{repo.id}-{name}", key.env)


def test_deploy_keys_open_one_repository(world: World) -> None:
    repo, other = world.repo("private"), world.repo("private")
    reader, writer = (
        deploy(world, repo, "r", can_write=False),
        deploy(world, repo, "w", can_write=True),
    )
    tip = writer.commit()
    assert writer.push(repo.ssh).returncode == 0
    assert refs_of(world.hub, repo.ssh, reader.env)["refs/heads/main"] == tip
    reader.commit()
    assert reader.push(repo.ssh).returncode != 0
    for work in (reader, writer):
        done = git("ls-remote", other.ssh, env=work.env, check=False)
        assert b"not found" in done.stderr
        done = work.push(world.ssh("ada/by-deploy-key"))
        assert b"not found" in done.stderr
    rows = world.sql("SELECT actor_kind, user_id FROM pushes WHERE repo_id = ?", repo.id)
    assert rows == [("deploy_key", None)]


def test_rules_are_judged_by_pattern_and_role(world: World) -> None:
    repo, work = world.repo(), world.work()
    work.commit()
    assert work.push(repo.http).returncode == 0
    world.op("repo.grant", repo=repo.name, user="bob", role="write")
    ref = RepoRef.from_path(repo.path)
    world.inside(lambda c, a: protection.add(c, a, ref, "release/*", push_role=Role.ADMIN))
    world.inside(
        lambda c, a: protection.add(c, a, ref, "free/*", allow_force=True, allow_delete=True)
    )
    bob = world.work("bob")
    bob.git("pull", "-q", repo.ssh, "main")
    done = bob.push(repo.ssh, "HEAD:refs/heads/release/1", "HEAD:refs/heads/RELEASE/2")
    assert remote(done)[0].startswith(
        "hubd: refuse: refs/heads/release/1 is protected: pushing to it needs the admin role."
    )
    assert "RELEASE/2" in "\n".join(remote(done))
    assert bob.push(repo.ssh, "HEAD:refs/heads/free/1").returncode == 0
    bob.git("commit", "-q", "--amend", "--allow-empty", "-m", "again")
    assert bob.push(repo.ssh, "+HEAD:refs/heads/free/1").returncode == 0
    assert bob.push(repo.ssh, ":refs/heads/free/1").returncode == 0
    assert work.push(repo.http, "HEAD:refs/heads/release/1").returncode == 0


def test_sha256_repositories_take_pushes(world: World) -> None:
    repo = world.repo(object_format="sha256")
    path = world.folder / "sha256-work"
    git("init", "-q", "-b", "main", "--object-format=sha256", path)
    work = Work.__new__(Work)
    work.path, work.env = path, world.keys["ada"].env
    tip = work.commit({"a": "1"})
    assert len(tip) == 64
    for channel in ("http", "ssh"):
        assert work.push(repo.url(channel)).returncode == 0, channel
        work.commit()
    done = work.push(repo.http, "HEAD:refs/heads/" + "a" * 64)
    assert "object id" in "\n".join(remote(done))


@pytest.mark.parametrize("options", [(), ("-o", "note=a;b")])
@pytest.mark.parametrize("count", [3, 19, 20, 21, 60])
def test_every_ref_reaches_the_daemon_byte_for_byte(
    world: World, count: int, options: tuple[str, ...]
) -> None:
    """The hook reads a few refs itself and leaves many to another program."""
    repo, work = world.repo(), world.work()
    work.commit({"a": str(count)})
    # Bytes that shells use as marks of their own: 0x81 to 0x88, here inside of UTF-8.
    names = {f"refs/heads/b{number:02d}/{chr(0x101 + number % 8)}" for number in range(count)}
    done = work.push(repo.http, *options, *(f"HEAD:{name}" for name in sorted(names)))
    assert done.returncode == 0, done.stderr
    rows = world.sql("SELECT ref FROM events WHERE repo_id = ?", repo.id)
    assert sorted(ref for (ref,) in rows) == sorted(names)
