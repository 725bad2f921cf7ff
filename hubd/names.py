"""What refs, paths, namespaces and repositories may be called, and why not.

Stricter than git's own rules: what git lets through but would confuse people, file systems or
command lines is refused (threat table B).
"""

from __future__ import annotations

import re
import unicodedata

from hubd.errors import Invalid

_HEX = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
MAX_NAME_LENGTH = 96
MAX_REF_BYTES = 200
MAX_PATH_BYTES = 4096
MAX_COMPONENT_BYTES = 255
MAX_PATH_DEPTH = 256


def is_oid(text: str) -> bool:
    """Whether the text is a whole object id: 40 or 64 lower-case hex digits."""
    return _HEX.match(text) is not None


def ref_name_fault(name: str) -> str | None:
    """Say why a hub must not have a ref of this full name (``refs/heads/…``), or None.

    Stricter than git's own rules (git-check-ref-format): what git lets through but would confuse
    people, file systems or command lines is refused too (threat table B).
    """
    if not name.startswith("refs/"):
        return "its name does not begin with refs/"
    short = name.split("/", 2)[2] if name.count("/") >= 2 else ""  # noqa: PLR2004
    if not short:
        return "its name is empty"
    if len(name.encode("utf-8", "surrogateescape")) > MAX_REF_BYTES:
        return f"its name is longer than {MAX_REF_BYTES} bytes"
    return _text_fault(name) or _ref_shape_fault(short)


def _text_fault(text: str) -> str | None:
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):  # noqa: PLR2004
        return "its name is not UTF-8"
    if unicodedata.normalize("NFC", text) != text:
        return "its name is not in Unicode form NFC"
    if any(unicodedata.category(c) == "Cc" or c in _BIDI for c in text):
        return "its name has control or text-direction characters"
    return None


def _ref_shape_fault(short: str) -> str | None:
    if is_oid(short):
        return "its name could be taken for an object id"
    if short == "HEAD" or short.startswith("refs/"):
        return "its name could be taken for another ref"
    if re.search(r"[\\ ~^:?*\[\x7f]|\.\.|@\{|//", short) or short == "@":
        return "its name has characters that refs cannot have"
    for part in short.split("/"):
        if not part or part[0] in "-." or part.endswith((".", ".lock")):
            return "a part of its name is empty, begins with - or ., or ends with . or .lock"
    return None


def path_fault(path: str) -> str | None:
    """Say why a file of a repository must not have this path, or None."""
    if not path or path.startswith("/") or path.endswith("/"):
        return "is empty, absolute or ends with a slash"
    if len(path.encode("utf-8", "surrogateescape")) > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes"
    parts = path.split("/")
    if len(parts) > MAX_PATH_DEPTH:
        return f"is deeper than {MAX_PATH_DEPTH} folders"
    return next((fault for part in parts if (fault := component_fault(part))), None)


def component_fault(part: str) -> str | None:
    """Say why one component of a path is refused, or None."""
    if part in {"", ".", ".."}:
        return "has an empty, . or .. component"
    if part.rstrip(". ").lower() in {".git", "git~1"}:
        return "has a component that git or a file system could take for .git"
    if "\\" in part:
        return "has a backslash"
    if len(part.encode("utf-8", "surrogateescape")) > MAX_COMPONENT_BYTES:
        return f"has a component longer than {MAX_COMPONENT_BYTES} bytes"
    if any(unicodedata.category(c) == "Cc" or c in _BIDI for c in part):
        return "has control or text-direction characters"
    return None


def check_name(text: str, what: str) -> str:
    """Return the name of a namespace or repository, or raise ``Invalid``."""
    if len(text) > MAX_NAME_LENGTH or not _NAME.match(text):
        raise Invalid(
            f"The {what} name must be 1 to {MAX_NAME_LENGTH} letters, digits, '-', '_' or '.',"
            " beginning and ending with a letter or digit."
        )
    if ".." in text or "--" in text or text.lower().endswith((".git", ".lock", ".ipynb")):
        raise Invalid(f"The {what} name must not contain '..' or '--' or end with .git or .lock.")
    if is_oid(text.lower()):
        raise Invalid(f"The {what} name must not look like an object id.")
    return text


def fold_name(name: str) -> str:
    """The key under which a name is looked up: names that differ in case only are one name."""
    return name.lower()


def skeleton(name: str) -> str:
    """The key under which namespaces must be unique: look-alikes share it."""
    return re.sub(r"[._]", "-", name.lower()).translate(str.maketrans("01", "ol"))


_PULL_REF = re.compile(r"refs/pr/[1-9][0-9]{0,8}\Z")


def is_pull_ref(ref: str) -> bool:
    """Whether a full ref name is where a pull request's commits stand: ``refs/pr/N``."""
    return _PULL_REF.match(ref) is not None
