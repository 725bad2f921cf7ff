"""What is a pointer, what is nearly one, and what a push may hold of either."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.lfs import pointers
from hubd.lfs.pointers import Pointer
from tests.hubkit import World
from tests.lfskit import Big, client

# Rows, and no bytes.
LOCAL = pytest.mark.parametrize("backed", ["local"], indirect=True)
OID = "0123456789abcdef" * 4
GOOD = f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 12\n"
EXT = f"ext-0-crypt sha256:{OID}\n"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("git-lfs", "hawser"),
        GOOD.replace("oid", f"{EXT}oid"),
    ],
)
def test_the_canonical_forms(text: str) -> None:
    assert pointers.parse(text.encode()) == Pointer(OID, 12)
    assert not pointers.is_malformed(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD[:-1],
        GOOD + "\n",
        GOOD.replace("size 12", "size 012"),
        GOOD.replace("size 12", "size -1"),
        GOOD.replace(OID, OID.upper()),
        GOOD.replace(OID, OID[:-1]),
        GOOD.replace(f"oid sha256:{OID}\nsize 12", f"size 12\noid sha256:{OID}"),
        GOOD.replace("oid", f"{EXT}{EXT}oid"),
        "\n" + GOOD,
        GOOD + "more 1\n",
    ],
)
def test_what_was_meant_as_a_pointer_but_is_none(text: str) -> None:
    assert pointers.parse(text.encode()) is None
    assert pointers.is_malformed(text.encode())


@pytest.mark.parametrize(
    "text", ["", "hello", "version https://git-lfs.github.com/spec/v1\n", GOOD + "x" * 1000]
)
def test_an_ordinary_file_is_neither(text: str) -> None:
    assert pointers.parse(text.encode()) is None
    assert not pointers.is_malformed(text.encode())


@given(st.integers(0, 10**18))
def test_what_is_rendered_is_parsed(size: int) -> None:
    assert pointers.parse(pointers.render(Pointer(OID, size))) == Pointer(OID, size)


@given(st.binary(max_size=1100))
def test_any_bytes_are_judged(data: bytes) -> None:
    pointers.parse(data)
    pointers.is_malformed(data)


@LOCAL
def test_a_push_whose_large_files_are_here_passes(world: World) -> None:
    repo, work, big = world.repo(), world.work(), Big.random()
    client(repo).upload(big)
    work.commit({"model.bin": big.pointer})
    assert work.push(repo.http).returncode == 0


@LOCAL
def test_a_push_without_its_large_files_is_refused(world: World) -> None:
    repo, work, big = world.repo(), world.work(), Big.random()
    work.commit({"a/model.bin": big.pointer})
    work.git("rm", "-q", "a/model.bin")
    work.commit({"b": "1"})
    done = work.push(repo.http)
    assert done.returncode != 0
    said = done.stderr.decode()
    assert f"a/model.bin ({big.oid[:12]}…)" in said
    assert "git lfs push --all" in said
    client(repo).upload(big)
    assert work.push(repo.http).returncode == 0


@LOCAL
def test_a_pointer_alone_never_opens_what_others_hold(world: World) -> None:
    big = Big.random()
    client(world.repo("private")).upload(big)
    repo, work = world.repo(owner="bob"), world.work("bob")
    work.commit({"stolen.bin": big.pointer})
    assert work.push(repo.http).returncode != 0
    assert "error" in client(repo).batch("download", big)[big.oid]


@LOCAL
def test_a_pointer_with_a_wrong_size_is_refused(world: World) -> None:
    repo, work, big = world.repo(), world.work(), Big.random(1000)
    client(repo).upload(big)
    work.commit({"model.bin": big.pointer.replace("size 1000", "size 999")})
    assert "model.bin (says 999 bytes, has 1000)" in work.push(repo.http).stderr.decode()


@LOCAL
def test_a_malformed_pointer_is_refused(world: World) -> None:
    repo, work, big = world.repo(), world.work(), Big.random()
    client(repo).upload(big)
    work.commit({"model.bin": big.pointer.replace("\n", "\r\n")})
    assert "model.bin: these LFS pointers are malformed" in work.push(repo.http).stderr.decode()
