"""What stays of Xet's chunks and what goes: killed daemons, collection, time, room."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hubd.blobs.base import Key, Kind
from hubd.lfs import xet_collect
from hubd.lfs.signing import Signer
from hubd.lfs.xet import XetTicket
from hubd.store import objects
from hubd.types import Scope
from tests.apiclient import Api
from tests.caskit import Cas, Made, Part, ask, lines, shard_of
from tests.hubkit import Repo, World
from tests.hubproc import Hub
from tests.lfs.test_xet import fresh, has, whole
from tests.lfskit import Big, client


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A hub to be killed and collected."""
    folder = tmp_path_factory.mktemp("own")
    with Hub(folder / "data", shutdown_grace=0) as hub:
        yield World.populate(hub, folder)


def _armed(world: World, points: str) -> None:
    world.hub.kill()
    testing = {"HUBD_TESTING": "1", "HUBD_FAILPOINTS": points} if points else {}
    world.hub._extra_env = testing
    world.hub.start()


@pytest.mark.parametrize(
    "point", ["blobs.before_rename", "xet.before_xorb_row", "xet.before_file_row"]
)
def test_a_daemon_killed_in_an_upload_leaves_nothing_visible(own: World, point: str) -> None:
    repo, file = own.repo(), Made.of(Part(xorb := fresh(), 0, 4))
    if point == "xet.before_file_row":
        assert Cas.of(repo).xorb(xorb).status == 200
    _armed(own, f"{point}=kill")
    with pytest.raises((OSError, http.client.HTTPException)):
        Cas.of(repo).upload(file)
    _armed(own, "")
    assert not has(repo, file)
    assert Cas.of(repo).plan(file).status == 404
    assert own.sql("SELECT * FROM object_links WHERE repo_id = ?", repo.id) == []
    Cas.of(repo).upload(file)
    assert client(repo).download(Big(file.content)) == file.content


def test_a_list_that_a_killed_daemon_left_is_not_taken_for_the_object(own: World) -> None:
    """Its chunks may go; an upload of the same file must not be thrown away for it."""
    repo, other, file = own.repo(), own.repo(owner="bob"), whole(fresh())
    Cas.of(repo).xorb(file.parts[0].xorb)
    _armed(own, "xet.before_file_row=kill")
    with pytest.raises((OSError, http.client.HTTPException)):
        Cas.of(repo).shard(file)
    _armed(own, "")
    big = Big(file.content)
    client(other).upload(big)
    assert _collect(own) == 2
    assert client(other).download(big) == big.data


def test_a_client_hears_how_far_the_work_is(own: World) -> None:
    repo, file = own.repo(), whole(fresh())
    Cas.of(repo).xorb(file.parts[0].xorb)
    _armed(own, "xet.before_file_row=sleep:1")
    told = lines(Cas.of(repo).send("POST", "/v2/shards", shard_of(file)))
    _armed(own, "")
    assert told == [{"type": "validating", "verified": 1, "total": 1}, {"type": "result"}]


def _collect(world: World, later: float = 10.0) -> int:
    async def work(core: Any, _actor: Any) -> int:
        return await xet_collect.collect(core.lfs, time.time() + later)

    return world.inside(work)


def _drop(world: World, repo: Repo, oid: str) -> None:
    """As collection of objects does it."""

    async def work(core: Any, _actor: Any) -> None:
        later = time.time() + 10
        unlink = objects.unlink_unused
        assert await core.store.write(lambda conn: unlink(conn, repo.id, [oid], later)) == 1
        assert await core.store.write(lambda conn: objects.remove_orphan(conn, oid))

    world.inside(work)


def _exists(world: World, kind: Kind, name: str) -> bool:
    return world.holds(Key(kind, name))


