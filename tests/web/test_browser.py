"""A real Chromium walks through the pages: nothing is blocked, broken or wider than the screen."""

from __future__ import annotations

import base64
import json
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.apiclient import Api
from tests.gitkit import until
from tests.hubkit import Repo, World
from tests.hubproc import Hub
from tests.lfskit import Big, client
from tests.modelkit import safetensors
from tests.web.formkit import sound

CHROMIUM = shutil.which("chromium")
PASSWORD = "correct horse battery"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENS = {"wide light": (1280, "light"), "narrow dark": (360, "dark")}

# A folder for pictures of every page, to look at.
SHOTS = os.environ.get("HUBD_SHOTS", "")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def _png() -> bytes:
    """A picture of one red dot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


README = """---
license: apache-2.0
tags: [vision]
---
# Varied

![dot](img/dot.png) <b>bold</b> <script>window.evil = 1</script><img src="img/dot.png" onload="window.evil = 1">

| a | b | a long column that goes on and on and on and on |
|---|---|---|
| 1 | 2 | 3 |

```python
def hello() -> str:
    return "a line of code that is much longer than any narrow screen could ever show at once"
```
"""


def _notebook() -> str:
    picture = base64.b64encode(_png()).decode()
    outputs = [
        {"output_type": "stream", "text": "a long line " * 40},
        {"output_type": "display_data", "data": {"image/png": picture}},
        {"output_type": "display_data", "data": {"text/html": "<script>evil = 1</script>"}},
    ]
    cells = [
        {"cell_type": "markdown", "source": "# A study\n\n<script>evil = 1</script>\n\n- *one*"},
        {"cell_type": "code", "source": "print('a')", "execution_count": 1, "outputs": outputs},
    ]
    return json.dumps({"nbformat": 4, "cells": cells})


def _content(big: Big) -> dict[str, str | bytes]:
    return {
        "README.md": README,
        "img/dot.png": _png(),
        "model.bin": big.pointer,
        "random.dat": os.urandom(5000),
        "empty.txt": "",
        "latin1.txt": b"caf\xe9\n" * 10,
        "large.txt": "a line\n" * 400_000,
        "src/code.py": "import os\n\n\nclass A:\n    pass\n",
        "a" * 120 + ".txt": "long name\n",
        "dir/ünïcödé 文件.txt": "names\n",
        "net.safetensors": safetensors(
            {f"model.layers.{n}.{part}.weight": ("F32", [8, 4]) for n in range(30) for part in "ab"}
        ),
        "book.ipynb": _notebook(),
        "tone.wav": sound(32_000),
        "page.html": "<script>document.body.innerHTML = 'evil'</script>",
        **{f"many/{number:04d}.txt": f"{number}\n" for number in range(300)},
    }


@dataclass
class Walk:
    """A browser window and everything it complained about."""

    page: Page
    hub: str
    said: list[str] = field(default_factory=list)

    def go(self, path: str, status: int = 200) -> Page:
        """Open a page that must not be wider than the window."""
        answer = self.page.goto(self.hub + path)
        assert answer is not None
        assert answer.status == status, path
        self.check(path)
        if SHOTS:
            name = "".join(c if c.isalnum() else "-" for c in path)[-60:]
            width = self.page.evaluate("innerWidth")
            self.page.screenshot(path=Path(SHOTS) / f"{width}{name}.png")
        return self.page

    def check(self, path: str) -> None:
        """Nothing to scroll sideways, no complaint."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"
        assert self.page.evaluate("window.evil === undefined"), path
        assert self.said == [], path


@dataclass(frozen=True)
class Site:
    """A hub with a repository of everything."""

    world: World
    repo: Repo


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("browser")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        world = World.populate(hub, folder)
        hub.admin("user", "passwd", "ada", "--password-stdin", stdin=PASSWORD + "\n")
        repo, work, big = world.repo(), world.work(), Big.random(50_000)
        client(repo).upload(big)
        work.commit(_content(big))
        (work.path / "link").symlink_to("src/code.py")
        work.commit({"src/code.py": "import sys\n"})
        assert work.push(repo.http).returncode == 0
        yield Site(world, repo)


@pytest.fixture(params=SCREENS)
def walk(request: pytest.FixtureRequest, site: Site) -> Iterator[Walk]:
    width, scheme = SCREENS[request.param]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 800},
        )
        page = context.new_page()
        made = Walk(page, site.world.hub.http)
        page.on("console", lambda message: made.said.append(message.text))
        page.on("pageerror", lambda error: made.said.append(str(error)))
        yield made
        browser.close()


def _sign_in(walk: Walk, user: str = "ada") -> None:
    page = walk.go("/-/login")
    page.fill("[name=name]", user)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url(lambda url: "/-/login" not in url)


