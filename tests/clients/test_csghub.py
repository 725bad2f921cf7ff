"""csghub-sdk and ``csghub-cli``, unmodified, against this hub: every way in and out, byte-equal."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.csgkit import VERSION, CsgClient, files_of
from tests.clients.kit import Place
from tests.faultyproxy import Fault, FaultyProxy
from tests.hubproc import Hub

RUN = f"csg-{secrets.token_hex(4)}"
# The three ways of one command: chunks, LFS, and CSGHub's own calls with git.
CHUNKS: dict[str, str] = {}
LFS = {"HF_HUB_DISABLE_XET": "1"}
OWN = {"CSGHUB_DISABLE_XNET": "true"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("csghub")
    with Hub(
        folder / "hub" / "data", log_format="json", api_rate="100000/minute", parts_above=8_000_000
    ) as hub:
        place = Place(hub, folder)
        place.ask("org.add", name="acme", owner="ada")
        yield place
    for clone in Path("/tmp/csg").glob(f"{RUN}-*"):
        shutil.rmtree(clone)


def client(place: Place, extra: dict[str, str] | None = None) -> CsgClient:
    return CsgClient(place, VERSION, folder=place.fresh(), token=place.token, extra=extra or {})


def a_name(namespace: str = "ada") -> str:
    """Of a new repository; the client keeps clones of all of them in one place, by name alone."""
    return f"{namespace}/{RUN}-{secrets.token_hex(4)}"


def a_folder(ada: CsgClient, seed: int = 1) -> Path:
    """Small and empty files, folders, odd names, and large files that need more than one part."""
    source = ada.folder / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    (source / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    (source / "config.json").write_text("{}")
    (source / "empty.txt").write_bytes(b"")
    (source / "sub" / "ä b.txt").write_text("umlaut and space")
    (source / "sub" / "deep" / "weights.bin").write_bytes(random.Random(seed).randbytes(70_000))
    (source / "model.safetensors").write_bytes(random.Random(seed).randbytes(12_000_000))
    return source


def downloaded(ada: CsgClient, repo: str, *options: str) -> dict[str, bytes]:
    target = ada.folder / f"copy{len(list(ada.folder.iterdir()))}"
    ada.cli("download", repo, "--local-dir", str(target), *options)
    return files_of(target)


@pytest.mark.parametrize(("kind", "way"), [("model", CHUNKS), ("dataset", LFS)])
def test_a_folder_goes_in_and_comes_out(place: Place, kind: str, way: dict[str, str]) -> None:
    ada = client(place, way)
    source = a_folder(ada)
    repo = a_name()
    ada.cli("upload", repo, str(source), "-t", kind)
    assert downloaded(ada, repo, "-t", kind) == files_of(source)
    # The same without its library, by CSGHub's own requests, from each of the three mounts.
    ada.extra = OWN
    for mount in ("csg", "hf", "ms"):
        assert downloaded(ada, repo, "-t", kind, "--source", mount) == files_of(source), mount
    (source / "config.json").write_text('{"changed": 1}')
    ada.extra = way
    ada.cli("upload", repo, str(source / "config.json"), "-t", kind, "-r", "dev")
    assert downloaded(ada, repo, "-t", kind, "-r", "dev") == files_of(source)


@pytest.mark.parametrize("kind", ["model", "code", "space"])
def test_a_folder_goes_in_by_git(place: Place, kind: str) -> None:
    ada = client(place, OWN)
    source = a_folder(ada)
    repo = a_name()
    ada.cli("upload", repo, str(source), "-t", kind)
    assert downloaded(ada, repo, "-t", kind) == files_of(source)
    (source / "config.json").write_text('{"changed": 1}')
    ada.cli("upload", repo, str(source), "-t", kind, "-r", "dev/new")
    assert downloaded(ada, repo, "-t", kind, "-r", "dev/new") == files_of(source)
    assert downloaded(ada, repo, "-t", kind)["config.json"] == b"{}"


def test_a_folder_of_an_organization(place: Place) -> None:
    """The client gives git the organization as the user's name."""
    ada = client(place, OWN)
    source = a_folder(ada)
    repo = a_name("acme")
    ada.cli("upload", repo, str(source))
    assert downloaded(ada, repo) == files_of(source)


