"""A browser as bytes: forms with their tokens, cookies, no scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.apiclient import Api, Reply
from tests.hubkit import World

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Browser:
    """A signed-in browser, as bytes."""

    world: World
    cookie: str

    def get(self, path: str, **headers: str) -> Reply:
        """A page."""
        api = Api(self.world.hub.http)
        return api.send("GET", path, headers={"Cookie": self.cookie, **headers})

    def post(self, path: str, form: dict[str, str], **headers: str) -> Reply:
        """A form as a browser sends it, from our own origin unless told otherwise."""
        sent = {
            "Cookie": self.cookie,
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self.world.hub.http,
            **headers,
        }
        data = urlencode(form).encode()
        return Api(self.world.hub.http).send("POST", path, data=data, headers=sent)


def cookies(reply: Reply) -> str:
    """What a browser would keep."""
    return "; ".join(c.partition(";")[0] for c in reply.headers.get_all("Set-Cookie", []))


def hidden(page: Reply) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.body.decode()))


def sign_in(world: World, user: str = "ada", **more: str) -> Reply:
    """What the sign-in form answers to the right password."""
    nobody = Browser(world, "")
    page = nobody.get("/-/login")
    form = {**hidden(page), "name": user, "password": PASSWORD, **more}
    return Browser(world, cookies(page)).post("/-/login", form)


def signed_in(world: World, user: str = "ada") -> Browser:
    """Somebody's browser; his password is set first."""
    world.hub.admin("user", "passwd", user, "--password-stdin", stdin=PASSWORD + "\n")
    return Browser(world, cookies(sign_in(world, user)))
