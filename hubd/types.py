"""Parsed values: strings from outside stop at the edge and become one of these, or ``Invalid``.

Everything here is frozen and imports nothing of hubd but ``errors`` and ``names``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hubd.errors import Invalid
from hubd.names import check_name, is_oid, path_fault, ref_name_fault

ZERO_OID_SHA1 = "0" * 40
ZERO_OID_SHA256 = "0" * 64

_SHORT_HEX = re.compile(r"[0-9a-f]{7,64}\Z")


class RepoType(enum.StrEnum):
    """What a repository holds; it decides the address, not the rules."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"
    CODE = "code"

    @property
    def url_prefix(self) -> str:
        """The first part of the web and Git address: empty for models."""
        return "" if self is RepoType.MODEL else f"{self.value}s/"


class Visibility(enum.StrEnum):
    """Who may read: anybody, anybody signed in, or those with a role."""

    PUBLIC = "public"
    INTERNAL = "internal"
    PRIVATE = "private"


class Gate(enum.StrEnum):
    """Whether who may see a repository must ask for its files, and who answers."""

    OFF = "off"
    AUTO = "auto"
    MANUAL = "manual"


class RequestState(enum.StrEnum):
    """Where somebody's request for the files of a gated repository stands."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Role(enum.IntEnum):
    """What an account may do in a namespace or repository; a higher role includes the lower."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3

    @classmethod
    def parse(cls, text: str) -> Role:
        """``read``, ``write`` or ``admin``."""
        return cls[_level_name(text, "role")]

    @property
    def label(self) -> str:
        """The lower-case word for APIs and pages."""
        return self.name.lower()