def test_one_file_goes_in_by_a_form(place: Place) -> None:
    ada = client(place, OWN)
    repo = a_name()
    small, large = ada.folder / "small.txt", ada.folder / "large.bin"
    ada.folder.mkdir()
    small.write_text("one")
    large.write_bytes(random.Random(2).randbytes(11_000_000))
    script = """
        from pycsghub.file_upload import http_upload_file
        http_upload_file(repo, repo_type="model", file_path=name, path_in_repo=folder, token=token)
    """
    ada.cli("upload", repo, str(small))
    for name in (small, large):
        given = {"repo": repo, "token": place.token, "folder": "in"}
        ada.run(script, name=str(name), **given)
    small.write_text("two")
    ada.run(script, name=str(small), **given)
    found = downloaded(ada, repo)
    assert found["in/small.txt"] == b"two"
    assert found["in/large.bin"] == large.read_bytes()
    # As the rules for large files want it: a pointer in git.
    clone = place.fresh()
    place.git("clone", "-q", place.url("http", repo), clone, "-c", "filter.lfs.smudge=cat")
    assert b"git-lfs" in (clone / "in" / "large.bin").read_bytes()[:200]


def test_a_large_folder_goes_in_part_by_part(place: Place) -> None:
    ada = client(place)
    source = a_folder(ada)
    for index in range(120):
        (source / f"part{index}.txt").write_text(f"{index}\n" * 50)
    before = files_of(source)
    first = a_name()
    for repo, *more in (
        (first,),
        # The same again: all is there already, and in another branch and another repository.
        (first,),
        (first, "-r", "dev/new"),
        (a_name("acme"), "-t", "dataset"),
        (a_name(), "-t", "space"),
    ):
        ada.cli("upload-large-folder", repo, str(source), "-n", "4", *more)
        assert downloaded(ada, repo, *more) == before, (repo, more)


def test_git_lfs_sends_parts_with_the_clients_agent(place: Place) -> None:
    ada = client(place)
    repo = place.repo()
    work = ada.folder / "work"
    data = random.Random(3).randbytes(12_000_000)
    ada.folder.mkdir()
    place.git("clone", "-q", place.url("http", repo), work)
    place.git("lfs", "install", "--local", cwd=work)
    ada.cli("lfs-enable-largefiles", str(work))
    place.git("config", "lfs.customtransfer.multipart.path", str(ada.bin / "csghub-cli"), cwd=work)
    place.git("lfs", "track", "*.bin", cwd=work)
    (work / "big.bin").write_bytes(data)
    place.git("add", ".", cwd=work)
    place.git("commit", "-qm", "A large file", cwd=work)
    before = len(place.hub.log())
    place.git("push", "-q", "origin", "HEAD:main", cwd=work)
    assert "/-/lfs-parts/" in place.hub.log()[before:]
    assert downloaded(ada, repo)["big.bin"] == data


def test_a_broken_download_goes_on_where_it_was(place: Place) -> None:
    ada = client(place, OWN)
    source = a_folder(ada)
    repo = a_name()
    ada.cli("upload", repo, str(source))
    target = int(place.hub.http.rpartition(":")[2])

    async def through_a_bad_network() -> list[bytes]:
        cut = Fault(r"GET /csg/.*model\.safetensors", cut_down=5_000_000, times=1)
        async with FaultyProxy(target, [cut]) as proxy:
            ada.extra = OWN | {"CSGHUB_DOMAIN": f"http://127.0.0.1:{proxy.port}"}
            found = await asyncio.to_thread(downloaded, ada, repo)
        assert found == files_of(source)
        return [head for head in proxy.heads if b"model.safetensors" in head]

    first, second = asyncio.run(through_a_bad_network())
    assert b"\nRange:" not in first
    # It keeps whole pieces of a mebibyte.
    assert b"\nRange: bytes=4194304-" in second
