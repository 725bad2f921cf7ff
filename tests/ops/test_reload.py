"""What a running daemon takes up without a restart: settings and certificates."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.gitkit import until
from tests.hubkit import World
from tests.hubproc import Hub
from tests.ops.proxies import make_certificate


def _refuses(world: World) -> Callable[[], bool]:
    """Whether a file of 20,000 bytes is too large now."""

    def refused() -> bool:
        work = world.work()
        work.commit({"f": b"x" * 20_000})
        return work.push(world.repo().http).returncode != 0

    return refused


def test_a_changed_file_is_taken_up_and_a_bad_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "hubd.toml"
    file.write_text("blob_limit = 10000\n")
    with Hub(tmp_path / "data", env={"HUBD_CONFIG": str(file)}, shutdown_grace=2) as hub:
        world = World.populate(hub, tmp_path)
        refused = _refuses(world)
        assert refused()
        file.write_text("blob_limit = 50000\nidle_timeout = 33\n")
        until(lambda: "settings.reloaded" in hub.log())
        assert "idle_timeout" in hub.log().partition("settings.reloaded")[2].partition("\n")[0]
        assert not refused()
        for number, bad in enumerate(("blob_limit = 1\n", "no_such = 1\n", "blob_limit = [\n"), 1):
            file.write_text(bad)
            until(lambda n=number: hub.log().count("settings.refused") >= n)  # type: ignore[misc]
            assert not refused()
        # Editors write aside and rename.
        fresh = tmp_path / "hubd.toml.new"
        fresh.write_text("blob_limit = 10000\n")
        fresh.rename(file)
        until(lambda: hub.log().count("settings.reloaded") >= 2)
        assert refused()


def _served_certificate(hub: Hub) -> str:
    """What the hub shows a client now, in PEM."""
    split = urlsplit(hub.http)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((str(split.hostname), split.port), 20) as bare,
        context.wrap_socket(bare) as wrapped,
    ):
        der = wrapped.getpeercert(binary_form=True)
    assert der is not None
    return ssl.DER_cert_to_PEM_cert(der)


def test_a_renewed_certificate_is_shown_and_a_bad_one_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate, key = folder / "cert.pem", folder / "key.pem"
    make_certificate(certificate, key, "localhost")
    first = certificate.read_text()
    settings: dict[str, Any] = {"tls_certificate": str(certificate), "tls_key": str(key)}
    with Hub(tmp_path / "data", shutdown_grace=2, **settings) as hub:
        assert hub.http.startswith("https://")
        assert _served_certificate(hub) == first
        certificate.write_text("no certificate\n")
        until(lambda: "tls.reload_failed" in hub.log())
        assert _served_certificate(hub) == first
        # One that is sound, but not this key's.
        make_certificate(certificate, folder / "other.pem", "localhost")
        until(lambda: hub.log().count("tls.reload_failed") >= 2)
        assert _served_certificate(hub) == first
        make_certificate(certificate, key, "localhost")
        second = certificate.read_text()
        until(lambda: _served_certificate(hub) == second)
