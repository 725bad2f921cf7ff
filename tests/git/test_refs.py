"""Refs and the answer to ls-refs are what git itself would tell."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.errors import Invalid, Unavailable
from hubd.git.process import Git
from hubd.git.protocol_v2 import V2Request, parse_v2_request, render_ls_refs
from hubd.git.refcache import RefCache
from hubd.git.refs import Refs, read_refs
from hubd.pktline import DELIM, FLUSH, encode
from tests.git.making import Repository


def tag(repo: Repository, name: str, target: str) -> str:
    text = f"object {target}\ntype {repo.git('cat-file', '-t', target)}\ntag {name}\n"
    oid = repo.git("mktag", data=f"{text}tagger A <a@b> 1 +0000\n\nx\n".encode())
    repo.git("update-ref", f"refs/tags/{name}", oid)
    return oid


def full(repo: Repository) -> str:
    tip = repo.commit({"a": b"1"})
    inner = tag(repo, "inner", tip)
    tag(repo, "outer", inner)
    tag(repo, "tree", repo.git("rev-parse", f"{tip}^{{tree}}"))
    for name in (
        "heads/é",
        "heads/a/b",
        "heads/Z",
        "heads/a-b",
        "hubd/x",
        "hubdx",
        "pr/1",
        "tags/v1",
    ):
        repo.git("update-ref", f"refs/{name}", tip)
    return tip


async def by_git(git: Git, repo: Repository, body: bytes) -> bytes:
    child = await git.upload_pack(repo.path, protocol="version=2", stateless=True)
    async with child:
        await child.write(body)
        child.close_stdin()
        out = b""
        while piece := await child.read(65536):
            out += piece
        assert await child.wait() == 0, child.error_text
    return out


def request(repo: Repository, args: list[str]) -> bytes:
    head = encode(b"command=ls-refs\n") + encode(b"agent=git/2.39.5\n")
    head += encode(f"object-format={repo.object_format}".encode())
    return head + DELIM + b"".join(encode(arg.encode() + b"\n") for arg in args) + FLUSH


PREFIXES = [
    [],
    ["ref-prefix HEAD"],
    ["ref-prefix refs/heads/", "ref-prefix refs/tags/"],
    ["ref-prefix refs/heads/a"],
    ["ref-prefix refs/hubd"],
    ["ref-prefix H", "ref-prefix "],
    ["ref-prefix nothing"],
    ["ref-prefix refs/heads/é"],
]


@pytest.mark.parametrize("state", ["full", "packed", "empty", "unborn", "detached"])
async def test_the_answer_to_ls_refs_is_git_s_own(git: Git, repo: Repository, state: str) -> None:
    if state != "empty":
        tip = full(repo)
        if state == "packed":
            repo.git("pack-refs", "--all")
        elif state == "unborn":
            repo.git("symbolic-ref", "HEAD", "refs/heads/not/yet")
        elif state == "detached":
            repo.git("update-ref", "--no-deref", "HEAD", tip)
    refs = await read_refs(git, repo.path)
    for prefixes in PREFIXES:
        for flags in itertools.product([True, False], repeat=3):
            words = [w for w, on in zip(["peel", "symrefs", "unborn"], flags, strict=True) if on]
            body = request(repo, words + prefixes)
            if state == "detached" and not all(flags):
                continue  # one round is enough to see the known difference below
            expected = await by_git(git, repo, body)
            if state == "detached":
                # The hub never detaches HEAD; an odd one is not advertised.
                expected = b"".join(
                    encode(line) for line in lines(expected) if b" HEAD" not in line
                )
                expected += FLUSH
            assert render_ls_refs(refs, parse_v2_request(body)) == expected, (words, prefixes)


def lines(data: bytes) -> list[bytes]:
    from hubd.pktline import packets

    return [packet for packet in packets(data) if packet is not None]


async def test_refs_know_tags_hidden_ones_and_head(git: Git, repo: Repository) -> None:
    tip = full(repo)
    refs = await read_refs(git, repo.path)
    assert refs.head == "refs/heads/main"
    assert refs.head_oid == refs.branch_tip("main") == tip
    # A tag of a tag leads to what the inner one leads to.
    assert refs.names["refs/tags/outer"] == (repo.git("rev-parse", "outer"), tip)
    assert refs.names["refs/tags/tree"][1] == repo.git("rev-parse", f"{tip}^{{tree}}")
    assert "refs/hubd/x" in refs.names
    assert refs.oid_of("refs/heads/é") == tip
    assert refs.oid_of("refs/heads/none") is None
    assert tip in refs.advertised
    listed = repo.git("for-each-ref", "--format=%(refname)").split("\n")
    assert list(refs.names) == listed


async def test_t26_what_only_a_hidden_ref_reaches_is_not_advertised(
    git: Git, repo: Repository
) -> None:
    repo.commit({"a": b"1"})
    hidden = repo.commit({"a": b"2"}, branch="tmp")
    repo.git("update-ref", "refs/hubd/x", hidden)
    repo.git("update-ref", "-d", "refs/heads/tmp")
    assert hidden not in (await read_refs(git, repo.path)).advertised


async def test_ten_thousand_refs(git: Git, repo: Repository) -> None:
    tip = repo.commit({"a": b"1"})
    made = "".join(f"create refs/heads/b{number:05} {tip}\n" for number in range(10_000))
    repo.git("update-ref", "--stdin", data=made.encode())
    repo.git("pack-refs", "--all")
    refs = await read_refs(git, repo.path)
    assert len(refs.names) == 10_001
    body = request(repo, ["peel", "symrefs"])
    assert render_ls_refs(refs, parse_v2_request(body)) == await by_git(git, repo, body)


async def test_names_that_are_not_utf_8_come_through(git: Git, repo: Repository) -> None:
    tip = repo.commit({"a": b"1"})
    repo.git("update-ref", "refs/heads/\udcff", tip)
    refs = await read_refs(git, repo.path)
    assert refs.oid_of("refs/heads/\udcff") == tip
    body = request(repo, ["symrefs"])
    assert render_ls_refs(refs, parse_v2_request(body)) == await by_git(git, repo, body)


async def test_no_repository_is_unavailable(git: Git, repo: Repository) -> None:
    with pytest.raises(Unavailable):
        await read_refs(git, repo.path / "nothing")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        FLUSH,
        b"0003",
        encode(b"ls-refs") + FLUSH,
        encode(b"agent=x") + encode(b"command=ls-refs") + FLUSH,
        encode(b"command=ls-refs")[:-1],
        DELIM + encode(b"command=ls-refs") + FLUSH,
    ],
)
def test_malformed_requests_are_invalid(body: bytes) -> None:
    with pytest.raises(Invalid):
        parse_v2_request(body)


@given(st.binary(max_size=120))
def test_t33_any_request_is_parsed_or_invalid(body: bytes) -> None:
    try:
        found = parse_v2_request(body)
    except Invalid:
        return
    assert isinstance(found, V2Request)


def test_requests_are_parsed() -> None:
    body = encode(b"command=fetch\n") + encode(b"agent=x") + DELIM + encode(b"done\n") + FLUSH
    assert parse_v2_request(body) == V2Request("fetch", ("agent=x",), ("done",))
    assert parse_v2_request(encode(b"command=x") + FLUSH) == V2Request("x", (), ())


def test_many_prefixes_count_as_none_and_answers_are_remembered_a_few_times() -> None:
    refs = Refs({"refs/heads/main": ("1" * 40, "")}, "refs/heads/main")
    many = V2Request("ls-refs", (), ("ref-prefix nothing",) * 65536)
    assert b"refs/heads/main" in render_ls_refs(refs, many)
    for number in range(100):
        render_ls_refs(refs, V2Request("ls-refs", (), (f"ref-prefix {number}",)))
    assert len(refs.rendered) < 20


async def test_the_cache_reads_once_and_again_after_a_change(git: Git, repo: Repository) -> None:
    cache = RefCache(git)
    first = repo.commit({"a": b"1"})
    both = await asyncio.gather(cache.get(repo.path), cache.get(repo.path))
    assert both[0] is both[1]
    second = repo.commit({"a": b"2"})
    assert (await cache.get(repo.path)).branch_tip("main") == first
    with cache.changing(repo.path):
        assert (await cache.get(repo.path)).branch_tip("main") == second
        third = repo.commit({"a": b"3"})
        assert (await cache.get(repo.path)).branch_tip("main") == third
    assert (await cache.get(repo.path)).branch_tip("main") == third
    cache.forget(repo.path)
    assert (await cache.get(repo.path)).branch_tip("main") == third