class Scope(enum.IntEnum):
    """What a token lets its owner do at most."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @classmethod
    def parse(cls, text: str) -> Scope:
        """``read``, ``write`` or ``admin``."""
        return cls[_level_name(text, "scope")]

    @property
    def label(self) -> str:
        """The lower-case word for APIs and pages."""
        return self.name.lower()


def _level_name(text: str, what: str) -> str:
    if text not in {"read", "write", "admin"}:
        raise Invalid(f"The {what} must be read, write or admin.")
    return text.upper()


class Channel(enum.StrEnum):
    """The door a request came through; recorded, and a column of the permission matrix."""

    WEB = "web"
    API = "api"
    HTTP = "http"
    SSH = "ssh"
    SYSTEM = "system"


class ActorKind(enum.StrEnum):
    """What stands behind a request."""

    ANONYMOUS = "anonymous"
    USER = "user"
    DEPLOY_KEY = "deploy_key"
    RUNNER = "runner"
    SYSTEM = "system"


class HubAction(enum.StrEnum):
    """What is done to the hub as a whole; never mixed with what is done to a repository."""

    SEE_METRICS = "see_metrics"
    MANAGE_USERS = "manage_users"
    MANAGE_OWN_ACCOUNT = "manage_own_account"
    CREATE_ORG = "create_org"
    READ_AUDIT = "read_audit"
    MANAGE_STORAGE = "manage_storage"
    MANAGE_WEBHOOKS = "manage_webhooks"
    FOLLOW = "follow"


class NamespaceAction(enum.StrEnum):
    """What is done to a user's or organization's namespace."""

    READ = "read"
    CREATE_REPO = "create_repo"
    SEE_USAGE = "see_usage"
    SEE_TRASH = "see_trash"
    RESTORE_REPO = "restore_repo"
    SEE_PRIVATE = "see_private"
    MANAGE_COLLECTIONS = "manage_collections"
    MANAGE_MEMBERS = "manage_members"
    SET_REPO_QUOTAS = "set_repo_quotas"
    MANAGE_APPS = "manage_apps"
    RENAME = "rename"
    DELETE = "delete"


class RepoAction(enum.StrEnum):
    """What is done to one repository."""

    READ = "read"
    FETCH = "fetch"
    PUSH = "push"
    UPLOAD = "upload"
    ASK_ACCESS = "ask_access"
    ANSWER_REQUESTS = "answer_requests"
    DISCUSS = "discuss"
    MODERATE = "moderate"
    MANAGE_SETTINGS = "manage_settings"
    MANAGE_ACCESS = "manage_access"
    CHANGE_VISIBILITY = "change_visibility"
    RENAME = "rename"
    TRANSFER = "transfer"
    ARCHIVE = "archive"
    DELETE = "delete"
    MAINTAIN = "maintain"
    BREAK_LOCKS = "break_locks"
    REMOVE_OBJECTS = "remove_objects"
    RUN_SPACE = "run_space"


Action = HubAction | NamespaceAction | RepoAction


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """Where a token works; both empty means everywhere its owner may go. Ids, not names."""

    namespace_ids: frozenset[int] = frozenset()
    repo_ids: frozenset[int] = frozenset()

    def admits(self, namespace_id: int, repo_id: int | None) -> bool:
        """Whether a token with these limits may be used there."""
        if not self.namespace_ids and not self.repo_ids:
            return True
        return namespace_id in self.namespace_ids or (
            repo_id is not None and repo_id in self.repo_ids
        )


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, by which credential, through which door."""

    kind: ActorKind = ActorKind.ANONYMOUS
    user_id: int | None = None
    name: str = ""
    is_site_admin: bool = False
    scope: Scope = Scope.ADMIN
    limits: TokenLimits = field(default_factory=TokenLimits)
    token_id: int | None = None
    key_id: int | None = None
    deploy_repo_id: int | None = None
    deploy_can_write: bool = False
    channel: Channel = Channel.SYSTEM
    address: str = ""
    request_id: str = ""

    @property
    def is_signed_in(self) -> bool:
        """Whether an account (not a mere deploy key) stands behind the request."""
        return self.kind in {ActorKind.USER, ActorKind.SYSTEM}

    @classmethod
    def anonymous(cls, channel: Channel, address: str = "", request_id: str = "") -> Actor:
        """Nobody in particular."""
        return cls(channel=channel, address=address, request_id=request_id)

    @classmethod
    def system(cls, request_id: str = "") -> Actor:
        """The operator at the machine, or the daemon itself."""
        return cls(kind=ActorKind.SYSTEM, name="system", is_site_admin=True, request_id=request_id)

    def at(self, channel: Channel, address: str, request_id: str) -> Actor:
        """The same identity, seen through a door."""
        return replace(self, channel=channel, address=address, request_id=request_id)


class Level(enum.StrEnum):
    """How much a finding weighs."""

    NOTE = "note"
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has to say about a push: where, what, and what to do."""

    level: Level
    check: str
    message: str
    fix: str = ""


class Oid(str):
    """A whole object id, 40 or 64 lower-case hex digits."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Oid:
        """Raises ``Invalid`` for anything but exactly 40 or 64 lower-case hex digits."""
        if not is_oid(text):
            raise Invalid("An object id is 40 or 64 lower-case hexadecimal digits.")
        return cls(text)

    @property
    def is_zero(self) -> bool:
        """Whether this stands for "no object" in a ref update."""
        return not self.strip("0")


class RefName(str):
    """A full, checked ref name such as ``refs/heads/main``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> RefName:
        """Raises ``Invalid`` with the reason."""
        fault = ref_name_fault(text)
        if fault:
            raise Invalid(f"This ref cannot be used: {fault}.")
        return cls(text)

    @classmethod
    def branch(cls, short: str) -> RefName:
        """The branch of this short name."""
        return cls.parse(f"refs/heads/{short}")

    @classmethod
    def tag(cls, short: str) -> RefName:
        """The tag of this short name."""
        return cls.parse(f"refs/tags/{short}")

    @property
    def short(self) -> str:
        """The name without ``refs/heads/`` or ``refs/tags/``."""
        return self.split("/", 2)[2]


class Revision(str):
    """What a URL may name: a branch, a tag, a full ref, or a full or short object id."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Revision:
        """Raises ``Invalid``: no ``HEAD~1``, ranges, options or other rev-parse expressions."""
        if is_oid(text) or text == "HEAD":
            return cls(text)
        full = text if text.startswith("refs/") else f"refs/heads/{text}"
        if ref_name_fault(full) and not _SHORT_HEX.match(text):
            raise Invalid("A revision is a branch, a tag or a commit id.")
        return cls(text)

    @property
    def is_oid(self) -> bool:
        """Whether this is a whole object id, which always means the object, never a ref."""
        return is_oid(self)

    @property
    def may_be_short_oid(self) -> bool:
        """Whether this could abbreviate an object id."""
        return _SHORT_HEX.match(self) is not None


