"""Large files of others, and room that is not there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.apiclient import Api
from tests.caskit import Cas, Made, Packed, Part
from tests.hubkit import Repo, World
from tests.lfskit import Big, client


def _reads(repo: Repo, file: Made, user: str) -> list[int]:
    """The status of every way to the bytes of ``big.bin`` in a repository, and of asking for it."""
    big, token = Big(file.content), repo.world.tokens[user]
    api = Api(repo.world.hub.http, token)
    address = f"/{repo.path}/resolve/main/big.bin"
    (answer,) = client(repo, user).batch("download", big).values()
    return [
        api.send("GET", address).status,
        api.send("HEAD", address).status,
        api.get(f"/repos/model/{repo.name}/raw", path="big.bin").status,
        api.send("GET", f"/api/v1/models/{repo.name}/download/big.bin").status,
        answer["error"]["code"] if "error" in answer else 200,
        Cas.of(repo, "read", user).plan(file).status,
    ]


def test_T38_a_hash_of_others_opens_no_door(world: World) -> None:
    xorb = Packed.of(b"the secret of ada", b"and more of it")
    file, secret = Made.of(Part(xorb, 0, 2)), world.repo("private")
    big = Big(file.content)
    Cas.of(secret).upload(file)
    mine, work = world.repo(owner="bob"), world.work()
    work.commit({"big.bin": big.pointer, ".gitattributes": "*.bin filter=lfs -text\n"})
    refused = work.push(mine.http, "main")
    assert refused.returncode != 0
    assert big.oid[:12].encode() in refused.stderr
    # Not with a pointer that slipped in either, say by a disk brought from elsewhere.
    work.git("push", "-q", str(mine.dir), "HEAD:refs/heads/main")
    world.op("store.forget")
    assert _reads(mine, file, "bob") == [404] * 6
    # Whoever has the bytes proves it by sending them.
    client(mine).upload(big)
    assert _reads(mine, file, "bob") == [200] * 6


def test_T43_fifty_uploads_at_once_take_no_more_than_there_is(world: World) -> None:
    repo, size = world.repo(), 10_000
    world.op("quota.set", whose=repo.name, type="model", bytes=5 * size, objects=None)
    ada, files = client(repo), [Big.random(size) for _ in range(50)]
    # Asked one by one, each would fit.
    addresses = [ada.action("upload", big)["href"] for big in files]

    def send(number: int) -> int:
        return ada.send("PUT", addresses[number], files[number].data).status

    with ThreadPoolExecutor(16) as people:
        told = list(people.map(send, range(50)))
    assert sorted(told) == [200] * 5 + [507] * 45
    count = world.sql("SELECT count(*) FROM object_links WHERE repo_id = ?", repo.id)
    assert count == [(5,)]


def test_T43_a_pointer_without_its_upload_takes_nothing(world: World) -> None:
    repo, work = world.repo(), world.work()
    work.commit({"big.bin": Big.random(5000).pointer})
    assert work.push(repo.http, "main").returncode != 0
    assert world.sql("SELECT count(*) FROM object_links WHERE repo_id = ?", repo.id) == [(0,)]
