"""Typed settings: declared once here, read from TOML, ``HUBD_…`` variables and the command line.

The table in ``docs/settings.md``, the comments of ``config/hubd.toml`` and ``hubd doctor`` are made
from these declarations.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import msgspec

from hubd.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def _meta(text: str, *, unit: str = "", live: bool = False, ge: int | None = None) -> msgspec.Meta:
    """A setting's declaration; ``live`` ones take effect without a restart."""
    return msgspec.Meta(description=text, ge=ge, extra={"unit": unit, "live": live})


_RATE = re.compile(r"[1-9]\d{0,8}\s*/\s*(?:[1-9]\d{0,5}\s*)?(?:second|minute|hour|day)s?\Z")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of the daemon."""

    # Places
    data_dir: Annotated[str, _meta("Folder for everything the hub keeps.")] = "data"
    database_url: Annotated[
        str,
        _meta("PostgreSQL address (postgresql://user:pw@host/db); empty: SQLite in data_dir."),
    ] = ""
    http_listen: Annotated[
        str, _meta("HOST:PORT or empty for none; port 0 picks one; sockets of systemd win.")
    ] = "127.0.0.1:8080"
    ssh_listen: Annotated[str, _meta("HOST:PORT of the SSH server, as above.")] = "127.0.0.1:2222"
    public_urls: Annotated[
        list[str],
        _meta("Addresses people reach the hub by; the first is canonical.", live=True),
    ] = []
    public_ssh_url: Annotated[
        str, _meta("ssh://git@HOST:PORT as people reach it; empty: made from public_urls.")
    ] = ""
    trusted_proxies: Annotated[
        list[str],
        _meta("Addresses or networks whose X-Forwarded-For and -Proto are believed.", live=True),
    ] = []
    tls_certificate: Annotated[str, _meta("PEM file; with tls_key, HTTP becomes HTTPS.")] = ""
    tls_key: Annotated[str, _meta("PEM file of the certificate's key.")] = ""

    # Logs and life
    log_format: Annotated[str, _meta("json or console.")] = "console"
    log_level: Annotated[str, _meta("debug, info, warning or error.", live=True)] = "info"
    metrics_token: Annotated[
        str, _meta("Bearer token for /metrics; empty: only from loopback addresses.", live=True)
    ] = ""
    shutdown_grace: Annotated[
        int, _meta("How long pushes and clones may finish after SIGTERM.", unit="s", ge=0)
    ] = 30

    # Accounts
    push_to_create: Annotated[
        bool, _meta("A push to an address that does not exist creates it, private.", live=True)
    ] = True
    session_days: Annotated[int, _meta("Life of a browser session.", unit="days", ge=1)] = 30
    password_min_length: Annotated[
        int, _meta("Shortest password.", unit="characters", ge=8, live=True)
    ] = 10
    sign_in_rate: Annotated[
        str, _meta("Failed sign-ins per account and per address.", live=True)
    ] = "20/minute"
    api_rate: Annotated[
        str, _meta("API requests per token, or per address without one.", live=True)
    ] = "1200/minute"

    # Pushes
    blob_limit: Annotated[
        int, _meta("Largest file outside LFS.", unit="bytes", ge=1024, live=True)
    ] = 10 * 1024 * 1024
    push_limit: Annotated[
        int, _meta("Largest pack of one push.", unit="bytes", ge=1024, live=True)
    ] = 20 * 1024**3
    refs_per_push: Annotated[int, _meta("Most refs in one push.", ge=1, live=True)] = 20_000
    push_check_timeout: Annotated[
        int, _meta("Longest the checks of one push may take.", unit="s", ge=1, live=True)
    ] = 600

    # Going out
    webhook_networks: Annotated[
        list[str],
        _meta("Networks of one's own that webhooks may reach, beside public addresses.", live=True),
    ] = []

    # Large files
    blob_store: Annotated[
        str, _meta("Where large files lie: local (below data_dir) or s3 (a bucket).")
    ] = "local"
    blob_key_file: Annotated[
        str,
        _meta(
            "File with 64 hexadecimal digits, by which large files are encrypted on local disk;"
            " empty: not encrypted. Set it before the first upload, and keep a copy elsewhere."
        ),
    ] = ""
    s3_bucket: Annotated[str, _meta("Name of the bucket; it must be there.")] = ""
    s3_prefix: Annotated[str, _meta("What the hub's keys in the bucket begin with.")] = ""
    s3_endpoint: Annotated[
        str, _meta("Address of the store as the hub reaches it; empty: AWS.")
    ] = ""
    s3_public_endpoint: Annotated[
        str, _meta("Address of the store as clients reach it; empty: as the hub does.")
    ] = ""
    s3_region: Annotated[str, _meta("Region that requests are signed for.")] = "us-east-1"
    s3_path_style: Annotated[
        bool, _meta("The bucket is the first part of the path, not of the host name.")
    ] = True
    s3_access_key: Annotated[
        str, _meta("Access key; empty: the credentials of the environment or machine.")
    ] = ""
    s3_secret_key: Annotated[str, _meta("Secret of the access key.")] = ""
    s3_encryption: Annotated[
        str, _meta("Encryption that the store is asked for: empty, AES256 or aws:kms.")
    ] = ""
    s3_kms_key: Annotated[str, _meta("Key for aws:kms; empty: the store's own.")] = ""
    s3_timeout: Annotated[int, _meta("The store may be silent for so long.", unit="s", ge=1)] = 60
    quota_namespace_bytes: Annotated[
        int, _meta("Large files of one namespace; 0: no limit.", unit="bytes", ge=0, live=True)
    ] = 0
    quota_namespace_objects: Annotated[int, _meta("The same, in files.", ge=0, live=True)] = 0
    quota_repo_bytes: Annotated[
        int, _meta("Large files of one repository; 0: no limit.", unit="bytes", ge=0, live=True)
    ] = 0
    quota_repo_objects: Annotated[int, _meta("The same, in files.", ge=0, live=True)] = 0
    parts_above: Annotated[
        int,
        _meta(
            "Objects above this size go in parts, where the client can.",
            unit="bytes",
            ge=0,
            live=True,
        ),
    ] = 128 * 1024 * 1024
    part_size: Annotated[
        int,
        _meta(
            "Size of such a part; more for objects of over 1,000 parts.",
            unit="bytes",
            ge=5 * 1024 * 1024,
            live=True,
        ),
    ] = 32 * 1024 * 1024
    direct_transfers: Annotated[
        bool,
        _meta("LFS clients reach the object store themselves, where there is one.", live=True),
    ] = True
    free_space_floor: Annotated[
        int,
        _meta("Disk that uploads must leave free.", unit="bytes", ge=0, live=True),
    ] = 1024**3

    object_grace: Annotated[
        int, _meta("Unused large files are kept so long.", unit="days", ge=1, live=True)
    ] = 7
    collect_hours: Annotated[
        int, _meta("Time between collections of unused files.", unit="hours", ge=1, live=True)
    ] = 24

    # Fetches and limits
    packs_at_once: Annotated[
        int, _meta("Packs made at the same time; 0: two per processor.", ge=0)
    ] = 0
    packs_per_repo: Annotated[int, _meta("Of these, for one repository.", ge=1)] = 20
    packs_per_user: Annotated[int, _meta("Of these, for one account or address.", ge=1)] = 10
    pushes_at_once: Annotated[int, _meta("Pushes at the same time.", ge=1)] = 16
    downloads_at_once: Annotated[
        int, _meta("Files sent at the same time, but for git's own traffic.", ge=1)
    ] = 1000
    downloads_per_user: Annotated[int, _meta("Of these, to one account or address.", ge=1)] = 500
    queue_length: Annotated[int, _meta("Requests that wait for a place.", ge=0)] = 200
    queue_wait: Annotated[int, _meta("Longest wait for a place.", unit="s", ge=0)] = 60
    pack_cache_limit: Annotated[
        int, _meta("Disk for answers to clones; 0: no cache.", unit="bytes", ge=0)
    ] = 10 * 1024**3
    pack_cache_days: Annotated[int, _meta("Life of an unused answer.", unit="days", ge=1)] = 2
    maintenance_pushes: Annotated[
        int, _meta("Pushes after which a repository is repacked.", ge=1, live=True)
    ] = 20
    git_timeout: Annotated[
        int, _meta("Longest one short git command may take.", unit="s", ge=1)
    ] = 60

    # Connections
    idle_timeout: Annotated[
        int, _meta("A connection that sends or takes nothing is closed.", unit="s", ge=5)
    ] = 60
    ssh_login_timeout: Annotated[int, _meta("Time to sign in over SSH.", unit="s", ge=5)] = 30
    ssh_unauthenticated: Annotated[int, _meta("SSH connections that have not signed in.", ge=1)] = (
        1100
    )
    ssh_per_address: Annotated[int, _meta("SSH connections of one address.", ge=1)] = 2000
    connections: Annotated[int, _meta("Connections of each kind in all.", ge=10)] = 5000

    @property
    def data(self) -> Path:
        """The data directory, absolute."""
        return Path(self.data_dir).absolute()

    @property
    def sqlalchemy_url(self) -> str:
        """The database address in SQLAlchemy's form."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{self.data / 'hubd.db'}"
        return "postgresql+asyncpg://" + self.database_url.split("://", 1)[-1]


