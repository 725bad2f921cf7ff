"""Public SSH keys as people paste them: parsed, judged, fingerprinted."""

from __future__ import annotations

from dataclasses import dataclass

import asyncssh

from hubd.errors import Invalid

MIN_RSA_BITS = 2048
WEAK_RSA_BITS = 3072
_MAX_TEXT = 16384
_ALGORITHMS = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that may sign in; ``line`` is its one-line form, ``warning`` what to tell its owner."""

    algorithm: str
    fingerprint: str
    comment: str
    line: str
    warning: str


def parse_public_key(text: str) -> PublicKey:
    """A public key in OpenSSH's one-line form; raises ``Invalid``. Blocking."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if "PRIVATE" in text:
        raise Invalid("This is a private key; keep it and give the .pub file.")
    if len(lines) != 1 or len(text) > _MAX_TEXT:
        raise Invalid("Give one public key, on one line as in id_ed25519.pub.")
    try:
        key = asyncssh.import_public_key(lines[0])
    except (asyncssh.KeyImportError, ValueError):
        raise Invalid("This is not a public SSH key.", hint="Paste a .pub file.") from None
    algorithm = key.get_algorithm()
    if algorithm not in _ALGORITHMS:
        raise Invalid(f"Keys of type {algorithm} are not accepted.", hint="Use ed25519.")
    return PublicKey(
        algorithm=algorithm,
        fingerprint=key.get_fingerprint(),
        comment=key.get_comment() or "",
        line=key.export_public_key().decode().strip(),
        warning=_warning(key.public_data) if algorithm == "ssh-rsa" else "",
    )


def _warning(blob: bytes) -> str:
    bits = int.from_bytes(_rsa_modulus(blob), "big").bit_length()
    if bits < MIN_RSA_BITS:
        raise Invalid(f"This RSA key has {bits} bits; {MIN_RSA_BITS} are the least.")
    return f"This RSA key has {bits} bits; ed25519 is safer." if bits < WEAK_RSA_BITS else ""


def _rsa_modulus(blob: bytes) -> bytes:
    """The third string of an ``ssh-rsa`` blob (RFC 4253, section 6.6)."""
    fields = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields[2]
