"""Settings become a place for blobs, and wrong ones a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubd.blobs.build import build
from hubd.blobs.encrypted import EncryptedBlobs
from hubd.blobs.local import LocalBlobs
from hubd.blobs.s3 import S3Blobs
from hubd.config import Config, load
from hubd.errors import Invalid

S3 = {
    "blob_store": "s3",
    "s3_bucket": "models",
    "s3_prefix": "hub",
    "s3_region": "eu-north-1",
    "s3_endpoint": "http://s3.example.org",
    "s3_public_endpoint": "https://files.example.org",
    "s3_access_key": "access",
    "s3_secret_key": "hidden",
    "s3_path_style": False,
    "s3_encryption": "aws:kms",
    "s3_kms_key": "a-key",
    "s3_timeout": 7,
}


def _load(**values: object) -> Config:
    return load(None, {}, values)


async def test_local_disk_is_the_default_and_a_key_encrypts_it(tmp_path: Path) -> None:
    plain = build(_load(data_dir=str(tmp_path)))
    assert type(plain) is LocalBlobs
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    sealed = build(_load(data_dir=str(tmp_path), blob_key_file=str(key)))
    assert type(sealed) is EncryptedBlobs
    for place in (plain, sealed):
        await place.start()
        assert (tmp_path / "blobs" / "objects").is_dir()
        await place.close()
    with pytest.raises(Invalid, match="cannot be read"):
        build(_load(blob_key_file=str(tmp_path / "none")))


def test_every_setting_of_s3_arrives() -> None:
    place = build(_load(**S3))
    assert isinstance(place, S3Blobs)
    found = place.client.settings
    for name, value in S3.items():
        if name.startswith("s3_"):
            assert getattr(found, name.removeprefix("s3_")) == value, name
    assert place.direct is not None
    assert "hidden" not in repr(found)
    assert isinstance(build(_load(**S3), "local"), LocalBlobs)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("blob_store", "disk"),
        ("s3_bucket", ""),
        ("s3_encryption", "rot13"),
        ("s3_encryption", "AES256"),
        ("s3_secret_key", ""),
        ("s3_endpoint", "s3.example.org"),
        ("s3_public_endpoint", "ftp://files.example.org"),
        ("s3_timeout", 0),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: object) -> None:
    with pytest.raises(Invalid, match=name):
        _load(**{**S3, name: value})