def test_a_person_makes_a_repository(walk: Walk) -> None:
    _sign_in(walk)
    page = walk.go("/-/new")
    name = f"made{walk.page.evaluate('innerWidth')}"
    page.fill("[name=name]", name)
    page.click("main form button")
    page.wait_for_url(f"**/ada/{name}")
    walk.check("new repository")
    assert "git push" in page.inner_text("main")
    walk.go(f"/ada/{name}/settings")
    walk.go("/-/account/tokens")
    walk.go("/-/account/keys")
    page = walk.go("/")
    page.click("summary[aria-label='Your account']")
    page.click("text=Sign out")
    page.wait_for_load_state()
    page.goto(walk.hub + "/-/account/tokens")
    assert "/-/login" in page.url


def test_storage_is_shown_and_limited(walk: Walk, site: Site) -> None:
    hub = site.world.hub
    hub.admin("quota", "set", "ada", "--bytes", "60K", "--objects", "none")
    _sign_in(walk)
    page = walk.go("/-/account/storage")
    told = page.inner_text("main")
    assert "50 kB" in told
    assert "of 60 kB" in told
    assert "by ada" in told
    walk.go(f"/{site.repo.path}/settings")
    page.fill("#storage [name=bytes]", "55K")
    page.click("#storage button.primary")
    page.wait_for_url("**/settings?done=saved#storage")
    walk.check("limits")
    assert "of 55 kB" in page.inner_text("#storage")
    page.fill("#storage [name=bytes]", "61K")
    page.click("#storage button.primary")
    page.wait_for_selector("#storage [role=alert]")
    assert "at most 60000 bytes" in page.inner_text("#storage")
    walk.said.clear()  # the browser names the status of the refusal
    page.click("text=Use the defaults of this hub")
    page.wait_for_url("**/settings?done=saved#storage")
    assert "no limit" in page.inner_text("#storage")
    name = f"guild{walk.page.evaluate('innerWidth')}"
    hub.admin("org", "add", name, "--owner", "ada")
    assert "No large file yet" in walk.go(f"/-/organizations/{name}").inner_text("#storage")


class _App(BaseHTTPRequestHandler):
    """Where an app waits for the answer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        # Or the browser asks for an icon, perhaps when the app is gone.
        self.wfile.write(b'<link rel="icon" href="data:,">let in')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_an_app_and_a_device_are_let_in(walk: Walk, site: Site) -> None:
    hub = site.world.hub
    ada = Api(hub.http, hub.token("ada", "admin"))
    body = {"name": "App", "redirect_uris": ["http://127.0.0.1/back"], "public": True}
    client_id = ada.post("/namespaces/ada/apps", body).json["app"]["client_id"]
    _sign_in(walk)
    with ThreadingHTTPServer(("127.0.0.1", 0), _App) as app:
        Thread(target=app.serve_forever, daemon=True).start()
        back = f"http://127.0.0.1:{app.server_port}/back"
        asks = {"client_id": client_id, "redirect_uri": back, "response_type": "code"}
        pkce = {"code_challenge": "x" * 43, "code_challenge_method": "S256", "state": "s"}
        page = walk.go("/oauth/authorize?" + urlencode({**asks, **pkce}))
        page.click("button[value=allow]")
        page.wait_for_url(f"{back}?code=*")
        assert page.inner_text("body") == "let in"
        app.shutdown()
    form = urlencode({"client_id": "26be6b09-91c5-47da-9861-d2d2bb7a7e36"}).encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    waiting = Api(hub.http).send("POST", "/oauth/device", data=form, headers=sent).json
    page = walk.go("/-/device")
    page.fill("[name=user_code]", waiting["user_code"].lower())
    page.click("main button")
    page.click("button[value=allow]")
    page.wait_for_url("**/-/device?done=device-in")
    walk.check("device")
    assert "App" in walk.go("/-/account/apps").inner_text("main")


CARD = """---
extra_gated_prompt: Read the terms of this model with care before you ask.
extra_gated_fields:
  What do you want to do with it, and where: text
  Country: {type: select, options: [Here, Elsewhere]}
  I agree to the terms of this model: checkbox
