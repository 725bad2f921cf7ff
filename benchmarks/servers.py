"""What hubd is measured beside: nginx with git-http-backend, and OpenSSH with git-shell.

Both serve the folder ``repos`` with the git settings that hubd gives its own children, so that the
difference is the server and not the settings. Nothing of the machine's own configuration is used.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from hubd.config import Config
from hubd.git.process import Git

PROGRAMS = {
    "nginx": "nginx-light",
    "fcgiwrap": "fcgiwrap",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
}
# hubd's own, not to be put on others: they concern its hooks and how it names repositories.
_NOT_SHARED = ("core.hookspath", "safe.barerepository")
USER, PASSWORD = "ada", "benchmark"


def program(name: str) -> str:
    """The path of a program; system folders are searched too."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin:/usr/local/sbin"
    return shutil.which(name, path=path) or ""


def missing() -> list[str]:
    """The Debian packages that have to be installed first."""
    return [package for name, package in PROGRAMS.items() if not program(name)]


def write_git_settings(file: Path) -> Path:
    """hubd's settings for ``receive-pack`` (which hold those for ``upload-pack``), as a file."""
    argv = Git(Config(), None).argv(None, "receive-pack")
    for flag, setting in itertools.pairwise(argv):
        name, _, value = setting.partition("=")
        if flag == "-c" and name.lower() not in _NOT_SHARED:
            subprocess.run(["git", "config", "--file", str(file), name, value], check=True)
    more = {"safe.directory": "*", "http.receivepack": "true"}
    for name, value in more.items():
        subprocess.run(["git", "config", "--file", str(file), name, value], check=True)
    return file


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Until a server listens; raises ``TimeoutError``."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


class Server:
    """Processes of our own that end with the block."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def _spawn(self, argv: list[str], env: dict[str, str] | None = None) -> None:
        self._processes.append(
            subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
        )

    def start(self) -> None:
        """Start and wait until it serves."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            # The group: fcgiwrap leaves its own children behind.
            os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


_NGINX = """
daemon off;
worker_processes auto;
{user}
pid {place}/nginx.pid;
error_log {place}/nginx-error.log;
events {{ worker_connections 512; }}
http {{
    access_log {place}/nginx-access.log;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    client_max_body_size 0;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 65;
    map "$uri $arg_service" $realm {{ default off; "~git-receive-pack" hub; }}
    server {{
        listen 127.0.0.1:{port};
        location /large/ {{
            alias {place}/large/;
        }}
        location / {{
            auth_basic $realm;
            auth_basic_user_file {place}/users;
            {fastcgi}
        }}
    }}
}}
"""
_FASTCGI = """
            fastcgi_pass unix:{door};
            fastcgi_param SCRIPT_FILENAME {backend};
            fastcgi_param GIT_PROJECT_ROOT {repos};
            fastcgi_param GIT_HTTP_EXPORT_ALL 1;
            fastcgi_param GIT_CONFIG_GLOBAL {settings};
            fastcgi_param GIT_CONFIG_NOSYSTEM 1;
            fastcgi_param PATH_INFO $uri;
            fastcgi_param QUERY_STRING $args;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param REMOTE_USER $remote_user;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
            fastcgi_read_timeout 600;
"""


class Nginx(Server):
    """nginx, fcgiwrap and git-http-backend; reading is open, pushing asks for a password."""

    def __init__(self, place: Path, repos: Path, settings: Path, workers: int = 16) -> None:
        super().__init__()
        self._place, self._repos, self._settings = place, repos, settings
        self._workers = workers
        self._short = tempfile.TemporaryDirectory(prefix="hubd-fcgi-")
        self.port = free_port()

    @property
    def url(self) -> str:
        """The address below which the repositories lie."""
        return f"http://127.0.0.1:{self.port}"

    def serve_file(self, file: Path) -> str:
        """The address at which a file is sent as it is."""
        folder = self._place / "large"
        folder.mkdir(exist_ok=True)
        (folder / file.name).unlink(missing_ok=True)
        (folder / file.name).hardlink_to(file)
        return f"{self.url}/large/{file.name}"

    @property
    def push_url(self) -> str:
        """The same, with the password."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._short.cleanup()

    def start(self) -> None:
        """Write the configuration, start both programs."""
        self._place.mkdir(parents=True)
        exec_path = subprocess.run(["git", "--exec-path"], check=True, capture_output=True)
        backend = Path(exec_path.stdout.decode().strip()) / "git-http-backend"
        (self._place / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        # Not in our place: that may lie deeper than the 108 bytes a socket's path may have.
        door = Path(self._short.name) / "fcgi.sock"
        fastcgi = _FASTCGI.format(
            door=door,
            backend=backend,
            repos=self._repos,
            settings=self._settings,
        )
        root = os.geteuid() == 0
        text = _NGINX.format(
            place=self._place,
            port=self.port,
            fastcgi=fastcgi.strip(),
            user=f"user {pwd.getpwuid(0).pw_name};" if root else "",
        )
        file = self._place / "nginx.conf"
        file.write_text(text)
        wrap = [
            program("fcgiwrap"),
            "-c",
            str(self._workers),
            "-s",
            f"unix:{door}",
        ]
        self._spawn(wrap, env={"PATH": "/usr/bin:/bin", "HOME": str(self._place)})
        self._spawn([program("nginx"), "-c", str(file), "-p", str(self._place)])
        wait_for_port(self.port)


_SSHD = """
ListenAddress 127.0.0.1:{port}
HostKey {place}/host_key
AuthorizedKeysFile {place}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UseDNS no
PrintMotd no
PrintLastLog no
AllowTcpForwarding no
X11Forwarding no
PermitTTY no
MaxStartups 100
LogLevel ERROR
AcceptEnv GIT_PROTOCOL
SetEnv GIT_CONFIG_GLOBAL={settings} GIT_CONFIG_NOSYSTEM=1
ForceCommand git-shell -c "$SSH_ORIGINAL_COMMAND"
"""


class OpenSsh(Server):
    """sshd and git-shell, for the user that runs the benchmark."""

    def __init__(self, place: Path, settings: Path, public_key: Path) -> None:
        super().__init__()
        self._place, self._settings, self._public_key = place, settings, public_key
        self.port = free_port()
        self.user = pwd.getpwuid(os.geteuid()).pw_name

    def start(self) -> None:
        """Make a host key, write the configuration, start sshd."""
        self._place.mkdir(parents=True)
        key = str(self._place / "host_key")
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]
        subprocess.run(keygen, check=True)
        (self._place / "authorized_keys").write_bytes(self._public_key.read_bytes())
        file = self._place / "sshd_config"
        file.write_text(_SSHD.format(place=self._place, port=self.port, settings=self._settings))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._spawn([program("sshd"), "-D", "-e", "-f", str(file)])
        wait_for_port(self.port)