class RepoPath(str):
    """A checked path inside a repository; the root is the empty string."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> RepoPath:
        """Raises ``Invalid`` with the reason; decode percent-escapes once, before this."""
        if text == "":
            return cls("")
        fault = path_fault(text)
        if fault:
            raise Invalid(f"This path cannot be used: it {fault}.")
        return cls(text)

    @property
    def parent(self) -> RepoPath:
        """The folder this lies in; the root's parent is the root."""
        return RepoPath(self.rpartition("/")[0])

    @property
    def name(self) -> str:
        """The last component, as a plain ``str`` (of a path without ``/`` Python gives itself)."""
        return str(self.rpartition("/")[2])

    def child(self, name: str) -> RepoPath:
        """The path of an entry of this folder; the name comes from a tree object."""
        return RepoPath(f"{self}/{name}" if self else name)


@dataclass(frozen=True, slots=True)
class RepoRef:
    """The address of a repository, as people write it: (type, namespace, name)."""

    type: RepoType
    namespace: str
    name: str

    @property
    def repo_id(self) -> str:
        """``namespace/name``, what the Hub's clients call ``repo_id``."""
        return f"{self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        """The address below the hub's root, without a leading slash: ``datasets/ns/name``."""
        return f"{self.type.url_prefix}{self.repo_id}"

    @classmethod
    def parse(cls, repo_type: str, repo_id: str) -> RepoRef:
        """From a type word and ``NS/NAME``; raises ``Invalid``."""
        try:
            kind = RepoType(repo_type)
        except ValueError:
            raise Invalid("The type must be model, dataset, space or code.") from None
        namespace, slash, name = repo_id.partition("/")
        if not slash:
            raise Invalid("A repository is named NAMESPACE/NAME.")
        return cls(kind, check_name(namespace, "namespace"), check_name(name, "repository"))

    @classmethod
    def from_path(cls, path: str) -> RepoRef:
        """From a Git address: ``[/]{,models/,datasets/,spaces/,codes/}NS/NAME[.git][/]``.

        The forms of the Hugging Face Hub and of CSGHub; raises ``Invalid``.
        """
        parts = path.strip("/").split("/")
        kind = RepoType.MODEL
        if len(parts) == 3:  # noqa: PLR2004
            prefixes = {f"{t.value}s": t for t in RepoType}
            if parts[0] not in prefixes:
                raise Invalid("This is not the address of a repository.")
            kind = prefixes[parts.pop(0)]
        if len(parts) != 2:  # noqa: PLR2004
            raise Invalid("This is not the address of a repository.")
        return cls.parse(kind, f"{parts[0]}/{parts[1].removesuffix('.git')}")


def plain_address(text: str) -> str:
    """A client's address; one that reached an IPv6 socket over IPv4 is written as IPv4."""
    mapped = text.lower().removeprefix("::ffff:")
    return mapped if mapped != text.lower() and "." in mapped else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which repositories a list is to have; what is None or empty is not asked for.

    Each word of ``search`` must be found, and each of ``tags``; ``parameters`` are the least and
    the most that a model has.
    """

    type: RepoType | None = None
    namespace: str | None = None
    search: str = ""
    tags: Sequence[str] = ()
    parameters: tuple[int | None, int | None] | None = None
    gated: bool | None = None