def test_chunks_stay_as_long_as_an_object_needs_them(own: World) -> None:
    _collect(own)
    before = own.sql("SELECT * FROM xorbs")
    repo, xorb, unused = own.repo(), fresh(), fresh()
    one, two = Made.of(Part(xorb, 0, 2)), Made.of(Part(xorb, 1, 4))
    cas = Cas.of(repo)
    cas.upload(one)
    cas.upload(two)
    cas.xorb(unused)
    place = cas.place
    assert _collect(own, -100) == 0
    assert _collect(own) == 1
    assert not _exists(own, Kind.XORB, unused.name)
    # The client may believe that the chunks are here: by another address it will not.
    assert Cas.of(repo).place != place
    assert Cas.of(own.repo(owner="bob")).place.endswith("-0")
    assert cas.xorb(unused).json == {"was_inserted": True}
    _drop(own, repo, Big(one.content).oid)
    assert cas.plan(one).status == 404
    assert _collect(own) == 2
    assert not _exists(own, Kind.LIST, Big(one.content).oid)
    assert _exists(own, Kind.XORB, xorb.name)
    assert client(repo).download(Big(two.content)) == two.content
    _drop(own, repo, Big(two.content).oid)
    assert _collect(own) == 2
    assert own.sql("SELECT * FROM xorbs") == before
    assert own.sql("SELECT * FROM xet_chunks WHERE xorb = ?", xorb.name) == []
    assert cas.shard(two).status == 400
    cas.upload(two)
    assert cas.rebuild(two) == two.content


def test_a_client_that_refers_to_what_has_gone_gets_another_address(world: World) -> None:
    repo = world.repo()
    cas = Cas.of(repo)
    assert cas.shard(whole(fresh())).status == 400
    again = Cas.of(repo)
    assert again.place != cas.place
    # The old address still works for an upload under way.
    cas.upload(whole(fresh()))


def test_a_token_ends(world: World) -> None:
    repo = world.repo()
    signer = Signer.of(world.hub.data / "secrets" / "tickets.key")
    cas = Cas.of(repo)
    ticket = signer.check(XetTicket, cas.token)
    assert (ticket.scope, ticket.may_write, ticket.repo_id) == (Scope.WRITE, True, repo.id)
    late = signer.sign(msgspec.structs.replace(ticket, expires_at=time.time() - 1))
    assert cas.with_token(late).xorb(fresh()).status == 401
    body = ask(repo, "write", world.tokens["ada"]).json
    assert cas.with_token(body["accessToken"]).xorb(fresh()).status == 200


def test_a_limited_token_reaches_no_further_by_chunks(world: World) -> None:
    """The limits of the hub's token hold for what its chunk queries and shards may use."""
    secret, xorb = world.repo("private"), fresh()
    Cas.of(secret).upload(whole(xorb))
    mine = world.repo(owner="ada")
    namespace, name = mine.name.split("/")
    limits = {"repos": [{"namespace": namespace, "name": name}]}
    api = Api(world.hub.http, world.token("ada", "admin"))
    made = api.post("/me/tokens", {"scope": "write", **limits})
    body = ask(mine, "write", made.json["secret"]).json
    cas = Cas.of(mine).with_token(body["accessToken"])
    assert cas.shard(whole(xorb)).status == 400
    assert Cas.of(mine).shard(whole(xorb)).status == 200


def test_a_disk_that_is_full_refuses_first(tmp_path: Path) -> None:
    with Hub(tmp_path / "data", free_space_floor=2**60) as hub:
        repo = World.populate(hub, tmp_path, "ada").repo()
        reply = Cas.of(repo).xorb(fresh())
        assert (reply.status, b"no room" in reply.body) == (503, True)


def test_F17_a_damaged_xorb_is_told_and_not_passed_on(own: World) -> None:
    repo, xorb = own.repo(), fresh()
    cas = Cas.of(repo)
    cas.upload(whole(xorb))
    path = own.hub.data / "blobs" / Key(Kind.XORB, xorb.name).path
    path.write_bytes(b"")
    own.hub.restart()
    assert "unreadable" in own.hub.run_cli("store", "verify").stdout
    reply = client(repo).send(
        "GET", client(repo).action("download", Big(whole(xorb).content))["href"]
    )
    assert reply.status == 503
    assert (
        Cas.of(repo).send("POST", "/v1/shards", shard_of(Made.of(Part(xorb, 0, 2)))).status == 503
    )
