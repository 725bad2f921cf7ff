"""A browser without scripts: it keeps its cookies, fills forms in and follows redirects."""

from __future__ import annotations

import http.client
import io
import re
import secrets
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from tests.apiclient import Api
from tests.hubkit import World

PASSWORD = "correct horse battery"
_TOKEN = re.compile(r'name="csrf" value="([^"]*)"')


@dataclass(frozen=True)
class Seen:
    """A page that was shown, and where it lay."""

    status: int
    path: str
    text: str
    headers: http.client.HTTPMessage

    @property
    def main(self) -> str:
        """The part of the page below its head."""
        return self.text[self.text.index("<main") : self.text.index("</main>")]


@dataclass(frozen=True)
class Browser:
    """Signed in, unless the cookie is empty."""

    world: World
    cookie: str

    def get(self, path: str) -> Seen:
        """A page, after redirects."""
        return self._go("GET", path, None, {})

    def submit(
        self, path: str, form: Mapping[str, str], files: Mapping[str, bytes] | None = None
    ) -> Seen:
        """Send a form of ours, with ``files`` as multipart; the page that it leads to."""
        fields = {"csrf": self.csrf(), **form}
        if files is None:
            kind, data = "application/x-www-form-urlencoded", urlencode(fields).encode()
        else:
            kind, data = _multipart(fields, files)
        return self._go("POST", path, data, {"Content-Type": kind, "Origin": self.world.hub.http})

    def csrf(self) -> str:
        """The hidden field that forms of this session have."""
        found = _TOKEN.search(self.get("/").text)
        assert found is not None
        return found[1]

    def _go(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Seen:
        sent = {"Cookie": self.cookie, **headers}
        reply = Api(self.world.hub.http).send(method, path, data=data, headers=sent)
        if reply.status in {301, 302, 303}:
            target = reply.headers["Location"].partition("#")[0]
            return self._go("GET", target, None, {})
        return Seen(reply.status, urlsplit(path).path, reply.body.decode(), reply.headers)


def _multipart(fields: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[str, bytes]:
    mark = secrets.token_hex(16)
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, data in files.items():
        head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"'
        parts.append(f"{head}\r\nContent-Type: application/octet-stream\r\n\r\n".encode() + data)
        parts.append(b"\r\n")
    return f"multipart/form-data; boundary={mark}", b"".join(parts) + f"--{mark}--\r\n".encode()


def sign_in(world: World, name: str) -> Browser:
    """This person, by the sign-in form."""
    world.hub.admin("user", "passwd", name, "--password-stdin", stdin=PASSWORD + "\n")
    api = Api(world.hub.http)
    page = api.send("GET", "/-/login")
    cookie = _cookies(page.headers)
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.body.decode()))
    form = urlencode({**hidden, "name": name, "password": PASSWORD}, quote_via=quote).encode()
    headers = {
        "Cookie": cookie,
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": world.hub.http,
    }
    reply = api.send("POST", "/-/login", data=form, headers=headers)
    assert reply.status == 303, reply.body
    return Browser(world, _cookies(reply.headers))


def _cookies(headers: http.client.HTTPMessage) -> str:
    return "; ".join(c.partition(";")[0] for c in headers.get_all("Set-Cookie", []))


def sound(size: int) -> bytes:
    """A WAV file of silence, of so many bytes after its head."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(size))
    return file.getvalue()