SECRET_FIELDS = frozenset({"database_url", "metrics_token", "s3_secret_key"})


class SettingInfo(msgspec.Struct, frozen=True):
    """One row of the settings table."""

    name: str
    type: str
    default: object
    unit: str
    live: bool
    meaning: str


def settings() -> Iterator[SettingInfo]:
    """Every setting, in the order of declaration."""
    hints = get_type_hints(Config, include_extras=True)
    defaults = Config()
    for name in Config.__struct_fields__:
        kind, meta = get_args(hints[name])
        extra: dict[str, Any] = meta.extra or {}
        yield SettingInfo(
            name=name,
            type=getattr(kind, "__name__", str(kind)) if kind is not list[str] else "list",
            default=getattr(defaults, name),
            unit=str(extra["unit"]),
            live=bool(extra["live"]),
            meaning=str(meta.description),
        )


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    kinds = {info.name: info.type for info in settings()}
    for name, kind in kinds.items():
        text = environ.get(f"HUBD_{name.upper()}")
        if text is None:
            continue
        if kind == "list":
            values[name] = [part.strip() for part in text.split(",") if part.strip()]
        elif kind == "bool":
            values[name] = text.strip().lower() in {"1", "true", "yes", "on"}
        else:
            values[name] = text
    return values


def load(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """Read the settings: defaults, then the file, then ``HUBD_…``, then the command line.

    Raises ``Invalid`` with one sentence that names the setting.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values.update(tomllib.loads(file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise Invalid(f"The settings file {file} cannot be read: {error}.") from error
    values.update(_from_environment(os.environ if environ is None else environ))
    values.update({k: v for k, v in (overrides or {}).items() if v is not None})
    try:
        config = msgspec.convert(values, Config, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"A setting is wrong: {error}.") from error
    _validate(config)
    return config


def _validate(config: Config) -> None:
    for name in ("http_listen", "ssh_listen"):
        if getattr(config, name):
            parse_listen(getattr(config, name), name)
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise Invalid("tls_certificate and tls_key are set together or not at all.")
    if config.log_format not in {"json", "console"}:
        raise Invalid("log_format is json or console.")
    if config.log_level not in {"debug", "info", "warning", "error"}:
        raise Invalid("log_level is debug, info, warning or error.")
    for name in ("sign_in_rate", "api_rate"):
        if not _RATE.match(getattr(config, name)):
            raise Invalid(f"{name}: {getattr(config, name)!r} is not of the form 20/minute.")
    _validate_addresses(config)
    _validate_blobs(config)


def _validate_addresses(config: Config) -> None:
    for name in ("trusted_proxies", "webhook_networks"):
        for network in getattr(config, name):
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise Invalid(f"{name}: {network!r} is no address or network.") from None
    if config.public_ssh_url and not config.public_ssh_url.startswith("ssh://"):
        raise Invalid("public_ssh_url is of the form ssh://git@HOST:PORT.")
    for url in config.public_urls:
        if not url.startswith(("http://", "https://")) or url.rstrip("/").count("/") > 2:  # noqa: PLR2004
            raise Invalid(f"public_urls: {url!r} is not of the form https://HOST[:PORT].")


def _validate_blobs(config: Config) -> None:
    if config.blob_store not in {"local", "s3"}:
        raise Invalid("blob_store is local or s3.")
    if config.blob_store == "s3" and not config.s3_bucket:
        raise Invalid("s3_bucket: name the bucket, since blob_store is s3.")
    if config.s3_encryption not in {"", "AES256", "aws:kms"}:
        raise Invalid("s3_encryption is empty, AES256 or aws:kms.")
    if config.s3_kms_key and config.s3_encryption != "aws:kms":
        raise Invalid("s3_kms_key needs s3_encryption aws:kms.")
    if bool(config.s3_access_key) != bool(config.s3_secret_key):
        raise Invalid("s3_access_key and s3_secret_key are set together or not at all.")
    for name in ("s3_endpoint", "s3_public_endpoint"):
        url = getattr(config, name)
        if url and not url.startswith(("http://", "https://")):
            raise Invalid(f"{name}: {url!r} is not of the form https://HOST[:PORT].")


def parse_listen(text: str, name: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[V6]:PORT``; raises ``Invalid``."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004
        raise Invalid(f"{name}: {text!r} is not HOST:PORT.")
    return host.strip("[]"), int(port)


def needs_restart(old: Config, new: Config) -> list[str]:
    """The changed settings that a running daemon cannot take up."""
    return [
        info.name
        for info in settings()
        if not info.live and getattr(old, info.name) != getattr(new, info.name)
    ]


def with_live(old: Config, new: Config) -> Config:
    """The old settings with the new values of those that take effect without a restart."""
    live = {info.name: getattr(new, info.name) for info in settings() if info.live}
    return msgspec.structs.replace(old, **live)