---
# Gated
"""


def test_a_reader_asks_for_files_and_the_owner_answers(walk: Walk, site: Site) -> None:
    world = site.world
    world.hub.admin("user", "passwd", "bob", "--password-stdin", stdin=PASSWORD + "\n")
    page, work = walk.page, world.work()
    name = f"ada/gated{page.evaluate('innerWidth')}"
    world.hub.admin("repo", "add", "model", name, "--public")
    work.commit({"README.md": CARD, "secret.txt": "the secret"})
    assert work.push(world.http(name)).returncode == 0
    home = f"/{name}"
    _sign_in(walk)
    walk.go(f"{home}/settings")
    page.select_option("#access select", "manual")
    page.click("#access button.primary")
    page.wait_for_url("**/settings?done=saved#access")
    page.context.clear_cookies()
    _sign_in(walk, "bob")
    walk.go(home)
    page.click("text=Ask for access")
    page.wait_for_url("**/ask-access")
    walk.check("ask")
    page.fill("main input:not([type=hidden]):not([type=checkbox])", "Science")
    page.select_option("main select", "Elsewhere")
    page.check("main [type=checkbox]")
    page.click("main button.primary")
    page.wait_for_url(f"**{home}?done=saved")
    assert "Your request is pending" in page.inner_text("body")
    page.context.clear_cookies()
    _sign_in(walk)
    walk.go(f"{home}/settings")
    assert "Science" in page.inner_text("#access")
    page.click("#access button:has-text('Accept')")
    page.wait_for_url("**/settings?done=saved#access")
    walk.check("answered")
    page.context.clear_cookies()
    _sign_in(walk, "bob")
    assert "the secret" in walk.go(f"{home}/blob/main/secret.txt").inner_text("main")
    walk.go(f"{home}/duplicate")
    page.fill("[name=name]", f"copy{page.evaluate('innerWidth')}")
    page.click("main form button")
    page.wait_for_url("**/bob/copy*")
    walk.check("copy")


def test_every_kind_of_file_has_a_fitting_page(walk: Walk, site: Site) -> None:
    home = f"/{site.repo.path}"
    page = walk.go(home)
    assert page.inner_text("article h1") == "Varied"
    # Its own waiting evaluates text in the page, which the page's policy forbids.
    until(lambda: page.evaluate("document.querySelector('article img').naturalWidth") == 1)
    for path in _content(Big(b"")):
        if not path.startswith("many/"):
            walk.go(f"{home}/blob/main/{path}")
    assert "50" in walk.go(f"{home}/blob/main/model.bin").inner_text("main")
    assert "class A" not in walk.go(f"{home}/blob/main/src/code.py").inner_text("main")
    walk.go(f"{home}/blame/main/src/code.py")
    walk.go(f"{home}/blob/main/tone.wav")
    until(lambda: page.evaluate("document.querySelector('audio').duration") == 2)
    walk.go(f"{home}/tree/main")
    assert "0000.txt" in walk.go(f"{home}/tree/main/many").inner_text("main")
    walk.go(f"{home}/commits/main")
    walk.go(f"{home}/branches")
    walk.go("/api/hub/v1/docs")
    missing = page.goto(walk.hub + f"{home}/blob/main/none")
    assert missing is not None
    assert missing.status == 404


def test_a_change_is_uploaded_discussed_and_merged(walk: Walk, site: Site) -> None:
    _sign_in(walk)
    page = walk.go("/-/new")
    home = f"/ada/story{page.evaluate('innerWidth')}"
    page.fill("[name=name]", home.rpartition("/")[2])
    page.check("[name=visibility][value=public]")
    page.click("main form button")
    page.wait_for_url(f"**{home}")
    page.click("text=Upload files")
    files = [
        {"name": name, "mimeType": "text/plain", "buffer": data}
        for name, data in (("README.md", b"# Card\n"), ("model.bin", os.urandom(2_000)))
    ]
    page.set_input_files("[name=files]", files)  # type: ignore[arg-type]
    walk.check("upload")
    page.click("main form button")
    page.wait_for_url(f"**{home}/tree/main")
    assert "model.bin" in page.inner_text("main")
    walk.go(f"{home}/upload/main")
    walk.go(f"{home}/new/main/docs")
    walk.go(f"{home}/delete/main/model.bin")
    walk.go(f"{home}/edit/main/README.md")
    page.fill("[name=text]", "# A better card\n")
    page.fill("[name=message]", "Better words")
    page.check("[value=pull]")
    page.click("main form button")
    page.wait_for_url(f"**{home}/discussions/1")
    walk.go(f"{home}/discussions/1/changes")
    page.click("[aria-label='Comment on new line 1']")
    page.fill("#f-line", "Better **than** before?")
    walk.check("the form below a line")
    page.click("#write [value=comment]")
    page.wait_for_selector("tr.remark .prose strong")
    walk.go(f"{home}/discussions/1/changes")
    walk.go(f"{home}/discussions/1")
    page.fill("#f-body", "**Looks good**, says `ada`.")
    page.click("[value=comment]")
    page.wait_for_selector(".prose strong")
    walk.go(f"{home}/discussions")
    walk.go(f"{home}/discussions/new?pull=1")
    walk.go(f"{home}/compare?base=main&head=refs/pr/1")
    walk.go(f"{home}/branches")
    walk.go(f"{home}/discussions/1")
    page.click("#merge button")
    page.wait_for_selector(".is-merged")
    walk.go(f"{home}/discussions/1")
    work = site.world.work()
    work.git("pull", "-q", site.world.hub.git_url(home[1:]), "main")
    assert (work.path / "README.md").read_text() == "# A better card\n"
