"""The samples of config/ in front of a hub: only names, ports and files differ from what ships."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import free_port
from tests.hubproc import ROOT

HOST = "hub.example.org"
NAMES = ("nginx", "caddy")


def program(name: str) -> str | None:
    """Where a server lies; Debian keeps some out of an ordinary PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@dataclass(frozen=True)
class Proxy:
    """A proxy with a certificate of its own making."""

    port: int
    certificate: Path

    @property
    def url(self) -> str:
        """Its address by the name in the certificate."""
        return f"https://{HOST}:{self.port}"

    def curl(self, path: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        """One request that really goes to the proxy."""
        return subprocess.run(
            [
                "curl",
                "-sS",
                "--cacert",
                str(self.certificate),
                "--resolve",
                f"{HOST}:{self.port}:127.0.0.1",
                "--max-time",
                "60",
                *options,
                self.url + path,
            ],
            capture_output=True,
            check=False,
        )

    @property
    def git_settings(self) -> tuple[str, ...]:
        """For a git client that is to find the proxy and to trust it."""
        return (
            "-c",
            f"http.curloptResolve={HOST}:{self.port}:127.0.0.1",
            "-c",
            f"http.sslCAInfo={self.certificate}",
        )


@contextmanager
def running(name: str, folder: Path, upstream: str, port: int) -> Iterator[Proxy]:
    """The sample of this name in front of ``upstream``, a ``HOST:PORT``."""
    folder.mkdir(parents=True)
    certificate, key = folder / "cert.pem", folder / "key.pem"
    make_certificate(certificate, key, HOST)
    # In a short folder of its own, that the unprivileged workers may enter.
    place = Path(tempfile.mkdtemp(prefix="hubd-proxy-"))
    place.chmod(0o755)
    write = {"nginx": _nginx, "caddy": _caddy}[name]
    argv = write(place, upstream, port, certificate, key)
    log = (folder / "log").open("wb")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(place), "XDG_DATA_HOME": str(place)}
    process = subprocess.Popen(argv, stdout=log, stderr=log, env=env)
    proxy = Proxy(port, certificate)
    try:
        deadline = time.monotonic() + 30
        while proxy.curl("/").returncode == 7:  # Nobody listens yet.
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((folder / "log").read_text())
            time.sleep(0.05)
        yield proxy
    finally:
        process.terminate()
        process.wait(20)
        log.close()
        shutil.rmtree(place, ignore_errors=True)


def make_certificate(certificate: Path, key: Path, host: str) -> None:
    """A self-signed pair."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={host}",
        "-addext",
        f"subjectAltName=DNS:{host}",
    ]
    argv += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True)


def _replaced(text: str, pairs: dict[str, str]) -> str:
    for old, new in pairs.items():
        assert old in text, f"the sample has no {old!r} any more"
        text = text.replace(old, new)
    return text


def _nginx(place: Path, upstream: str, port: int, certificate: Path, key: Path) -> list[str]:
    sample = _replaced(
        (ROOT / "config/nginx.conf").read_text(),
        {
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen [::]:80;": "",
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "listen [::]:443 ssl http2;": "",
            "server 127.0.0.1:8080;": f"server {upstream};",
            "/etc/ssl/hub.example.org/fullchain.pem": str(certificate),
            "/etc/ssl/hub.example.org/privkey.pem": str(key),
        },
    )
    (place / "sample.conf").write_text(sample)
    temporary = "".join(
        f"{kind}_temp_path {place}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"daemon off; pid {place}/pid; error_log stderr; worker_processes 1;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}include {place}/sample.conf;\n}}\n"
    )
    return [str(program("nginx")), "-p", str(place), "-c", str(place / "nginx.conf")]


def _caddy(place: Path, upstream: str, port: int, certificate: Path, key: Path) -> list[str]:
    sample = _replaced(
        (ROOT / "config/Caddyfile").read_text(),
        {
            "\nhub.example.org {": f"\nhttps://{HOST}:{port} {{\n\tbind 127.0.0.1\n"
            f"\ttls {certificate} {key}",
            "127.0.0.1:8080": upstream,
        },
    )
    options = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\thttp_port {free_port()}\n}}\n"
    (place / "Caddyfile").write_text(options + sample)
    caddy = str(program("caddy"))
    return [caddy, "run", "--adapter", "caddyfile", "--config", str(place / "Caddyfile")]
