"""The rows of the table and their goals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import hubapi
from benchmarks.clients import Pusher, Ssh, clones, fetch_to_nowhere, fresh, git
from benchmarks.lfs import LargeFiles, get_to_nowhere
from benchmarks.measure import Case, Step
from benchmarks.rig import OWNER, Rig

MEMORY_LIMIT = 100.0
CROWD_MEMORY = 150.0
CROWD_SECONDS = 0.1
_NGINX = "nginx + git-http-backend"
_OPENSSH = "OpenSSH + git-shell"


def cases(rig: Rig) -> Iterator[Case]:
    """Every row but the memory."""
    yield from _fetches(rig)
    yield from _lists(rig)
    yield from _pushes(rig)
    yield from _clones(rig)
    yield from _large(rig)
    if hubapi.CLIENT.exists():
        yield hubapi.snapshot(rig)


def _fetches(rig: Rig) -> Iterator[Case]:
    least = rig.scale.pack
    body = rig.request
    theirs = f"{rig.nginx.url}/pack.git"

    def http(url: str) -> Step:
        return lambda: fetch_to_nowhere(url, body, least)

    cached = Case("fetch http, repeated", _NGINX, http(rig.hub_url("pack")), http(theirs), goal=0.2)
    plain = http(rig.hub_url("pack", rig.plain))
    yield replace(cached, name="fetch http", ours=plain, goal=0.95, note="hubd's pack cache is off")
    yield replace(
        cached,
        name="fetch http, first",
        goal=None,
        before_ours=lambda: rig.forget_packs("pack"),
        note="the answer is sent and kept for the next client at the same time",
    )
    yield cached

    def ssh(client: Ssh, path: str) -> Step:
        return lambda: client.fetch_to_nowhere(path, body)

    base = ssh(rig.base_ssh, f"{rig.repos}/pack.git")
    path = f"{OWNER}/pack"
    yield Case("fetch ssh", _OPENSSH, ssh(rig.ssh(rig.plain), path), base, goal=0.95)
    yield Case("fetch ssh, repeated", _OPENSSH, ssh(rig.ssh(rig.hub), path), base, goal=None)


def _lists(rig: Rig) -> Iterator[Case]:
    def lister(url: str, client: Ssh | None = None) -> Step:
        env = client.env if client else rig.env

        def step() -> None:
            git("ls-remote", url, env=env)

        return step

    def http(name: str, repo: str, goal: float) -> Case:
        theirs = lister(f"{rig.nginx.url}/{repo}.git")
        return Case(name, _NGINX, lister(rig.hub_url(repo)), theirs, goal, repeat)

    repeat = rig.scale.repeat
    yield http("ls-remote http", "small", 0.9)
    yield http(f"ls-remote http, {rig.scale.refs} refs", "refs", 0.95)
    client = rig.ssh(rig.hub)
    ours = lister(client.url(f"{OWNER}/small"), client)
    theirs = lister(rig.base_ssh.url(f"{rig.repos}/small.git"), rig.base_ssh)
    yield Case("ls-remote ssh", _OPENSSH, ours, theirs, 0.35, repeat)


def _pushes(rig: Rig) -> Iterator[Case]:
    for repo, title in (
        ("small", "push"),
        ("refs", f"push, {rig.scale.refs} refs"),
        ("files", f"push, {rig.scale.files} files"),
    ):
        http_goal, ssh_goal = (1.2, 0.6) if repo == "small" else (None, None)
        name = f"{repo}-http"
        ours = _pusher(rig, name, rig.hub.git_url(f"{OWNER}/{name}", rig.token))
        theirs = _pusher(rig, name, f"{rig.nginx.push_url}/{name}.git")
        case = Case(
            title.replace("push", "push http"),
            _NGINX,
            ours.push,
            theirs.push,
            http_goal,
            rig.scale.repeat,
            ours.commit,
            theirs.commit,
        )
        yield case
        name, client = f"{repo}-ssh", rig.ssh(rig.hub)
        ours = _pusher(rig, name, client.url(f"{OWNER}/{name}"), client)
        base_url = rig.base_ssh.url(f"{rig.repos}/{name}.git")
        theirs = _pusher(rig, name, base_url, rig.base_ssh)
        yield replace(
            case,
            name=title.replace("push", "push ssh"),
            versus=_OPENSSH,
            ours=ours.push,
            base=theirs.push,
            goal=ssh_goal,
            before_ours=ours.commit,
            before_base=theirs.commit,
        )


def _pusher(rig: Rig, repo: str, url: str, client: Ssh | None = None) -> Pusher:
    source = rig.sources / repo.split("-", maxsplit=1)[0]
    folder = rig.place / "work" / f"{len(list((rig.place / 'work').glob('*')))}"
    return Pusher(source, folder, url, client.env if client else rig.env)


def _clones(rig: Rig) -> Iterator[Case]:
    count = rig.scale.clones
    folder = rig.place / "clones"

    def cloner(url: str, times: int = 1) -> Step:
        return lambda: clones([url] * times, folder, rig.env)

    def empty() -> None:
        fresh(folder)

    def forget(repo: str) -> Step:
        def step() -> None:
            fresh(folder)
            rig.forget_packs(repo)

        return step

    yield Case(
        f"{count} clones at once, {rig.scale.files} files",
        _NGINX,
        cloner(rig.hub_url("files"), count),
        cloner(f"{rig.nginx.url}/files.git", count),
        goal=1.0,
        before_ours=forget("files"),
        before_base=empty,
        note="bare clones; hubd's pack cache is empty before each round",
    )
    for repo in ("pack", "history"):
        for versus, theirs in (
            (_NGINX, f"{rig.nginx.url}/{repo}.git"),
            ("clone --no-local file://", f"file://{rig.repos}/{repo}.git"),
        ):
            yield Case(
                f"clone http, {repo}",
                versus,
                cloner(rig.hub_url(repo)),
                cloner(theirs),
                goal=None,
                before_ours=forget(repo),
                before_base=empty,
            )


def _large(rig: Rig) -> Iterator[Case]:
    scale = rig.scale
    for name, title, count, size in (
        ("one", "1 file", 1, scale.large),
        ("many", f"{scale.many} files", scale.many, scale.large // 1000),
    ):
        ours = _files(rig, rig.hub.git_url(f"{OWNER}/{name}", rig.token), count, size)
        theirs = _files(rig, rig.giftless.url, count, size)
        upload = Case(
            f"lfs upload http, {title}",
            "giftless",
            ours.push,
            theirs.push,
            goal=1.0,
            before_ours=_renewed(rig.stores[0], ours),
            before_base=_renewed(rig.stores[1], theirs),
            base_processor=rig.giftless.processor_time,
        )
        yield upload
        yield replace(
            upload,
            name=f"lfs download http, {title}",
            ours=ours.fetch,
            base=theirs.fetch,
            goal=None,
            before_ours=ours.forget,
            before_base=theirs.forget,
            base_processor=None,
        )
        client = rig.ssh(rig.hub)
        ssh = _files(rig, client.url(f"{OWNER}/ssh"), count, size, client)
        by_ssh = upload.name.replace("http", "ssh")
        yield replace(
            upload, name=by_ssh, ours=ssh.push, goal=None, before_ours=_renewed(rig.stores[0], ssh)
        )
    yield _static(rig)


def _files(rig: Rig, url: str, count: int, size: int, client: Ssh | None = None) -> LargeFiles:
    folder = rig.place / "large"
    folder.mkdir(exist_ok=True)
    place = folder / str(len(list(folder.iterdir())))
    return LargeFiles(place, url, count, size, client.env if client else rig.env)


def _renewed(store: Path, files: LargeFiles) -> Step:
    """Other files to send; those sent before are forgotten."""

    def step() -> None:
        fresh(store)
        files.renew()

    return step


def _static(rig: Rig) -> Case:
    """The bytes of a download alone, against nginx with the very same file."""
    files = _files(rig, rig.hub.git_url(f"{OWNER}/one", rig.token), 1, rig.scale.large)
    address: dict[str, str] = {}

    def prepare() -> None:
        if address:
            return
        files.renew()
        files.push()
        (oid,) = files.oids
        named = [{"oid": oid, "size": rig.scale.large}]
        (found,) = rig.account("one").post("download", named)
        address["ours"] = found["actions"]["download"]["href"]
        stored = rig.hub.data / "blobs" / "objects" / oid[:2] / oid[2:4] / oid
        address["theirs"] = rig.nginx.serve_file(stored)

    return Case(
        "lfs download, bytes alone",
        "nginx",
        lambda: get_to_nowhere(address["ours"], rig.scale.large),
        lambda: get_to_nowhere(address["theirs"], rig.scale.large),
        goal=1.1,
        before_ours=prepare,
        before_base=prepare,
    )
